"""Whatever the API holds, reading it ends in a value or in DecodeError, and one line of text stays one line."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from moduledeploy.api.decode import decode_deployment_spec, decode_replica_set_spec
from moduledeploy.api.decode_status import decode_deployment_status
from moduledeploy.api.encode import encode_deployment_status
from moduledeploy.api.fields import DecodeError
from moduledeploy.api.kinds import Module, ModuleDeployment
from moduledeploy.api.meta import Metadata
from moduledeploy.arklet.messages import read_listing, read_outcome
from moduledeploy.arklet.outcomes import Listing
from moduledeploy.kube.errors import ApiError, error_from_response
from moduledeploy.kube.store import key_of
from moduledeploy.kube.wire import Bookmark, Decoder, Failed, Garbage, Page, Poisoned, Put, Removed, UndecodableList
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
DEEP: Final = b"[" * 5000 + b"]" * 5000
# What a watch may bring of an object: JSON of any shape in the place of an event, an object or a field.
EVENTS: Final = st.builds(
    lambda kind, body: msgspec.json.encode({"type": kind, "object": body}),
    st.sampled_from(["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR", "NONE"]),
    st.fixed_dictionaries(
        {}, optional={"metadata": OBJECTS | ANYTHING, "spec": OBJECTS, "status": OBJECTS, "kind": ANYTHING}
    ),
)
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


@many
@given(EVENTS | st.binary(max_size=60))
@example(b'{"type":"ADDED","object":{"metadata":{"name":"a","x":%s}}}' % DEEP)
@example(b'{"type":"ERROR","object":%s}' % DEEP)
@example(DEEP)
def test_a_line_of_a_watch_is_an_event_or_garbage(line: bytes) -> None:
    for kind in (ModuleDeployment, Module):
        assert isinstance(Decoder(kind).decode_event(line), Put | Removed | Bookmark | Poisoned | Garbage | Failed)


@many
@given(st.lists(EVENTS | st.just(DEEP), max_size=3))
def test_a_list_is_a_page_or_no_list(items: list[bytes]) -> None:
    body = b'{"kind":"ModuleList","metadata":{"resourceVersion":"1"},"items":[%s]}' % b",".join(items)
    with suppress(UndecodableList):
        page = Decoder(Module).decode_page(body)

        assert isinstance(page, Page)
        assert len(page.objects) + len(page.poisoned) == len(items)


@many
@given(ANYTHING | OBJECTS | st.fixed_dictionaries({"message": ANYTHING, "details": OBJECTS, "code": ANYTHING}))
def test_any_answer_of_an_api_server_is_an_error_of_one_line(answer: object) -> None:
    for body in (msgspec.json.encode(answer, enc_hook=str), DEEP, b'{"message":%s}' % DEEP):
        error = error_from_response(request="GET /x", code=500, body=body)

        assert isinstance(error, ApiError)
        assert error.message.isprintable()


SAID: Final = st.text(st.characters(codec="utf-8"), max_size=30) | st.text("\x1b[2J\n\u202e\x9b", max_size=3000)
ANSWERS: Final = st.fixed_dictionaries(
    {"code": st.sampled_from(["SUCCESS", "FAILED"]) | SAID},
    optional={
        "message": SAID | ANYTHING,
        "errorStackTrace": SAID.map(lambda text: f"x\nCaused by: {text}"),
        "data": st.fixed_dictionaries({"code": SAID, "message": SAID}) | ANYTHING,
    },
)
ENTRIES: Final = st.lists(
    st.fixed_dictionaries(
        {"bizName": SAID, "bizVersion": SAID, "bizState": SAID},
        optional={"bizStateRecords": st.lists(st.fixed_dictionaries({"state": SAID, "reason": SAID, "message": SAID}))},
    ),
    max_size=2,
)


@many
@given(ANSWERS, ENTRIES, st.sampled_from(["start", "stop", "switch"]))
def test_what_arklet_says_is_told_in_one_short_line(answer: object, entries: object, doing: str) -> None:
    outcome = read_outcome(msgspec.json.encode(answer, enc_hook=str), doing=doing)
    listing = read_listing(msgspec.json.encode({"code": "SUCCESS", "data": entries}, enc_hook=str))

    told = [getattr(outcome, "message", ""), getattr(listing, "message", "")]
    if isinstance(listing, Listing):
        records = [record for biz in listing.modules for record in biz.records]
        told += [text for record in records for text in (record.state, record.reason, record.message)]
    for text in told:
        assert text.isprintable()
        assert len(text.encode()) <= 1024
