"""A version that is taken away gets no traffic for drainSeconds, once, before it is uninstalled."""

from __future__ import annotations

from typing import Any

from tests.controllers.world import World

SERVICE = {"enableModuleService": True, "port": 8080, "targetPort": 8080}


def status(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.modules()[0]["status"]
    return found


async def test_an_uninstall_that_failed_is_tried_again_without_another_drain() -> None:
    world = World()
    world.add_bases(1)
    world.deploy("1", operationStrategy={"serviceStrategy": SERVICE, "drainSeconds": 1000})
    world.start()
    await world.rest()
    world.arklet.kept.add("orders:1")
    world.delete()
    world.publish_endpoints()
    await world.process.settle()
    world.publish_endpoints()
    await world.run_for(990)
    draining = status(world)
    await world.run_for(60)
    failed = status(world)

    world.arklet.kept.clear()
    await world.run_for(120)

    assert (draining["status"], draining["reason"]) == ("Terminating", "Draining")
    assert (failed["status"], failed["reason"]) == ("Terminating", "UninstallFailed")
    assert world.modules() == []
