"""A version that is taken away gets no traffic for drainSeconds, once, before it is uninstalled."""

from __future__ import annotations

from typing import Any

import pytest

from moduledeploy.api.kinds import ModuleSource, ModuleStatus
from moduledeploy.controllers import resources
from moduledeploy.rollout.converge import BaseView, Biz, BizState, Route, Uninstall, Wanted, converge
from moduledeploy.rollout.module_status import UNINSTALL_FAILED, UNINSTALLING
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


async def delete_where_endpoints_stay() -> World:
    world = World()
    world.add_bases(1)
    world.deploy("1", operationStrategy={"serviceStrategy": SERVICE})
    world.start()
    await world.rest()
    world.delete()
    return world


async def test_a_module_that_waits_for_an_endpoint_slice_says_so_when_it_lasts() -> None:
    world = await delete_where_endpoints_stay()
    await world.run_for(1)
    soon = status(world)
    await world.run_for(9)
    later, told = status(world), world.status()["message"]

    world.publish_endpoints()
    await world.run_for(1)

    assert soon["status"] == "Available"
    assert (later["status"], later["reason"]) == ("Terminating", "WaitingForEndpoints")
    assert "orders-service" in later["message"]
    assert later["message"] in told
    assert world.modules() == []


async def test_traffic_is_led_away_also_from_what_lost_its_service_meanwhile() -> None:
    world = await delete_where_endpoints_stay()
    world.strategy("orders", serviceStrategy=None)
    await world.run_for(10)
    waiting = world.arklet.running

    assert [list(found) for found in waiting.values()] == [[("orders", "1")]]

    world.publish_endpoints()
    await world.run_for(1)

    assert world.modules() == []


async def test_whoever_forces_a_deletion_waits_for_no_endpoint_slice() -> None:
    world = await delete_where_endpoints_stay()
    await world.run_for(10)
    name = world.modules()[0]["metadata"]["name"]

    world.annotate(resources.MODULES, name, force_delete="true")
    await world.run_for(1)

    assert world.modules() == []
    assert world.installed() == []


@pytest.mark.parametrize("reason", [UNINSTALLING, UNINSTALL_FAILED])
def test_an_uninstall_that_was_tried_needs_no_second_drain(reason: str) -> None:
    module = Wanted(
        name="one",
        uid="m1",
        family="orders",
        order=(1.0, 1, "one"),
        source=ModuleSource("orders", "1", "file:///modules/orders-1.jar"),
        status=ModuleStatus(status="Terminating", reason=reason),
        is_terminating=True,
        deleted_at=1.0,
    )
    listed = (Biz("orders", "1", BizState.ACTIVE),)
    base = BaseView(
        is_gone=False,
        is_reachable=True,
        container_id="c1",
        modules=(module,),
        listed=listed,
        routes={"orders": Route(drain_s=60)},
    )

    assert converge(base, 100.0).step == Uninstall("orders", "1", module)
