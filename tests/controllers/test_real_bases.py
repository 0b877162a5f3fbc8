"""What real bases were seen to do, and what the controllers make of it."""

from __future__ import annotations

from moduledeploy.arklet.outcomes import FailureClass, Refused
from tests.controllers.world import World

CONTEXT_PATH = Refused(FailureClass.CONFLICT, "CMD_PROCESS_INTERNAL_ERROR", "the context path is taken")


def started(count: int = 3) -> World:
    world = World()
    world.add_bases(count)
    world.start()
    return world


async def test_a_module_that_is_gone_though_its_stop_threw_counts_as_uninstalled() -> None:
    world = started()
    world.deploy("1", replicas=3)
    await world.rest()
    world.arklet.throwing.add("orders:1")

    world.delete()
    began_at = world.clock.monotonic()
    await world.rest()

    assert world.installed() == []
    assert world.modules() == []
    assert world.clock.monotonic() - began_at < 1


async def test_a_deletion_takes_everything_away_without_a_word_about_protection() -> None:
    world = started()
    world.deploy("1", replicas=3)
    await world.rest()

    world.arklet.kept.add("orders:1")
    world.delete()
    await world.run_for(5)
    world.arklet.kept.clear()
    await world.rest()

    assert world.installed() == []
    assert "MaxUnavailableExceeded" not in world.events.reasons


async def test_the_policy_that_the_status_names_leads_out_of_a_shared_context_path() -> None:
    world = started()
    world.deploy("1", replicas=3, maxUnavailable=1, operationStrategy={"upgradePolicy": "install_then_uninstall"})
    await world.rest()
    before = dict(world.arklet.serving())
    world.arklet.refused["orders:2"] = CONTEXT_PATH
    world.upgrade("2")
    await world.run_for(30)
    stuck = dict(world.arklet.serving())

    world.strategy(upgradePolicy="uninstall_then_install")
    await world.run_for(1)
    meanwhile = world.arklet.serving()
    world.arklet.refused.clear()
    await world.rest()

    assert stuck == before
    assert len(meanwhile) == 2
    assert set(world.arklet.serving().values()) == {"orders:2"}
    assert world.progress() == "Completed"
