"""Status of a Deployment: counts and the two conditions, as plain functions of what is there.

Follows pkg/controller/deployment/sync.go (calculateStatus) and progress.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from moduledeploy.devcluster.controllers.podstate import condition, epoch_s

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from moduledeploy.devcluster.controllers.rolling import Limits
    from moduledeploy.devcluster.storage import Object

_COMPLETE: Final = "NewReplicaSetAvailable"
_NO_DEADLINE: Final = 2**31 - 1


@attrs.frozen(kw_only=True)
class Progress:
    """How far a Deployment's status says it is."""

    updated: int = 0
    replicas: int = 0
    ready: int = 0
    available: int = 0
    desired: int = 0
    is_observed: bool = False

    @classmethod
    def of(cls, deployment: Object, status: dict[str, Any] | None = None) -> Progress:
        """The progress that a status (the Deployment's own where none is given) shows."""
        status = deployment.get("status", {}) if status is None else status
        return cls(
            updated=status.get("updatedReplicas", 0),
            replicas=status.get("replicas", 0),
            ready=status.get("readyReplicas", 0),
            available=status.get("availableReplicas", 0),
            desired=deployment["spec"]["replicas"],
            is_observed=status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0),
        )

    @property
    def is_complete(self) -> bool:
        """All replicas are of the newest template and available, and no others are there."""
        return self.updated == self.replicas == self.available == self.desired and self.is_observed

    def is_further_than(self, before: Progress) -> bool:
        """Whether anything has moved towards the end."""
        return (
            self.updated > before.updated
            or self.replicas - self.updated < before.replicas - before.updated
            or self.ready > before.ready
            or self.available > before.available
        )


def status_of(
    deployment: Object, new: Object | None, owned: Sequence[Object], limits: Limits, *, created: bool, now: datetime
) -> tuple[dict[str, Any], float | None]:
    """The status as it should be, and seconds until the progress deadline where one is running."""
    before = deployment.get("status", {})
    status = _counts(deployment, new, owned)
    progress = Progress.of(deployment, status)
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = [_available(before, progress, limits, stamp)]
    progressing, wait_s = _progressing(deployment, new, progress, created=created, now=now)
    conditions.insert(0 if deployment["spec"].get("paused") else 1, progressing)  # a pause is noted before all else
    failed = next((found for obj in owned if (found := condition(obj, "ReplicaFailure"))), None)
    if failed is not None:
        conditions.append({**failed, "lastUpdateTime": failed["lastTransitionTime"]})
    status["conditions"] = _in_order(before.get("conditions") or [], conditions)
    if before.get("collisionCount"):
        status["collisionCount"] = before["collisionCount"]
    return status, wait_s


def _in_order(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Conditions as the real controller leaves them: what changed goes to the end."""
    ours = {"Available", "Progressing", "ReplicaFailure"}
    kept = [held for held in before if held in now or held["type"] not in ours]
    return kept + [condition for condition in now if condition not in kept]


def _counts(deployment: Object, new: Object | None, owned: Sequence[Object]) -> dict[str, Any]:
    def total(field: str) -> int:
        return sum(obj.get("status", {}).get(field, 0) for obj in owned)

    asked = sum(obj["spec"]["replicas"] for obj in owned)
    counts = {
        "observedGeneration": deployment["metadata"].get("generation", 0),
        "replicas": total("replicas"),
        "updatedReplicas": new.get("status", {}).get("replicas", 0) if new else 0,
        "readyReplicas": total("readyReplicas"),
        "availableReplicas": total("availableReplicas"),
        "unavailableReplicas": max(0, asked - total("availableReplicas")),
    }
    return {name: n for name, n in counts.items() if n} | {"terminatingReplicas": total("terminatingReplicas")}


def _available(before: dict[str, Any], progress: Progress, limits: Limits, stamp: str) -> dict[str, Any]:
    if progress.available >= limits.minimum:
        wanted = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        wanted = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    return _condition(before, "Available", *wanted, stamp)


def _progressing(
    deployment: Object, new: Object | None, progress: Progress, *, created: bool, now: datetime
) -> tuple[dict[str, Any], float | None]:
    before, stamp = deployment.get("status", {}), now.strftime("%Y-%m-%dT%H:%M:%SZ")
    held = condition(deployment, "Progressing")
    deadline_s = deployment["spec"].get("progressDeadlineSeconds", _NO_DEADLINE)
    if deployment["spec"].get("paused"):
        text = "Deployment is paused"
        return _condition(before, "Progressing", "Unknown", "DeploymentPaused", text, stamp), None
    name = new["metadata"]["name"] if new else deployment["metadata"]["name"]
    subject = f'ReplicaSet "{name}"'
    if progress.is_complete:
        text = f"{subject} has successfully progressed."
        return _condition(before, "Progressing", "True", _COMPLETE, text, stamp), None
    if created:
        text = f'Created new replica set "{name}"'
        return _refreshed(before, "NewReplicaSetCreated", text, stamp), float(deadline_s)
    was_complete = held is not None and held["reason"] == _COMPLETE and progress.updated == progress.replicas
    if held is not None and was_complete:
        return held, None
    if progress.is_further_than(Progress.of(deployment)) or held is None or held["reason"] == "DeploymentPaused":
        return _refreshed(before, "ReplicaSetUpdated", f"{subject} is progressing.", stamp), float(deadline_s)
    left_s = epoch_s(held["lastUpdateTime"]) + deadline_s - now.timestamp()
    if held["reason"] == _COMPLETE:
        return _refreshed(before, "ReplicaSetUpdated", f"{subject} is progressing.", stamp), float(deadline_s)
    if left_s > 0 and held["status"] == "True":
        return held, left_s
    text = f"{subject} has timed out progressing."
    return _condition(before, "Progressing", "False", "ProgressDeadlineExceeded", text, stamp), None


def _refreshed(before: dict[str, Any], reason: str, message: str, stamp: str) -> dict[str, Any]:
    return {**_condition(before, "Progressing", "True", reason, message, stamp), "lastUpdateTime": stamp}


def _condition(before: dict[str, Any], kind: str, status: str, reason: str, message: str, stamp: str) -> dict[str, Any]:
    held = next((c for c in before.get("conditions") or [] if c["type"] == kind), None)
    wanted = {"type": kind, "status": status, "reason": reason, "message": message}
    if held is not None and all(held.get(field) == value for field, value in wanted.items()):
        return dict(held)
    moved_at = held["lastTransitionTime"] if held and held["status"] == status else stamp
    return {**wanted, "lastUpdateTime": stamp, "lastTransitionTime": moved_at}
