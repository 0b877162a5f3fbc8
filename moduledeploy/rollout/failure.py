"""The progress deadline, and what is decided when a batch fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from moduledeploy.api.status import Failure, Progress, Release
from moduledeploy.api.times import encode_time
from moduledeploy.rollout.slots import Mark, ModuleFacts, Slots

if TYPE_CHECKING:
    from moduledeploy.rollout.view import Parent

INSTALL_FAILED = "InstallFailed"
DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"


def find_drained_at(slots: Slots, drain_s: int) -> float:
    """When the last version that drains now has drained; 0 where none does."""
    began = [
        module.draining_since
        for slot in slots.marked(Mark.DRAINING)
        for module in slot.modules
        if module.draining_since is not None
    ]
    return max(began, default=-drain_s) + drain_s


def run_clock(release: Release, slots: Slots, now: float, *, desired: int, drained_at: float) -> Release:
    """The release with its deadline's clock at `now`.

    Only a new high-water mark of updated and available replicas is progress: a crash loop that reaches an old level again
    is none. The clock stands still unless the rollout is executing, and until what drains has drained (`drained_at`).
    The peak is one of the desired replicas: those that were scaled away are not missing.
    """
    clock = release.deadline
    if release.progress in (Progress.EXECUTING, Progress.INIT) and drained_at <= now:
        if clock.held_at is not None:
            clock = attrs.evolve(clock, progressed_at=clock.progressed_at + now - clock.held_at, held_at=None)
    elif clock.held_at is None:
        clock = attrs.evolve(clock, held_at=now)
    available = slots.count(Mark.UPDATED_AVAILABLE)
    if available > clock.high_water:
        clock = attrs.evolve(clock, high_water=available, progressed_at=now, held_at=now if clock.held_at else None)
    peak = min(desired, max(release.peak_available, slots.count(Mark.AVAILABLE)))
    return attrs.evolve(release, deadline=clock, peak_available=peak)


def deadline_at(release: Release, deadline_s: int) -> float | None:
    """When the deadline is over unless there is progress; None while the clock stands still."""
    return None if release.deadline.held_at is not None else release.deadline.progressed_at + deadline_s


def judge(parent: Parent, release: Release, slots: Slots, now: float) -> Failure | None:
    """The decision, when the current batch has failed by now.

    It has when more replicas than failureThreshold failed permanently, or at the deadline if at least one failed at all and
    the batch isn't done without it; a lack of bases or of capacity alone is no failure.
    """
    if release.progress is Progress.COMPLETED:
        return None
    strategy = parent.spec.strategy
    failed = slots.count(Mark.FAILED)
    over = deadline_at(release, parent.spec.progress_deadline_s)
    if failed > strategy.failure_threshold:
        reason = INSTALL_FAILED
        message = f"{failed} failed permanently and failureThreshold is {strategy.failure_threshold}"
    elif over is not None and now >= over and not release.batch_done and _fails(slots):
        reason = DEADLINE_EXCEEDED
        message = f"no progress for {parent.spec.progress_deadline_s} s and {slots.count(Mark.FAILING)} failing"
    else:
        return None
    return Failure(
        revision=release.revision,
        decision=strategy.on_failure,
        reason=reason,
        message=f"{message}; {first_failure(slots)}",
        at=now,
        retry=parent.retry,
    )


def _fails(slots: Slots) -> bool:
    return any(not slot.is_refused_for_capacity for slot in slots.marked(Mark.FAILING))


def first_failure(slots: Slots) -> str:
    """One failing Module in words: which base, why."""
    found = _first_failing(slots)
    return "" if found is None else f"on {found.base_name}: {found.message or found.reason}"


def next_try(slots: Slots) -> str:
    """When that Module's install is tried again, in words."""
    found = _first_failing(slots)
    return "" if found is None or found.retry_at is None else f", tried again at {encode_time(found.retry_at)}"


def _first_failing(slots: Slots) -> ModuleFacts | None:
    for mark in (Mark.FAILED, Mark.FAILING):
        for slot in slots.marked(mark):
            if slot.target is not None:
                return slot.target
    return None
