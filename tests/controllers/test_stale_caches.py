"""What the controllers do while the watch lags behind what others did."""

from __future__ import annotations

import pytest

from moduledeploy.api.names import FINALIZER
from moduledeploy.controllers import resources
from moduledeploy.kube.resources import ObjectKey
from tests.controllers.world import NAME, World

SERVICE = {"enableModuleService": True, "port": 8080, "targetPort": 8080}


async def serving() -> tuple[World, list[str]]:
    """One replica with traffic, and the requests that are made from now on."""
    world = World()
    world.add_bases(1)
    world.deploy("1", operationStrategy={"serviceStrategy": SERVICE})
    world.start()
    await world.rest()
    points: list[str] = []
    world.around = points.append
    world.start()
    await world.rest()
    points.clear()
    return world, points


@pytest.mark.parametrize("comes_again", [False, True])
async def test_a_pod_that_is_gone_unheard_of_is_not_patched_without_end(comes_again: bool) -> None:
    world, points = await serving()
    world.process.held = {resources.PODS}
    pod = world.api.list(resources.PODS)[0]
    world.api.delete(resources.PODS, ObjectKey("default", pod["metadata"]["name"]))
    if comes_again:
        fresh = {key: pod["metadata"][key] for key in ("name", "ownerReferences")}
        world.api.create(resources.PODS, "default", {**pod, "metadata": fresh})
    world.delete()

    await world.process.settle(limit=200)
    await world.run_for(2)

    assert 1 <= points.count("before patch Pod") <= 6
    world.process.held = set()
    await world.rest()
    assert world.modules() == []
    assert world.api.find(resources.MODULE_DEPLOYMENTS, NAME) is None
    assert not any(
        "module.koupleless" in key for p in world.api.list(resources.PODS) for key in p["metadata"].get("labels", {})
    )


@pytest.mark.parametrize("comes_again", [False, True])
async def test_a_module_that_is_gone_unheard_of_is_not_written_without_end(comes_again: bool) -> None:
    world, points = await serving()
    world.process.held = {resources.MODULES}
    old = world.modules()[0]
    name = old["metadata"]["name"]
    world.api.delete(resources.MODULES, ObjectKey("default", name))
    assert old["metadata"]["finalizers"] == [FINALIZER]
    world.patch(resources.MODULES, name, {"metadata": {"finalizers": []}})
    if comes_again:
        world.api.create(resources.MODULES, "default", old)
    world.restart_base(next(iter(world.arklet.serving())))

    await world.process.settle(limit=200)
    await world.run_for(2)

    assert 1 <= points.count("before patch Module status") <= 6
    assert not comes_again or "status" not in world.modules()[0]
    world.process.held = set()
    await world.rest()
    assert world.installed() == ["orders:1"]
    assert world.progress() == "Completed"
