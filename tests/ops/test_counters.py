"""What rollouts came to, told from one status to the next."""

from __future__ import annotations

from typing import Final

import attrs
import pytest

from moduledeploy.api.spec import OnFailure
from moduledeploy.api.status import DeploymentStatus, Failure, Progress, Release
from moduledeploy.controllers.counters import RolloutCounters
from moduledeploy.runtime.metrics import Metrics
from tests.ops.test_rows import release

BEGIN: Final = 1_700_000_000.0


class World:
    def __init__(self) -> None:
        self.metrics = Metrics()
        self.counters = RolloutCounters(self.metrics.rollout)
        self.status = DeploymentStatus(selector="s=shop", release=release(transition_at=BEGIN))

    def step(self, at: float, **changes: object) -> None:
        """The next status, `at` seconds after the begin; a new progress begins then."""
        assert self.status.release is not None
        if "progress" in changes:
            changes.setdefault("transition_at", BEGIN + at)
        self.to(at, attrs.evolve(self.status.release, **changes))  # type: ignore[arg-type]

    def to(self, at: float, next_release: Release) -> None:
        after = attrs.evolve(self.status, release=next_release)
        self.counters.observe_pass(self.status, after, BEGIN + at)
        self.status = after

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"moduledeploy_{name}", labels)


def failure(decision: OnFailure) -> Failure:
    return Failure(revision="shop-1", decision=decision, reason="InstallFailed", message="", at=BEGIN)


def test_waiting_is_no_part_of_the_active_time() -> None:
    world = World()
    world.step(10, progress=Progress.WAITING_FOR_CONFIRMATION, batch_done=True)
    world.step(70, progress=Progress.GRAY_WAITING)
    world.step(100, progress=Progress.EXECUTING, batch_done=False)
    world.step(120, progress=Progress.COMPLETED, batch_done=True)

    assert world.value("rollouts_total", result="completed") == 1
    assert world.value("rollout_duration_seconds_sum", result="completed") == 120
    assert world.value("rollout_active_duration_seconds_sum", result="completed") == 30
    assert world.value("wait_duration_seconds_sum", reason="confirmation") == 60
    assert world.value("wait_duration_seconds_sum", reason="interval") == 30


def test_a_batch_takes_from_its_begin_to_its_end() -> None:
    world = World()
    world.step(10, progress=Progress.WAITING_FOR_CONFIRMATION, batch_done=True)
    world.step(70, progress=Progress.EXECUTING, batch_done=False)
    world.step(75, progress=Progress.COMPLETED, batch_done=True)

    assert world.value("batch_duration_seconds_count", result="completed") == 2
    assert world.value("batch_duration_seconds_sum", result="completed") == 15


@pytest.mark.parametrize(
    ("decision", "result"),
    [(OnFailure.PAUSE, "failed"), (OnFailure.ABORT, "aborted"), (OnFailure.ROLLBACK, "rolled_back")],
)
def test_a_failed_batch_ends_the_rollout_as_was_decided(decision: OnFailure, result: str) -> None:
    world = World()
    world.step(30, progress=Progress.FAILED, failure=failure(decision))
    world.step(40, transition_at=BEGIN)

    assert world.value("rollouts_total", result=result) == 1
    assert world.value("batch_duration_seconds_sum", result="failed") == 30


def test_a_new_template_supersedes_the_rollout_its_batch_and_its_wait() -> None:
    executing, paused = World(), World()
    executing.to(30, release(revision="shop-2", started_at=BEGIN + 30, transition_at=BEGIN + 30))
    paused.step(10, progress=Progress.PAUSED)
    paused.to(30, release(revision="shop-2", started_at=BEGIN + 30, transition_at=BEGIN + 30))

    assert executing.value("rollouts_total", result="superseded") == 1
    assert executing.value("batch_duration_seconds_count", result="superseded") == 1
    assert paused.value("batch_duration_seconds_count", result="superseded") == 0
    assert paused.value("wait_duration_seconds_sum", reason="paused") == 20
    assert paused.value("rollout_active_duration_seconds_sum", result="superseded") == 10


def test_a_completed_rollout_is_not_superseded_by_the_next() -> None:
    world = World()
    world.step(30, progress=Progress.COMPLETED, batch_done=True)
    world.to(60, release(revision="shop-2", started_at=BEGIN + 60, transition_at=BEGIN + 60))

    assert world.value("rollouts_total", result="superseded") == 0
    assert world.value("rollouts_total", result="completed") == 1
