"""Operations that end without a clear answer: the list decides, and the Module says what is awaited."""

from __future__ import annotations

from typing import Any

from moduledeploy.api import names
from moduledeploy.arklet.outcomes import BizState, Busy, Repeated, Unclear
from moduledeploy.controllers import resources
from tests.controllers.world import NAME, World, deployed


def status(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.modules()[0].get("status", {})
    return found


async def after_five_minutes_of(answer: Busy | Repeated) -> World:
    """The only base has answered every install so."""
    world = World()
    world.add_bases(1)
    world.arklet.refused["orders:1"] = answer
    world.deploy("1")
    world.start()
    await world.run_for(300)
    return world


async def test_an_install_without_an_answer_and_without_effect_has_failed_and_is_tried_again() -> None:
    world = World()
    world.add_bases(1)
    world.arklet.refused["orders:1"] = Unclear("timeout", "no answer within 300 s")
    world.deploy("1")
    world.start()
    await world.run_for(1)

    assert (status(world)["status"], status(world)["failureClass"]) == ("Failed", "retryable")
    assert status(world)["message"] == "no answer within 300 s"
    assert "no answer within 300 s" in world.status()["message"]
    world.arklet.refused.clear()
    await world.rest()
    assert world.progress() == "Completed"


async def test_a_jar_of_a_module_that_the_base_has_already_is_told_as_a_mismatch_and_seldom_tried() -> None:
    world = World()
    [address] = world.add_bases(1)
    world.arklet.running[address] = {("other", "1"): BizState.ACTIVATED}
    world.arklet.loads["file:///modules/orders-1.jar"] = ("other", "1")
    world.deploy("1")
    world.start()
    await world.run_for(30)

    assert (status(world)["status"], status(world)["reason"]) == ("Failed", "IdentityMismatch")
    assert "orders:1" in status(world)["message"]
    assert "other:1" in status(world)["message"]
    assert sum(call[0] == "install" for call in world.arklet.calls) == 1
    assert world.arklet.running[address] == {("other", "1"): BizState.ACTIVATED}


async def test_an_install_that_another_process_began_is_told_while_it_goes_on() -> None:
    world = World()
    [address] = world.add_bases(1)
    here = world.arklet.running[address] = {("orders", "1"): BizState.RESOLVED}
    world.deploy("1")
    world.start()
    await world.run_for(20)
    meanwhile = status(world)

    here["orders", "1"] = BizState.ACTIVATED
    await world.rest()

    assert (meanwhile["status"], meanwhile["reason"]) == ("Upgrading", "Installing")
    assert (status(world)["status"], world.progress()) == ("Available", "Completed")
    assert [call for call in world.arklet.calls if call[0] == "install"] == []


async def test_an_install_of_what_the_base_holds_and_does_not_list_is_tried_ever_more_rarely() -> None:
    world = await after_five_minutes_of(Repeated("Biz: orders:1 has been installed or registered."))

    assert sum(call[0] == "install" for call in world.arklet.calls) < 15
    world.arklet.refused.clear()
    await world.rest()
    assert world.progress() == "Completed"


async def test_an_install_that_has_to_wait_says_so_and_asks_ever_more_rarely() -> None:
    world = await after_five_minutes_of(Busy("another operation is under way"))

    assert (status(world)["status"], status(world)["reason"]) == ("Pending", "BaseBusy")
    assert status(world)["message"] == "another operation is under way"
    assert sum(call[0] == "install" for call in world.arklet.calls) < 15
    world.arklet.refused.clear()
    await world.rest()
    assert world.progress() == "Completed"


async def test_an_uninstall_without_an_answer_and_without_effect_says_so_and_can_be_given_up() -> None:
    world = await deployed(replicas=1, bases=1)
    world.arklet.hung.add("orders:1")
    world.delete()
    await world.run_for(10)

    assert (status(world)["status"], status(world)["reason"]) == ("Terminating", "UninstallFailed")
    world.annotate(resources.MODULES, world.modules()[0]["metadata"]["name"], force_delete="true")
    await world.run_for(120)
    assert world.modules() == []
    assert world.api.find(resources.MODULE_DEPLOYMENTS, NAME) is None


async def test_giving_up_in_advance_uninstalls_where_the_base_answers() -> None:
    world = await deployed(replicas=1, bases=1)
    world.annotate(resources.MODULES, world.modules()[0]["metadata"]["name"], force_delete="true")

    world.delete()
    await world.rest()

    assert world.modules() == []
    assert world.installed() == []


async def test_a_module_that_never_reached_its_base_is_terminating_once_it_is_deleted() -> None:
    world = World()
    world.add_bases(1, annotations={names.ARKLET_PORT_ANNOTATION: "many"})
    world.deploy("1")
    world.start()
    await world.run_for(10)
    before = status(world)["status"], status(world)["reason"]

    world.delete()
    await world.run_for(120)

    assert before == ("Pending", "BaseUnreachable")
    assert (status(world)["status"], status(world)["reason"]) == ("Terminating", "BaseUnreachable")


async def test_a_module_that_can_not_be_uninstalled_holds_no_other_on_its_base() -> None:
    world = World()
    world.add_bases(1)
    world.deploy("1", name="audit")
    world.start()
    await world.rest()
    world.arklet.kept.add("audit:1")
    world.delete("audit")
    await world.run_for(120)

    world.deploy("1")
    await world.run_for(5)
    installed = world.installed()
    uninstalls = sum(call[0] == "uninstall" for call in world.arklet.calls)
    world.upgrade("2")
    await world.run_for(300)
    tries = sum(call[0] == "uninstall" and call[2] == "audit:1" for call in world.arklet.calls) - uninstalls

    assert installed == ["audit:1", "orders:1"]
    assert world.installed() == ["audit:1", "orders:2"]
    assert 3 <= tries <= 10  # it is tried again all the same, ever more rarely
    world.arklet.kept.clear()
    await world.rest()
    assert world.installed() == ["orders:2"]


async def test_a_jar_that_is_another_module_which_is_wanted_by_now_is_left_alone() -> None:
    world = World()
    world.add_bases(1)
    world.arklet.loads["file:///modules/orders-1.jar"] = ("audit", "1")
    world.deploy("1")

    def around(point: str) -> None:
        if point == "before install" and world.api.find(resources.MODULES, "by-hand") is None:
            pod = world.api.list(resources.PODS)[0]["metadata"]
            source = {"name": "audit", "version": "1", "url": "file:///modules/audit-1.jar"}
            spec = {"module": source, "base": {"name": pod["name"], "uid": pod["uid"]}}
            world.api.create(resources.MODULES, "default", {"metadata": {"name": "by-hand"}, "spec": spec})
            world.process.deliver()

    world.around = around
    world.start()
    await world.run_for(30)

    assert world.api.get(resources.MODULES, "by-hand")["status"]["status"] == "Available"
    assert sum(world.arklet.uninstalls.values()) == 0
