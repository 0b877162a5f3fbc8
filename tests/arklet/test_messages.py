from __future__ import annotations

import asyncio
import json
import pathlib
from typing import Any, get_args

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings
from prometheus_client import CollectorRegistry

from moduledeploy.arklet import (
    ArkletClient,
    BizRecord,
    BizState,
    Busy,
    Done,
    FailureClass,
    IllegalState,
    Listing,
    NotFound,
    Outcome,
    Refused,
    Repeated,
    Unclear,
    open_session,
)
from moduledeploy.arklet.messages import read_listing, read_outcome
from moduledeploy.runtime.metrics import ArkletMetrics
from tests.arklet.conftest import HEADLESS, OpenGate, RawBase

RECORDED: dict[str, Any] = json.loads(
    (pathlib.Path(__file__).parents[1] / "devcluster/arklet/recorded/golden.json").read_text()
)
CASE = "CMD_PROCESS_INTERNAL_ERROR"


def outcome_of(answer: object, doing: str = "start") -> Outcome:
    return read_outcome(json.dumps(answer).encode(), doing=doing)


def internal_error(message: str, *causes: str) -> dict[str, str]:
    frames = "\tat org.example.ConnectException.Metaspace(BindException.java:1)\n"
    trace = "".join(f"Caused by: {cause}\n{frames}" for cause in causes)
    return {"code": CASE, "errorStackTrace": f"{message}\n{frames}{trace}", "message": f"Internal Error: {message}"}


# -- what a real Arklet answered -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("install", Done("okbiz:1.0.0", state=BizState.ACTIVATED)),
        ("install again", Repeated("Biz: okbiz:1.0.0 has been installed or registered.")),
        ("second version comes up deactivated", Done("okbiz:2.0.0", state=BizState.DEACTIVATED)),
        ("switch", Done()),
        ("switch to the active one", Done()),
        ("switch to an unknown one", NotFound("Switch biz: okbiz:9 not found.")),
        ("uninstall the old one", Done()),
        ("uninstall an unknown one", NotFound("Uninstall biz: okbiz:1.0.0 not found.")),
        ("uninstall the base", Refused(FailureClass.PERMANENT, "FAILED", "Master biz must not be uninstalled.")),
        ("unknown command", Refused(FailureClass.PERMANENT, "CMD_NOT_FOUND", "please follow the doc")),
        ("no url", Refused(FailureClass.PERMANENT, CASE, "bizUrl should not be blank")),
        (
            "name without version",
            Refused(FailureClass.PERMANENT, CASE, "bizName and bizVersion should be both blank or both not blank."),
        ),
        (
            "missing file",
            Refused(
                FailureClass.PERMANENT,
                CASE,
                "java.io.FileNotFoundException: /modules/ghost-1.0.0-ark-biz.jar (No such file or directory)",
            ),
        ),
        (
            "unknown scheme",
            Refused(FailureClass.PERMANENT, CASE, "java.net.MalformedURLException: unknown protocol: s3"),
        ),
        (
            "no module manifest",
            Refused(FailureClass.PERMANENT, CASE, "java.lang.IllegalArgumentException: Biz Name must not be empty!"),
        ),
        (
            "connection refused",
            Refused(FailureClass.RETRYABLE, CASE, "java.net.ConnectException: Connection refused"),
        ),
        ("no archive", Refused(FailureClass.RETRYABLE, CASE, "java.util.zip.ZipException: zip END header not found")),
        ("empty file", Refused(FailureClass.RETRYABLE, CASE, "java.util.zip.ZipException: zip file is empty")),
        (
            "a module that throws",
            Refused(FailureClass.PERMANENT, CASE, "java.lang.reflect.InvocationTargetException"),
        ),
        (
            "a second install of it is a conflict",
            Busy("FAILED:slow:1.0.0 installBiz conflict, exist unfinished command(installBiz) for this biz"),
        ),
        (
            "uninstalling it is a conflict",
            Busy("FAILED:slow:1.0.0 uninstallBiz conflict, exist unfinished command(installBiz) for this biz"),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_recorded_answers_are_read(step: str, expected: Outcome) -> None:
    assert outcome_of(RECORDED[step]["body"]) == expected


def test_the_recorded_list_is_read_with_its_records() -> None:
    listing = read_listing(json.dumps(RECORDED["both are listed"]["body"]).encode())

    assert isinstance(listing, Listing)
    assert [(biz.name, biz.version, biz.state) for biz in listing.modules] == [
        ("okbiz", "1.0.0", BizState.ACTIVATED),
        ("okbiz", "2.0.0", BizState.DEACTIVATED),
    ]
    assert listing.modules[1].records[-1] == BizRecord(
        state="deactivated", reason="Started", message="start but is deactivated", changed_at_ms=None
    )


def test_an_idle_base_lists_nothing() -> None:
    assert read_listing(json.dumps(RECORDED["empty base"]["body"]).encode()) == Listing(())


# -- classes and words of failures -----------------------------------------------------------------------------------------

THREW = "java.lang.reflect.InvocationTargetException"


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (internal_error("java.lang.OutOfMemoryError: Metaspace"), FailureClass.CAPACITY),
        (internal_error(THREW, "a.B: x", "java.lang.OutOfMemoryError: Java heap space"), FailureClass.CAPACITY),
        (internal_error("java.io.IOException: No space left on device"), FailureClass.CAPACITY),
        (internal_error(THREW, "java.net.BindException: Address already in use"), FailureClass.CONFLICT),
        (
            internal_error(THREW, "java.lang.IllegalArgumentException: Child name [x] is not unique"),
            FailureClass.CONFLICT,
        ),
        (internal_error("java.net.UnknownHostException: jars"), FailureClass.RETRYABLE),
        (
            internal_error("java.io.IOException: Server returned HTTP response code: 503 for URL: x"),
            FailureClass.RETRYABLE,
        ),
        (
            internal_error("java.io.IOException: Server returned HTTP response code: 403 for URL: x"),
            FailureClass.PERMANENT,
        ),
        (internal_error(THREW, "java.net.ConnectException: Connection refused"), FailureClass.RETRYABLE),
        (internal_error(THREW, "java.lang.IllegalStateException: no"), FailureClass.PERMANENT),
        (internal_error("something nobody has seen"), FailureClass.RETRYABLE),
        ({"code": "FAILED", "message": "not success!"}, FailureClass.RETRYABLE),
        ({}, FailureClass.RETRYABLE),
    ],
)
def test_the_class_of_a_failure(answer: dict[str, Any], failure: FailureClass) -> None:
    outcome = outcome_of(answer)

    assert isinstance(outcome, Refused)
    assert outcome.failure is failure


def test_the_last_cause_is_the_real_one() -> None:
    outcome = outcome_of(internal_error(THREW, "a.Middle: x", "a.Root: y"))

    assert isinstance(outcome, Refused)
    assert outcome.message == "the module's start failed: a.Root: y"


def test_a_stop_that_failed_is_not_called_a_start() -> None:
    outcome = outcome_of(internal_error(THREW, "a.Root: y"), doing="stop")

    assert isinstance(outcome, Refused)
    assert outcome.message == "the module's stop failed: a.Root: y"


def test_a_web_context_path_that_is_taken_is_said_with_the_way_out() -> None:
    cause = "java.lang.IllegalArgumentException: addChild: Child name [/orders] is not unique"

    outcome = outcome_of(internal_error(THREW, "org.springframework.X: y", cause, "a.Other: z"))

    assert isinstance(outcome, Refused)
    assert outcome.failure is FailureClass.CONFLICT
    assert "same web context path" in outcome.message
    assert "uninstall_then_install" in outcome.message


def test_a_stop_of_what_is_still_starting_has_to_wait() -> None:
    message = "java.lang.IllegalArgumentException: BizState must be ACTIVATED, DEACTIVATED or BROKEN."

    assert isinstance(outcome_of(internal_error(message)), Busy)


def test_a_switch_to_what_is_not_started_is_an_illegal_state() -> None:
    message = "Switch Biz: orders:1.3.0's state must not be broken."

    assert outcome_of({"code": "FAILED", "data": {"code": "ILLEGAL_STATE_BIZ", "message": message}}) == IllegalState(
        message
    )


def test_a_success_with_an_inner_failure_is_no_success() -> None:
    assert isinstance(outcome_of({"code": "SUCCESS", "data": {"code": "FAILED"}}), Refused)


def test_a_message_is_one_line_of_at_most_a_kibibyte() -> None:
    outcome = outcome_of({"code": "FAILED", "message": "a\r\n\x1b[31mb\u2028c" + "ü" * 5000})

    assert isinstance(outcome, Refused)
    assert outcome.message.startswith("a  [31mb cü".replace("  ", " "))
    assert len(outcome.message.encode()) <= 1024


# -- lists that are odd ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "entry",
    [
        7,
        {},
        {"bizName": "a", "bizVersion": "1"},
        {"bizName": "a", "bizVersion": 1, "bizState": "activated"},
        {"bizName": None, "bizVersion": "1", "bizState": "activated"},
        {"bizName": "a", "bizVersion": "1", "bizState": "sleeping"},
    ],
)
def test_one_entry_that_cannot_be_read_makes_the_list_unclear(entry: object) -> None:
    good = {"bizName": "a", "bizVersion": "1", "bizState": "activated"}

    assert isinstance(read_listing(json.dumps({"code": "SUCCESS", "data": [good, entry]}).encode()), Unclear)


def test_what_is_not_resolved_yet_is_starting_and_what_is_stopped_is_gone() -> None:
    entries = [{"bizName": "a", "bizVersion": state, "bizState": state} for state in ("UNRESOLVED", "stopped")]

    listing = read_listing(json.dumps({"code": "SUCCESS", "data": entries}).encode())

    assert isinstance(listing, Listing)
    assert [(biz.version, biz.state) for biz in listing.modules] == [("UNRESOLVED", BizState.RESOLVED)]


def test_a_refused_list_is_refused() -> None:
    assert isinstance(read_listing(json.dumps(internal_error("x")).encode()), Refused)


# -- whatever comes --------------------------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    ["SUCCESS", "FAILED", "REPEAT_BIZ", "NOT_FOUND_BIZ", "ILLEGAL_STATE_BIZ", CASE, "", "activated"]
)
OUTER = st.sampled_from(["code", "data", "message", "errorStackTrace", "bizInfos", "identity", "elapsedSpace"])
INNER = st.sampled_from(["bizName", "bizVersion", "bizState", "bizStateRecords", "state", "reason", "changeTime"])
FIELDS = OUTER | INNER
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | WORDS
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=6))
ANSWERS = st.binary() | JSON.map(lambda value: json.dumps(value).encode())


@settings(max_examples=200, deadline=None)
@given(body=ANSWERS, doing=st.sampled_from(["start", "stop", "switch"]))
@example(body=b"[" * 100_000, doing="start")
@example(body=b'{"code":"SUCCESS","data":{"elapsedSpace":1e999}}', doing="start")
@example(body=b'{"code":"FAILED","message":"\\ud800"}', doing="start")
@example(body=b'{"code":"SUCCESS","data":{"elapsedSpace":%s}}' % (b"9" * 5000), doing="start")
def test_whatever_json_comes_a_value_of_the_union_results(body: bytes, doing: str) -> None:
    assert isinstance(read_outcome(body, doing=doing), get_args(Outcome))
    assert isinstance(read_listing(body), Listing | Refused | Unclear)


async def _ask(answer: bytes) -> tuple[Outcome, Listing | Refused | Unclear]:
    raw = RawBase("", answer)
    server = await asyncio.start_server(raw.serve, "127.0.0.1", 0)
    async with server, open_session() as session:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        client = ArkletClient(
            session=session,
            metrics=ArkletMetrics(CollectorRegistry()),
            gate=OpenGate(),
            query_timeout_s=5,
            operation_timeout_s=5,
        )
        return await client.install(address, "a", "1", "http://x/y.jar"), await client.query(address)


STATUS_LINES = st.sampled_from(
    [HEADLESS, b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200\r\n\r\n", b"HTTP/1.1 999 \r\n\r\n", b""]
)
HEADERS = st.sampled_from(
    [
        b"",
        b"\r\n\r\n",
        b": \r\n\r\n",
        b"Content-Length: 5\r\n\r\n",
        b"Content-Length: -1\r\n\r\n",
        b"Content-Encoding: gzip\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n",
        b"Set-Cookie: \xff=\x00\r\n\r\n",
    ]
)


@settings(max_examples=120, deadline=None)
@given(start=STATUS_LINES | st.binary(max_size=40), headers=HEADERS, body=ANSWERS)
def test_whatever_bytes_come_a_value_of_the_union_results(start: bytes, headers: bytes, body: bytes) -> None:
    outcome, listing = asyncio.run(_ask(start + headers + body))

    assert isinstance(outcome, get_args(Outcome))
    assert isinstance(listing, Listing | Refused | Unclear)
