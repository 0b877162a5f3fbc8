"""Events: one per transition, told from the status before and after a pass, none for a pass that changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from moduledeploy.api.status import DeploymentStatus, Progress, Release, ReleaseKind
from moduledeploy.api.times import encode_time
from moduledeploy.rollout.report import AVAILABLE, CONFLICT, OBSTACLES, PROGRESSING, REPLICA_FAILURE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moduledeploy.rollout.view import Parent


@attrs.frozen(kw_only=True)
class EventFact:
    """One event on the parent. Events alike but for their note are told as one series: so the action names the batch."""

    reason: str
    action: str
    note: str
    is_warning: bool = False


def transitions(parent: Parent, after: DeploymentStatus, *, terminating: bool = False) -> tuple[EventFact, ...]:
    """What happened between the parent's last status and this one. A bare ModuleReplicaSet keeps none and has no events."""
    if not parent.is_deployment:
        return ()
    before = parent.status
    found = [*_of_conditions(before, after)]
    if after.release is not None and not terminating:
        found = [*_of_release(before.release, after.release, may_start=not _is_obstructed(after)), *found]
    return tuple(found)


def _is_obstructed(status: DeploymentStatus) -> bool:
    """Something keeps the family from starting anything at all."""
    progressing = status.condition(PROGRESSING)
    return status.condition(CONFLICT) is not None or (progressing is not None and progressing.reason in OBSTACLES)


def _of_release(before: Release | None, after: Release, *, may_start: bool) -> Iterator[EventFact]:
    begun = before is None or (before.revision, before.started_at) != (after.revision, after.started_at)
    if before is not None and before.progress is not Progress.COMPLETED and before.revision != after.revision:
        note = f"{before.revision} gives way to {after.revision}"
        yield EventFact(reason="RolloutSuperseded", action=before.revision, note=note)
    opened = 0 if begun or before is None else before.current_batch
    if after.current_batch > opened == 0 or (begun and not after.batches and may_start):
        yield _beginning(before if begun else None, after)
    if after.current_batch > opened:
        if before is not None and opened and not before.batch_done:
            yield _completed(before)
        size = after.batches[after.current_batch - 1]
        note = f"batch {after.current_batch} of {len(after.batches)} brings {size} more of {after.revision}"
        yield EventFact(reason="BatchStarted", action=_batch_action(after), note=note)
    yield from _of_batch(None if begun else before, after)
    if after.progress is Progress.COMPLETED and (begun or before is None or before.progress is not Progress.COMPLETED):
        yield EventFact(
            reason="RolloutCompleted", action=after.revision, note=f"all replicas are of {after.revision} and available"
        )
    if after.failure is not None and (before is None or before.failure != after.failure):
        note = f"{after.failure.message}; onFailure is {after.failure.decision.value}"
        yield EventFact(reason=after.failure.reason, action=after.revision, note=note, is_warning=True)


def _batch_action(release: Release, batch: int | None = None) -> str:
    return f"{release.revision}/{release.current_batch if batch is None else batch}"


def _beginning(before: Release | None, after: Release) -> EventFact:
    total = after.initial_updated + sum(after.batches)
    if after.kind is ReleaseKind.SCALE:
        planned = before.initial_updated + sum(before.batches) if before else after.initial_updated
        reason = "ScaledUp" if total > planned else "ScaledDown"
        return EventFact(
            reason=reason,
            action=f"{after.revision}/{total}",
            note=f"from {planned} to {total} replicas of {after.revision}",
        )
    sizes = ", ".join(map(str, after.batches))
    note = f"{after.revision} in batches of {sizes}" if sizes else f"{after.revision} has its replicas already"
    return EventFact(reason="RolloutStarted", action=after.revision, note=note)


def _of_batch(before: Release | None, after: Release) -> Iterator[EventFact]:
    number = after.current_batch
    if after.batch_done and number and not _is_through(before, number):
        yield _completed(after)
    entered = before is None or before.progress is not after.progress
    if entered and after.progress is Progress.WAITING_FOR_CONFIRMATION:
        note = f"batch {number} of {len(after.batches)} is done; set spec.pause to false to go on"
        yield EventFact(reason="WaitingForConfirmation", action=_batch_action(after), note=note)
    if entered and after.progress is Progress.GRAY_WAITING and after.gray_until is not None:
        note = f"batch {number} of {len(after.batches)} is done; the next one begins at {encode_time(after.gray_until)}"
        yield EventFact(reason="GrayWaiting", action=_batch_action(after), note=note)
    if before is not None and after.confirmed_batch > before.confirmed_batch:
        note = f"batch {after.confirmed_batch} is confirmed"
        yield EventFact(reason="BatchConfirmed", action=_batch_action(after, after.confirmed_batch), note=note)


def _is_through(before: Release | None, batch: int) -> bool:
    """That batch was done already; what is repaired after the last one makes it no batch that ends again."""
    return (
        before is not None
        and before.current_batch == batch
        and (before.batch_done or before.progress is Progress.COMPLETED)
    )


def _completed(release: Release) -> EventFact:
    note = f"batch {release.current_batch} of {len(release.batches)} is available"
    return EventFact(reason="BatchCompleted", action=_batch_action(release), note=note)


def _of_conditions(before: DeploymentStatus, after: DeploymentStatus) -> Iterator[EventFact]:
    """Conditions that turned bad, or found another reason to be."""
    for new in after.conditions:
        old = before.condition(new.type)
        if old is not None and (old.status, old.reason) == (new.status, new.reason):
            continue
        bad = new.status is True if new.type in (CONFLICT, REPLICA_FAILURE) else new.status is False
        if not bad or (new.type == AVAILABLE and new.reason == "MinimumReplicasUnavailable"):
            continue
        if new.type == PROGRESSING and after.release is not None and after.release.failure is not None:
            continue  # told as the rollout's own failure
        yield EventFact(reason=new.reason, action="Report", note=new.message, is_warning=True)
