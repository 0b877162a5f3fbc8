"""What is kept of the rollouts that are over."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import attrs
import pytest

from moduledeploy.api.spec import OnFailure
from moduledeploy.api.status import Deadline, Failure, Progress, Release, ReleaseKind
from moduledeploy.rollout.record import ROLLED_OUT, STARTED, record
from tests.rollout.world import World


def release(revision: str, progress: Progress = Progress.EXECUTING, *, at: float = 100.0, **fields: Any) -> Release:
    return Release(
        revision=revision,
        progress=progress,
        started_at=at,
        transition_at=at + 7,
        deadline=Deadline(progressed_at=at),
        **fields,
    )


def failed(revision: str, decision: OnFailure) -> Release:
    failure = Failure(revision=revision, decision=decision, reason="InstallFailed", message="no such jar", at=103.0)
    return release(revision, Progress.FAILED, failure=failure)


def said(*states: Release | None, revision: str = "r1") -> list[tuple[str, bool | None, str, float]]:
    """What is kept after these states, each pass going from one to the next."""
    kept: tuple[Any, ...] = ()
    for before, after in pairwise(states):
        kept = record(revision, kept, before, after)
    return [(item.type, item.status, item.reason, item.transition_at) for item in kept]


BEGUN = (STARTED, True, "NewRevision", 100.0)
COMPLETED = (ROLLED_OUT, True, "Completed", 107.0)


def test_a_rollout_under_way_has_begun_and_no_more() -> None:
    assert said(None, release("r1")) == [BEGUN]


def test_its_end_is_kept_when_another_begins() -> None:
    done = release("r1", Progress.COMPLETED)
    assert said(None, release("r1"), done, release("r2", at=200.0), release("r3", at=300.0)) == [BEGUN, COMPLETED]


def test_one_that_another_overtook_is_superseded_at_that_moment() -> None:
    assert said(None, release("r1"), release("r2", at=200.0)) == [BEGUN, (ROLLED_OUT, False, "Superseded", 200.0)]


@pytest.mark.parametrize(
    ("decision", "word"),
    [(OnFailure.PAUSE, "Failed"), (OnFailure.ABORT, "Aborted"), (OnFailure.ROLLBACK, "RolledBack")],
)
def test_one_that_failed_says_what_was_decided(decision: OnFailure, word: str) -> None:
    assert said(None, failed("r1", decision), release("r2", at=200.0)) == [BEGUN, (ROLLED_OUT, False, word, 103.0)]


def test_scaling_is_no_rollout_of_the_revision() -> None:
    scaling = release("r1", at=200.0, kind=ReleaseKind.SCALE)
    assert said(None, release("r1", Progress.COMPLETED), scaling, scaling) == [BEGUN, COMPLETED]


def test_what_a_crash_left_unwritten_is_written_by_the_next_rollout() -> None:
    assert said(release("r1", Progress.COMPLETED), release("r2", at=200.0)) == [BEGUN, COMPLETED]


def test_going_back_to_a_revision_begins_it_anew() -> None:
    again = release("r1", at=300.0)
    assert said(release("r1", Progress.COMPLETED), release("r2", at=200.0), again) == [
        (STARTED, True, "NewRevision", 300.0)
    ]


def test_trying_a_failed_rollout_again_takes_its_end_back() -> None:
    retried = attrs.evolve(failed("r1", OnFailure.PAUSE), failure=None, progress=Progress.EXECUTING)
    assert said(None, failed("r1", OnFailure.PAUSE), retried) == [BEGUN]


def test_the_time_of_the_last_transition_is_that_of_completion() -> None:
    made = World()
    made.add_bases(2)
    made.edit(replicas=2, minReadySeconds=10)
    made.strategy()
    made.template("1")

    made.run(30)

    done = made.status.release
    assert done is not None
    assert done.progress is Progress.COMPLETED
    assert done.transition_at - done.started_at >= 10
