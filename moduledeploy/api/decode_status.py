"""Read back the status that this program wrote."""

from __future__ import annotations

from typing import Any, Final

from moduledeploy.api.fields import Fields
from moduledeploy.api.spec import OnFailure
from moduledeploy.api.status import (
    Condition,
    Counts,
    Deadline,
    DeploymentStatus,
    Failure,
    Progress,
    Release,
    ReleaseKind,
)
from moduledeploy.api.times import decode_time

_PROGRESS: Final = {word.value: word for word in Progress}
_KINDS: Final = {word.value: word for word in ReleaseKind}
_DECISIONS: Final = {word.value: word for word in OnFailure}
_CONDITION_STATUS: Final = {"True": True, "False": False}


def decode_deployment_status(status: dict[str, Any]) -> DeploymentStatus:
    """ModuleDeployment.status; absent fields have their first value. Raises DecodeError where others wrote to it."""
    fields = Fields.of("status", status)
    return DeploymentStatus(
        observed_generation=fields.integer("observedGeneration", default=0, most=2**63 - 1),
        collision_count=fields.integer("collisionCount", default=0),
        counts=Counts(
            replicas=fields.integer("replicas", default=0),
            desired=fields.integer("desiredReplicas", default=0),
            updated=fields.integer("updatedReplicas", default=0),
            ready=fields.integer("readyReplicas", default=0),
            available=fields.integer("availableReplicas", default=0),
            updated_available=fields.integer("updatedAvailableReplicas", default=0),
        ),
        max_unavailable=fields.integer("maxUnavailable", default=0),
        selector=fields.text("selector"),
        message=fields.text("message"),
        conditions=decode_conditions(fields),
        release=_release(fields.child("releaseStatus")),
    )


def decode_conditions(status: Fields) -> tuple[Condition, ...]:
    """status.conditions. Raises DecodeError."""
    conditions = status.values.get("conditions") or []
    if not isinstance(conditions, list):
        raise status.fail("conditions", "a list")
    return tuple(_condition(Fields.of(f"status.conditions[{at}]", item)) for at, item in enumerate(conditions))


def _condition(fields: Fields) -> Condition:
    return Condition(
        type=fields.text("type", default=None),
        status=_CONDITION_STATUS.get(fields.text("status")),
        reason=fields.text("reason"),
        message=fields.text("message"),
        transition_at=_time(fields, "lastTransitionTime") or 0.0,
        observed_generation=fields.integer("observedGeneration", default=0, most=2**63 - 1),
    )


def _release(fields: Fields) -> Release | None:
    if not fields.values.get("updateRevision"):
        return None
    started = _time(fields, "startedAt") or 0.0
    transition = _time(fields, "lastTransitionTime") or started
    deadline = fields.child("deadline")
    batches = fields.values.get("batches") or []
    if not isinstance(batches, list) or not all(isinstance(size, int) and size > 0 for size in batches):
        raise fields.fail("batches", "a list of sizes above 0")
    current = fields.integer("currentBatch", default=0, most=len(batches))
    progress = fields.choice("progress", _PROGRESS, Progress.INIT)
    if progress is Progress.COMPLETED and current < len(batches):
        raise fields.fail("progress", "Completed after the last batch alone")
    return Release(
        revision=fields.text("updateRevision"),
        kind=fields.choice("kind", _KINDS, ReleaseKind.DEPLOY),
        completed_revision=fields.text("completedRevision"),
        batches=tuple(batches),
        current_batch=current,
        initial_updated=fields.integer("initialUpdatedReplicas", default=0),
        progress=progress,
        batch_done=fields.text("batchProgress") == "Completed",
        confirmed_batch=fields.integer("confirmedBatch", default=0),
        confirm_num_seen=fields.optional_integer("confirmBatchNumSeen"),
        gray_until=_time(fields, "nextReconcileTime"),
        transition_at=transition,
        started_at=started,
        peak_available=fields.integer("peakAvailableReplicas", default=0),
        failure=_failure(fields.child("failure")),
        deadline=Deadline(
            high_water=deadline.integer("highWaterMark", default=0),
            progressed_at=_time(deadline, "progressedAt") or started,
            held_at=_time(deadline, "heldAt"),
        ),
    )


def _failure(fields: Fields) -> Failure | None:
    if not fields.values:
        return None
    return Failure(
        revision=fields.text("revision"),
        decision=fields.choice("decision", _DECISIONS, OnFailure.PAUSE),
        reason=fields.text("reason"),
        message=fields.text("message"),
        at=_time(fields, "time") or 0.0,
        retry=fields.text("retry"),
    )


def _time(fields: Fields, name: str) -> float | None:
    text = fields.text(name)
    if not text:
        return None
    try:
        return decode_time(text)
    except ValueError as error:
        raise fields.fail(name, "an RFC 3339 time") from error
