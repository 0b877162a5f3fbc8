"""Whatever the API holds, reading it ends in a value or in DecodeError, and one line of text stays one line."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from moduledeploy.api.decode import decode_deployment_spec, decode_replica_set_spec
from moduledeploy.api.decode_status import decode_deployment_status
from moduledeploy.api.encode import encode_deployment_status
from moduledeploy.api.fields import DecodeError
from moduledeploy.api.kinds import ModuleDeployment
from moduledeploy.api.meta import Metadata
from moduledeploy.kube.store import key_of
from tests.ops.test_rows import cluster, row

SCALARS: Final = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
ANYTHING: Final = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
NAMES: Final = (
    *(
        "baseDeploymentName",
        "replicas",
        "scaledReplicas",
        "template",
        "metadata",
        "spec",
        "module",
        "name",
        "version",
        "url",
    ),
    *("pause", "maxUnavailable", "minReadySeconds", "progressDeadlineSeconds", "confirmBatchNum", "operationStrategy"),
    *(
        "batchCount",
        "useBeta",
        "needConfirm",
        "grayTime",
        "upgradePolicy",
        "serviceStrategy",
        "enableModuleService",
        "port",
    ),
    *(
        "targetPort",
        "drainSeconds",
        "onFailure",
        "failureThreshold",
        "schedulingStrategy",
        "schedulingPolicy",
        "labels",
    ),
    *("observedGeneration", "conditions", "type", "status", "lastTransitionTime", "releaseStatus", "updateRevision"),
    *("batches", "currentBatch", "progress", "deadline", "failure", "startedAt", "kind", "confirmedBatch", "grayUntil"),
)
# Objects that look like ours: our field names with anything behind them.
FIELDS: Final = st.recursive(
    SCALARS | st.sampled_from(["Executing", "25%", "orders", "1.0.0", "2026-01-01T00:00:00Z", "scatter", "True"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=25,
)
OBJECTS: Final = st.dictionaries(st.sampled_from(NAMES), FIELDS | ANYTHING, max_size=10)
GOOD: Final = {
    "baseDeploymentName": "base",
    "template": {"spec": {"module": {"name": "orders", "version": "1.0.0", "url": "https://example.com/orders.jar"}}},
}
many = settings(max_examples=100, deadline=None)


@many
@given(OBJECTS, st.booleans())
def test_a_spec_is_read_or_refused(spec: dict[str, Any], is_good_below: bool) -> None:
    for decode in (decode_deployment_spec, decode_replica_set_spec):
        with suppress(DecodeError):
            decode(GOOD | spec if is_good_below else spec)


@many
@given(OBJECTS)
def test_a_status_is_read_or_refused_and_what_is_read_can_be_written(status: dict[str, Any]) -> None:
    try:
        read = decode_deployment_status(status)
    except DecodeError:
        return
    assert decode_deployment_status(encode_deployment_status(read)) == read


@many
@given(OBJECTS, OBJECTS)
def test_metrics_are_told_of_any_object(spec: dict[str, Any], status: dict[str, Any]) -> None:
    world = cluster()
    made = ModuleDeployment(Metadata(name="shop", namespace="prod", uid="u", resourceVersion="1"), GOOD | spec, status)
    world.stores.deployments.put(key_of(made), made)

    assert row(world, made).name == "shop"
