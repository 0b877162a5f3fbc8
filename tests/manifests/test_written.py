"""What the controller writes fits the CRDs: the server would drop a field it doesn't know without a word."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from moduledeploy.api.bodies import module_body, replica_set_body
from moduledeploy.api.decode import decode_deployment_spec
from moduledeploy.api.encode import encode_deployment_status, encode_module_status, encode_replica_set_status
from moduledeploy.api.kinds import FailureClass, ModuleStatus, ModuleStatusWord
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
    ReplicaSetStatus,
)
from tests.manifests.objects import good, merged

if TYPE_CHECKING:
    from tests.manifests.api import Api

AT = 1_767_323_045.678901
MOMENT = datetime.fromtimestamp(AT, UTC)
CONDITION = Condition(
    type="Progressing", status=False, reason="InstallFailed", message="x", transition_at=AT, observed_generation=2
)
COUNTS = Counts(replicas=10, desired=10, updated=1, ready=9, available=9, updated_available=1)
TEMPLATE = {"metadata": {"labels": {"team": "a"}, "annotations": {"note": "b"}}}


def release(progress: Progress, kind: ReleaseKind, decision: OnFailure) -> Release:
    return Release(
        revision="orders-abc",
        kind=kind,
        completed_revision="orders-xyz",
        batches=(1, 3, 3, 3),
        current_batch=1,
        initial_updated=1,
        progress=progress,
        confirmed_batch=1,
        confirm_num_seen=3,
        gray_until=AT,
        transition_at=AT,
        started_at=AT,
        peak_available=10,
        failure=Failure(revision="orders-abc", decision=decision, reason="x", message="y", at=AT, retry="1"),
        deadline=Deadline(high_water=1, progressed_at=AT, held_at=AT),
    )


def written(api: Api, kind: str, status: dict[str, Any]) -> dict[str, Any]:
    """What is left of a status after it was written to a new object."""
    api.create(good(kind, "written"))
    answer = api.patch(kind, "written/status", {"status": status})
    api.send("DELETE", api.path(kind, "written"))
    assert answer.code == 200, answer.body
    kept: dict[str, Any] = answer.body["status"]
    return kept


@pytest.mark.parametrize("progress", Progress)
@pytest.mark.parametrize("kind", ReleaseKind)
@pytest.mark.parametrize("decision", OnFailure)
def test_a_module_deployments_status_is_kept_whole(
    api: Api, progress: Progress, kind: ReleaseKind, decision: OnFailure
):
    status = encode_deployment_status(
        DeploymentStatus(
            observed_generation=2,
            collision_count=1,
            counts=COUNTS,
            max_unavailable=2,
            selector="a=b",
            message="m",
            conditions=(CONDITION,),
            release=release(progress, kind, decision),
        )
    )

    assert written(api, "ModuleDeployment", status) == status


def test_a_first_module_deployments_status_is_accepted(api: Api):
    status = encode_deployment_status(DeploymentStatus())

    assert written(api, "ModuleDeployment", status) == merged(status, {"releaseStatus": None})


def test_a_module_replica_sets_status_is_kept_whole(api: Api):
    status = encode_replica_set_status(
        ReplicaSetStatus(
            observed_generation=1, replicas=10, ready=9, available=8, selector="a=b", conditions=(CONDITION,)
        )
    )

    assert written(api, "ModuleReplicaSet", status) == status


@pytest.mark.parametrize("word", ModuleStatusWord)
@pytest.mark.parametrize("failure", FailureClass)
def test_a_modules_status_is_kept_whole(api: Api, word: ModuleStatusWord, failure: FailureClass):
    status = encode_module_status(
        ModuleStatus(
            status=word.value,
            reason="InstallFailed",
            message="m",
            failureClass=failure.value,
            attempts=3,
            nextRetryTime=MOMENT,
            lastTransitionTime=MOMENT,
            activeSince=MOMENT,
            slotActiveSince=MOMENT,
            containerID="containerd://0123456789abcdef",
        )
    )

    assert written(api, "Module", status) == status


def test_the_objects_that_a_rollout_makes_are_known_in_every_field(api: Api):
    spec = decode_deployment_spec(merged(good("ModuleDeployment")["spec"], {"template": TEMPLATE}))
    common: dict[str, Any] = {"namespace": api.namespace, "deployment": "orders", "number": 1}
    replica_set = replica_set_body(name="made", deployment_uid="u-1", spec=spec, replicas=3, **common)
    module = module_body(
        name="made-12345678",
        replica_set="made",
        replica_set_uid="u-2",
        template=spec.template,
        base_name="base-1",
        base_uid="u-3",
        base_ip="127.1.0.1",
        batch="1",
        uninstall_first=True,
        **common,
    )
    module["metadata"].pop("finalizers")  # so that it goes with the test

    answers = [api.create(body) for body in (replica_set, module)]

    assert [answer.code for answer in answers] == [201, 201], [answer.body for answer in answers]
    for body in (replica_set, module):
        api.send("DELETE", api.path(body["kind"], body["metadata"]["name"]))
