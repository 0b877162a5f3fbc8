"""Faults of the predecessor's traffic: labels on pods, and Services.

| what v1 did | test |
|---|---|
| the traffic label came before the install | test_traffic_comes_after_the_install |
| and went after the uninstall | test_traffic_goes_before_the_uninstall |
| it stayed on pods whose install failed | test_a_failed_install_gets_no_traffic |
| a crash between finalizer and label leaked the slot | test_a_crash_while_removing_leaks_neither_label_nor_slot |
| Services were NodePorts | test_the_service_is_a_cluster_ip |
| they went with the first of their owners | test_the_service_stays_while_another_family_owns_it |
| they were made once and never mended | test_a_service_that_was_deleted_is_made_again |
"""

from __future__ import annotations

import pytest

from moduledeploy.arklet.outcomes import FailureClass, Refused
from moduledeploy.controllers import resources
from moduledeploy.kube.errors import Unreachable
from moduledeploy.kube.resources import ObjectKey
from tests.controllers.world import NAME, World
from tests.faults_of_v1.scenes import SERVICE, deployed

LABEL = f"module.koupleless.alipay.com/{NAME}"


def labels(world: World) -> list[bool]:
    return [LABEL in pod["metadata"].get("labels", {}) for pod in world.api.list(resources.PODS)]


def follow_traffic(world: World) -> list[tuple[str, bool, bool]]:
    """At every request: what it is, whether the pod has the label, whether the module is there."""
    seen: list[tuple[str, bool, bool]] = []
    world.around = lambda point: seen.append((point, labels(world)[0], bool(world.installed())))
    world.start()
    return seen


async def test_traffic_comes_after_the_install() -> None:
    world = World()
    world.add_bases(1)
    seen = follow_traffic(world)
    world.deploy("1", operationStrategy={"serviceStrategy": SERVICE})
    await world.rest()

    assert labels(world) == [True]
    assert all(is_there for _, has_label, is_there in seen if has_label)


@pytest.mark.parametrize("drain_s", [0, 20])
async def test_traffic_goes_before_the_uninstall(drain_s: int) -> None:
    world = await deployed(1, 1, serviceStrategy=SERVICE, drainSeconds=drain_s)
    seen = follow_traffic(world)
    world.delete()
    began_at = world.clock.now

    await world.process.settle()
    assert world.installed() == ["orders:1"], "an EndpointSlice still leads here"
    assert labels(world) == [False]
    await world.rest()

    assert world.installed() == []
    assert not any(has_label for point, has_label, _ in seen if point.endswith("uninstall"))
    assert world.clock.now - began_at >= drain_s


async def test_a_failed_install_gets_no_traffic() -> None:
    world = World()
    world.add_bases(1)
    world.arklet.refused["orders:1"] = Refused(FailureClass.PERMANENT, "FAILED", "no such jar")
    world.deploy("1", operationStrategy={"serviceStrategy": SERVICE})
    world.start()
    await world.rest()

    assert labels(world) == [False]


async def test_a_crash_while_removing_leaks_neither_label_nor_slot() -> None:
    world = await deployed(1, 1, serviceStrategy=SERVICE)
    count = 0
    while True:  # stop before every single request
        reached = 0

        def around(point: str, stop: int = count) -> None:
            nonlocal reached
            reached += 1
            if reached == stop:
                raise Unreachable(point)

        world.around = around
        world.start()
        world.delete()
        await world.rest()
        assert world.modules() == []
        assert labels(world) == [False]
        if reached < count:
            return
        world.deploy("1", operationStrategy={"serviceStrategy": SERVICE})
        world.around = lambda point: None
        world.start()
        await world.rest()
        assert labels(world) == [True], count
        count += 1


async def test_the_service_is_a_cluster_ip() -> None:
    world = await deployed(1, 1, serviceStrategy=SERVICE)

    spec = world.api.get(resources.SERVICES, f"{NAME}-service")["spec"]
    assert spec["type"] == "ClusterIP"
    assert spec["selector"] == {LABEL: "true"}


async def test_the_service_stays_while_another_family_owns_it() -> None:
    world = World()
    world.add_bases(1)
    world.add_bases(1, deployment="other")
    strategy = {"serviceStrategy": SERVICE}
    world.deploy("1", name="a", module_name=NAME, operationStrategy=strategy)
    world.deploy("1", name="b", module_name=NAME, operationStrategy=strategy, baseDeploymentName="other")
    world.start()
    await world.rest()

    world.delete("a")
    await world.rest()
    assert world.api.find(resources.SERVICES, f"{NAME}-service") is not None
    assert labels(world) == [False, True]
    world.delete("b")
    await world.rest()

    assert world.api.find(resources.SERVICES, f"{NAME}-service") is None
    assert labels(world) == [False, False]


async def test_a_service_that_was_deleted_is_made_again() -> None:
    world = await deployed(1, 1, serviceStrategy=SERVICE)
    world.api.delete(resources.SERVICES, ObjectKey("default", f"{NAME}-service"))
    await world.rest()

    assert world.api.find(resources.SERVICES, f"{NAME}-service") is not None
