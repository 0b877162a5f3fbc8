"""The progress deadline: what counts as progress, when its clock stands still, and what it needs to be a failure."""

from __future__ import annotations

from moduledeploy.api.kinds import FailureClass
from moduledeploy.api.status import Progress
from tests.rollout.world import World


def upgrading(**strategy: object) -> World:
    """Four replicas, two of which may be unavailable, on their way to a version that b00 can't start."""
    world = World()
    world.add_bases(4)
    world.edit(replicas=4, maxUnavailable=2, progressDeadlineSeconds=600)
    world.strategy(upgradePolicy="uninstall_then_install", **strategy)
    world.failure_class = FailureClass.RETRYABLE
    world.template("1")
    world.settle()
    world.bad.add("2@b00")
    world.template("2")
    return world


def progress(world: World) -> Progress:
    assert world.status.release is not None
    return world.status.release.progress


def test_the_clock_stands_still_while_a_replica_drains() -> None:
    world = upgrading(drainSeconds=700, serviceStrategy={"enableModuleService": True, "port": 80})

    world.run(2099)  # b00 and b01 drain, then b02, then b03, each for longer than the deadline
    while_draining = progress(world)
    world.run(2)
    when_drained = progress(world)
    world.run(600)

    assert while_draining is when_drained is Progress.EXECUTING
    assert progress(world) is Progress.FAILED
    assert "no progress for 600 s" in world.status.message


def test_the_clock_runs_on_while_an_uninstall_after_the_drain_takes_its_time() -> None:
    world = upgrading(drainSeconds=100)
    world.stuck.add("b01")

    world.run(699)
    before = progress(world)
    world.run(2)

    assert before is Progress.EXECUTING
    assert progress(world) is Progress.FAILED
