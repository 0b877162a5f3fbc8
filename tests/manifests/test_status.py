"""What the controller writes of itself is checked as well: a word that isn't one never gets into a status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.manifests.objects import good

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.manifests.api import Api

TIME = "2026-01-02T03:04:05.678901Z"
CONDITION = {
    "type": "Progressing",
    "status": "False",
    "reason": "InstallFailed",
    "message": "orders:2.0.0 on base-1: its main threw",
    "lastTransitionTime": TIME,
    "lastUpdateTime": TIME,
    "observedGeneration": 2,
}
RELEASE = {
    "kind": "Deploy",
    "updateRevision": "orders-abc",
    "completedRevision": "orders-xyz",
    "progress": "Failed",
    "batchProgress": "Failed",
    "currentBatch": 1,
    "realBatchCount": 4,
    "batches": [1, 3, 3, 3],
    "originalDeltaReplicas": 10,
    "initialUpdatedReplicas": 0,
    "peakAvailableReplicas": 10,
    "confirmedBatch": 0,
    "confirmBatchNumSeen": 3,
    "startedAt": TIME,
    "lastTransitionTime": TIME,
    "nextReconcileTime": TIME,
    "failure": {
        "revision": "orders-abc",
        "decision": "pause",
        "reason": "InstallFailed",
        "message": "its main threw",
        "time": TIME,
        "retry": "1",
    },
    "deadline": {"highWaterMark": 0, "progressedAt": TIME, "heldAt": TIME},
}
STATUSES: dict[str, dict[str, Any]] = {
    "ModuleDeployment": {
        "observedGeneration": 2,
        "collisionCount": 1,
        "replicas": 10,
        "desiredReplicas": 10,
        "updatedReplicas": 0,
        "readyReplicas": 9,
        "availableReplicas": 9,
        "unavailableReplicas": 1,
        "updatedAvailableReplicas": 0,
        "maxUnavailable": 2,
        "selector": "koupleless.alipay.com/module-deployment=orders",
        "phase": "Failed",
        "message": "batch 1 of 4 has failed",
        "conditions": [CONDITION],
        "releaseStatus": RELEASE,
    },
    "ModuleReplicaSet": {
        "observedGeneration": 1,
        "replicas": 10,
        "readyReplicas": 9,
        "availableReplicas": 9,
        "selector": "koupleless.alipay.com/module-replicaset=orders-abc",
        "conditions": [CONDITION],
    },
    "Module": {
        "status": "Failed",
        "reason": "InstallFailed",
        "message": "its main threw",
        "failureClass": "permanent",
        "attempts": 3,
        "nextRetryTime": TIME,
        "lastTransitionTime": TIME,
        "activeSince": TIME,
        "slotActiveSince": TIME,
        "containerID": "containerd://0123456789abcdef",
    },
}
REFUSED = [
    ("ModuleDeployment", {"releaseStatus": {"progress": "Done"}}, "status.releaseStatus.progress"),
    ("ModuleDeployment", {"releaseStatus": {"batchProgress": "done"}}, "status.releaseStatus.batchProgress"),
    ("ModuleDeployment", {"releaseStatus": {"kind": "Undo"}}, "status.releaseStatus.kind"),
    ("ModuleDeployment", {"releaseStatus": {"failure": {"decision": "stop"}}}, "status.releaseStatus.failure.decision"),
    ("ModuleDeployment", {"releaseStatus": {"batches": [1] * 1001}}, "status.releaseStatus.batches"),
    ("ModuleDeployment", {"conditions": [CONDITION, CONDITION]}, "status.conditions[1]"),
    ("ModuleDeployment", {"conditions": [CONDITION | {"status": "true"}]}, "status.conditions[0].status"),
    ("ModuleDeployment", {"replicas": -1}, "status.replicas"),
    ("ModuleDeployment", {"message": "x" * 4097}, "status.message"),
    ("Module", {"status": "Running"}, "status.status"),
    ("Module", {"failureClass": "unknown"}, "status.failureClass"),
    ("Module", {"nextRetryTime": "soon"}, "status.nextRetryTime"),
]


@pytest.fixture(params=sorted(STATUSES))
def kind(request: pytest.FixtureRequest, api: Api) -> Iterator[str]:
    """A kind of which there is one object."""
    api.create(good(request.param, "status"))
    yield request.param
    api.send("DELETE", api.path(request.param, "status"))


def test_every_field_of_a_status_is_kept_as_it_was_written(api: Api, kind: str):
    answer = api.patch(kind, "status/status", {"status": STATUSES[kind]})

    assert answer.code == 200, answer.body
    assert answer.body["status"] == STATUSES[kind]


def test_a_status_is_written_only_by_its_subresource(api: Api, kind: str):
    answer = api.patch(kind, "status", {"status": STATUSES[kind]})

    assert answer.code == 200
    assert "status" not in answer.body


@pytest.mark.parametrize(("kind", "status", "field"), REFUSED)
def test_a_status_that_means_nothing_is_refused(api: Api, kind: str, status: dict[str, Any], field: str):
    api.create(good(kind, "refused"))

    answer = api.patch(kind, "refused/status", {"status": status})

    api.send("DELETE", api.path(kind, "refused"))
    assert answer.code == 422
    assert field in answer.causes, answer.causes
