"""From values to what is written: bodies of new objects, and status as a whole."""

from __future__ import annotations

from typing import Any

from moduledeploy.api import names
from moduledeploy.api.kinds import ModuleSource, ModuleStatus
from moduledeploy.api.spec import Template
from moduledeploy.api.status import Condition, DeploymentStatus, Release, ReplicaSetStatus
from moduledeploy.api.times import encode_time


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}


def _filled(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value not in (None, "", {})}


def _time(at: float | None) -> str | None:
    return None if at is None else encode_time(at)


def encode_source(source: ModuleSource) -> dict[str, Any]:
    """spec.module; md5 and type only where they are given."""
    return _filled(
        {"name": source.name, "version": source.version, "url": source.url, "md5": source.md5, "type": source.type}
    )


def encode_template(template: Template) -> dict[str, Any]:
    """spec.template."""
    metadata = _filled({"labels": dict(template.labels), "annotations": dict(template.annotations)})
    return _filled({"metadata": metadata, "spec": {"module": encode_source(template.module)}})


def encode_condition(condition: Condition) -> dict[str, Any]:
    """One entry of status.conditions."""
    return _filled(
        {
            "type": condition.type,
            "status": "Unknown" if condition.status is None else str(condition.status),
            "reason": condition.reason,
            "message": condition.message,
            "lastTransitionTime": encode_time(condition.transition_at),
            "observedGeneration": condition.observed_generation or None,
        }
    )


def encode_release(release: Release) -> dict[str, Any]:
    """status.releaseStatus; a field without a value is null, so that a merge patch takes an old one away."""
    failure, deadline = release.failure, release.deadline
    return {
        "updateRevision": release.revision,
        "completedRevision": release.completed_revision,
        "kind": release.kind.value,
        "currentBatch": release.current_batch,
        "realBatchCount": len(release.batches),
        "originalDeltaReplicas": sum(release.batches),
        "batches": list(release.batches),
        "initialUpdatedReplicas": release.initial_updated,
        "progress": release.progress.value,
        "batchProgress": "Completed" if release.batch_done else "Executing" if release.current_batch else "Init",
        "lastTransitionTime": encode_time(release.transition_at),
        "nextReconcileTime": _time(release.gray_until),
        "confirmedBatch": release.confirmed_batch,
        "confirmBatchNumSeen": release.confirm_num_seen,
        "startedAt": encode_time(release.started_at),
        "peakAvailableReplicas": release.peak_available,
        "failure": None
        if failure is None
        else {
            "revision": failure.revision,
            "decision": failure.decision.value,
            "reason": failure.reason,
            "message": failure.message,
            "time": encode_time(failure.at),
            "retry": failure.retry,
        },
        "deadline": {
            "highWaterMark": deadline.high_water,
            "progressedAt": encode_time(deadline.progressed_at),
            "heldAt": _time(deadline.held_at),
        },
    }


def encode_deployment_status(status: DeploymentStatus) -> dict[str, Any]:
    """ModuleDeployment.status, whole."""
    counts = status.counts
    return {
        "observedGeneration": status.observed_generation,
        "collisionCount": status.collision_count,
        "replicas": counts.replicas,
        "desiredReplicas": counts.desired,
        "updatedReplicas": counts.updated,
        "readyReplicas": counts.ready,
        "availableReplicas": counts.available,
        "unavailableReplicas": counts.unavailable,
        "updatedAvailableReplicas": counts.updated_available,
        "maxUnavailable": status.max_unavailable,
        "selector": status.selector,
        "phase": status.release.progress.value if status.release else "Init",
        "message": status.message,
        "conditions": [encode_condition(condition) for condition in status.conditions],
        "releaseStatus": encode_release(status.release) if status.release else None,
    }


def encode_replica_set_status(status: ReplicaSetStatus) -> dict[str, Any]:
    """ModuleReplicaSet.status, whole."""
    return {
        "observedGeneration": status.observed_generation,
        "replicas": status.replicas,
        "readyReplicas": status.ready,
        "availableReplicas": status.available,
        "selector": status.selector,
        "conditions": [encode_condition(condition) for condition in status.conditions],
    }


def encode_module_status(status: ModuleStatus) -> dict[str, Any]:
    """Module.status, whole."""
    fields: dict[str, Any] = {
        "status": status.status,
        "reason": status.reason,
        "message": status.message,
        "failureClass": status.failureClass or None,
        "attempts": status.attempts,
        "containerID": status.containerID,
    }
    for name in ("nextRetryTime", "lastTransitionTime", "activeSince", "slotActiveSince"):
        moment = getattr(status, name)
        fields[name] = None if moment is None else encode_time(moment.timestamp())
    return fields


def module_status_patch(uid: str, status: ModuleStatus) -> list[dict[str, Any]]:
    """A JSON patch that writes Module.status whole, void for a namesake with another UID.

    API servers overlook a UID in a merge patch of the status of a custom resource.
    """
    return [
        {"op": "test", "path": "/metadata/uid", "value": uid},
        {"op": "add", "path": "/status", "value": _present(encode_module_status(status))},
    ]


def owner_reference(kind: str, name: str, uid: str) -> dict[str, Any]:
    """The one controller of an object; deletion in the foreground waits for what it controls."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def metadata(
    name: str, namespace: str, *, labels: dict[str, str], annotations: dict[str, str], owner: dict[str, Any] | None
) -> dict[str, Any]:
    """metadata of a new object."""
    return _present(
        {
            "name": name,
            "namespace": namespace,
            "labels": labels,
            "annotations": annotations or None,
            "ownerReferences": [owner] if owner else None,
        }
    )
