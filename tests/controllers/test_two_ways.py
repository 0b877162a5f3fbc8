"""Differential: one spec, reached by different ways, ends in one state of the cluster."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from moduledeploy.controllers import resources
from tests.controllers.memory_api import Body
from tests.controllers.world import NAME, World

POLICIES = ("install_then_uninstall", "uninstall_then_install", "scaleup_then_scaledown")
Way = Callable[[World], Awaitable[None]]


async def directly(world: World) -> None:
    await deploy(world, "2", 6)


async def by_an_upgrade(world: World) -> None:
    await deploy(world, "1", 6)
    world.upgrade("2")


async def by_a_rollback(world: World) -> None:
    await deploy(world, "2", 6)
    world.upgrade("3")
    await world.confirm_all()
    world.upgrade("2")


async def by_going_back_in_the_middle(world: World) -> None:
    await deploy(world, "2", 6)
    world.upgrade("3")
    await world.rest()
    assert world.is_waiting()
    world.upgrade("2")


async def by_an_upgrade_that_overtakes_another(world: World) -> None:
    await deploy(world, "1", 6)
    world.upgrade("3")
    await world.rest()
    world.upgrade("2")


async def by_scaling_up(world: World) -> None:
    await deploy(world, "2", 2)
    world.edit(replicas=6)


async def by_scaling_down(world: World) -> None:
    await deploy(world, "2", 8)
    world.edit(replicas=6)


async def by_scaling_in_the_middle_of_an_upgrade(world: World) -> None:
    await deploy(world, "1", 4)
    world.upgrade("2")
    await world.rest()
    world.edit(replicas=6)


async def by_losing_a_base_on_the_way(world: World) -> None:
    await deploy(world, "1", 6)
    world.upgrade("2")
    await world.rest()
    world.delete_base(next(iter(world.arklet.serving())))
    world.add_bases(1)


async def by_a_restart_of_a_base_on_the_way(world: World) -> None:
    await deploy(world, "1", 6)
    world.upgrade("2")
    await world.rest()
    world.restart_base(next(iter(world.arklet.serving())))


async def by_deleting_and_making_it_anew(world: World) -> None:
    await deploy(world, "1", 6)
    world.delete()
    await world.rest()
    await deploy(world, "2", 6)


WAYS: tuple[Way, ...] = (
    by_an_upgrade,
    by_a_rollback,
    by_going_back_in_the_middle,
    by_an_upgrade_that_overtakes_another,
    by_scaling_up,
    by_scaling_down,
    by_scaling_in_the_middle_of_an_upgrade,
    by_losing_a_base_on_the_way,
    by_a_restart_of_a_base_on_the_way,
    by_deleting_and_making_it_anew,
)


async def deploy(world: World, version: str, replicas: int) -> None:
    strategy = {"batchCount": 3, "needConfirm": True, "upgradePolicy": world.policy}
    strategy |= {"serviceStrategy": {"enableModuleService": True, "port": 80, "targetPort": 8080}}
    world.deploy(version, replicas=replicas, operationStrategy=strategy)
    await world.confirm_all()


def end(world: World) -> Body:
    """What is there in the end, whatever it is called and wherever scatter put it."""
    status = world.status()
    counts = {name: value for name, value in status.items() if isinstance(value, int) and name != "observedGeneration"}
    labelled = {
        f"{pod['status']['podIP']}:1238"
        for pod in world.api.list(resources.PODS)
        if f"module.koupleless.alipay.com/{NAME}" in pod["metadata"].get("labels", {})
    }
    newest = [
        body["metadata"]["name"] for body in world.api.list(resources.MODULE_REPLICA_SETS) if body["spec"]["replicas"]
    ]
    return {
        "spec": world.deployment()["spec"],
        "progress": world.progress(),
        "counts": {name: value for name, value in counts.items() if name != "collisionCount"},
        "conditions": world.conditions(),
        "revisions with replicas": newest,
        "modules": sorted((b["spec"]["module"]["version"], b["status"]["status"]) for b in world.modules()),
        "installed": world.installed(),
        "traffic goes where it serves": labelled == set(world.arklet.serving()),
        "bases": len(world.arklet.serving()),
    }


async def reach(policy: str, way: Way) -> Body:
    world = World(policy=policy)
    world.add_bases(10)
    world.start()
    await way(world)
    await world.confirm_all()
    return end(world)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("policy", POLICIES)
async def test_every_way_leads_to_the_same_end(policy: str, way: Way) -> None:
    expected = await reach(policy, directly)

    assert await reach(policy, way) == expected
