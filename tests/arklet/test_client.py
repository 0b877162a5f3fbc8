from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING

import attrs
import pytest

from moduledeploy.arklet import (
    ArkletClient,
    Biz,
    BizState,
    Done,
    FailureClass,
    Listing,
    NotFound,
    Outcome,
    Refused,
    Repeated,
    Unclear,
)
from moduledeploy.arklet.client import MAX_ANSWER
from tests.arklet.conftest import HEADLESS, RawBase

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

SUCCESS = {"baseIdentity": "10.1.2.3", "code": "SUCCESS"}
URL = "http://jars/orders-1.2.0.jar"


async def install(client: ArkletClient, address: str) -> Outcome:
    return await client.install(address, "orders", "1.2.0", URL)


def internal_error(message: str, trace: str = "") -> dict[str, str]:
    return {"code": "CMD_PROCESS_INTERNAL_ERROR", "errorStackTrace": trace, "message": f"Internal Error: {message}"}


# -- the faults of module-controller v1's client, each by its name ---------------------------------------------------------


async def test_fault_1_only_two_commands_were_called__switch_and_query_are_too(
    base: RawBase, client: ArkletClient
) -> None:
    base.answers(SUCCESS | {"data": []})
    await client.query(base.address)
    base.answers(SUCCESS | {"data": {"code": "SUCCESS", "message": "Switch biz: orders:1.2.0 is activated."}})
    await client.switch(base.address, "orders", "1.2.0")
    await client.uninstall(base.address, "orders", "1.2.0")
    await install(client, base.address)

    asked = [(request.head.split()[1], json.loads(request.body)) for request in base.requests]

    identity = {"bizName": "orders", "bizVersion": "1.2.0"}
    assert asked == [
        ("/queryAllBiz", {}),
        ("/switchBiz", identity),
        ("/uninstallBiz", identity),
        ("/installBiz", identity | {"bizUrl": URL}),
    ]


async def test_fault_2_no_timeout__a_base_that_never_answers_ends_as_unclear(
    base: RawBase, hasty: ArkletClient
) -> None:
    async def silence(_: asyncio.StreamWriter) -> None:
        await base.held.wait()

    base.script = silence

    assert await hasty.query(base.address) == Unclear(
        "timeout", f"queryAllBiz at {base.address} was not answered within 0.05 s"
    )
    assert await install(hasty, base.address) == Unclear(
        "timeout", f"installBiz at {base.address} was not answered within 0.05 s"
    )


async def test_fault_2_no_timeout__an_answer_that_never_ends_is_unclear(base: RawBase, hasty: ArkletClient) -> None:
    async def half(writer: asyncio.StreamWriter) -> None:
        writer.write(HEADLESS + b'{"code"')
        await base.held.wait()

    base.script = half

    outcome = await install(hasty, base.address)

    assert isinstance(outcome, Unclear)
    assert outcome.why == "timeout"


async def test_fault_3_json_by_string_formatting__every_character_arrives(base: RawBase, client: ArkletClient) -> None:
    base.answers(SUCCESS)
    name, version, url = 'or"ders\\', "1\n2\x00", "http://jars/ü?a=\"{}'"

    await client.install(base.address, name, version, url)

    assert json.loads(base.requests[0].body) == {"bizName": name, "bizVersion": version, "bizUrl": url}


async def test_fault_4_success_whatever_came__the_status_is_read(base: RawBase, client: ArkletClient) -> None:
    text = b"POST http request only supported by arklet"
    base.script = b"HTTP/1.1 500 Internal Server Error\r\nContent_Length: %d\r\n\r\n%s" % (len(text), text)

    assert await install(client, base.address) == Unclear("protocol", f"HTTP status 500: {text.decode()}")


async def test_fault_4_success_whatever_came__what_is_no_json_is_unclear(base: RawBase, client: ArkletClient) -> None:
    base.script = HEADLESS + b"<html>"

    outcome = await install(client, base.address)

    assert isinstance(outcome, Unclear)
    assert outcome.why == "protocol"


async def test_fault_4_the_inner_code_was_lost__it_decides(base: RawBase, client: ArkletClient) -> None:
    base.answers(
        {"code": "FAILED", "data": {"code": "NOT_FOUND_BIZ", "message": "not found."}, "message": "not success!"}
    )

    assert await client.uninstall(base.address, "orders", "1.2.0") == NotFound("not found.")


async def test_fault_4_the_stack_trace_was_lost__it_tells_the_real_cause(base: RawBase, client: ArkletClient) -> None:
    trace = "java.lang.reflect.InvocationTargetException\n\tat a.B.c(D.java:1)\nCaused by: a.E: middle\n\tat a.B\n"
    trace += "Caused by: java.lang.IllegalStateException: no config 'orders'\n\tat a.F.g(H.java:2)\n"
    base.answers(internal_error("java.lang.reflect.InvocationTargetException", trace))

    assert await install(client, base.address) == Refused(
        FailureClass.PERMANENT,
        "CMD_PROCESS_INTERNAL_ERROR",
        "the module's start failed: java.lang.IllegalStateException: no config 'orders'",
    )


async def test_fault_5_a_mock_switched_on_by_the_environment__the_environment_changes_nothing(
    base: RawBase, client: ArkletClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TEST", "test", "ENV", "env"):
        monkeypatch.setenv(name, "test")
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    base.answers(SUCCESS | {"data": []})

    assert await client.query(base.address) == Listing(())
    assert len(base.requests) == 1


async def test_fault_7_a_repeated_install_counted_as_refused__it_is_told_apart(
    base: RawBase, client: ArkletClient
) -> None:
    message = "Biz: orders:1.2.0 has been installed or registered."
    base.answers(
        {
            "code": "FAILED",
            "data": {"code": "REPEAT_BIZ", "elapsedSpace": 3528, "message": message},
            "message": "install biz not success!",
        }
    )

    assert await install(client, base.address) == Repeated(message)


async def test_fault_8_a_refused_uninstall_counted_as_done__it_is_refused(base: RawBase, client: ArkletClient) -> None:
    base.answers({"code": "FAILED", "data": {"code": "FAILED", "message": "Master biz must not be uninstalled."}})

    assert await client.uninstall(base.address, "base", "1.0.0") == Refused(
        FailureClass.PERMANENT, "FAILED", "Master biz must not be uninstalled."
    )


# -- the transport ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"", "closed without an answer"),
        (HEADLESS, "the answer is empty"),
        (b"HTTP/1.1 200 OK\r\n", "closed without an answer"),
        (b"\x00\xffnonsense", ""),
        (b"HTTP/1.1 413 Request Entity Too Large\r\ncontent-length: 0\r\n\r\n", "HTTP status 413:"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", "HTTP status 302:"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}", ""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", ""),
        (HEADLESS + b"[]", "the answer is no JSON object"),
        (HEADLESS + b"\xff\xfe", "the answer is no JSON:"),
        (HEADLESS + b"[" * 100_000, "the answer is no JSON:"),
        (HEADLESS + b"x" * (MAX_ANSWER + 1), f"the answer is larger than {MAX_ANSWER} bytes"),
    ],
    ids=lambda value: repr(value)[:40] if isinstance(value, bytes) else "",
)
async def test_an_answer_that_is_none_is_unclear(
    base: RawBase, client: ArkletClient, answer: bytes, message: str
) -> None:
    base.script = answer

    outcome = await install(client, base.address)

    assert isinstance(outcome, Unclear)
    assert outcome.why == "protocol"
    assert message in outcome.message
    assert outcome.message


async def test_an_answer_in_pieces_is_put_together(base: RawBase, client: ArkletClient) -> None:
    async def trickle(writer: asyncio.StreamWriter) -> None:
        for byte in HEADLESS + b'{"code":"SUCCESS","data":[]}':
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)

    base.script = trickle

    assert await client.query(base.address) == Listing(())


async def test_every_call_has_a_connection_of_its_own(base: RawBase, client: ArkletClient) -> None:
    base.script = b'HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 28\r\n\r\n{"code":"SUCCESS","data":[]}'

    for _ in range(3):
        await client.query(base.address)

    assert len(base.requests) == 3


async def test_a_port_where_nobody_listens_is_unclear_and_nothing_was_sent(client: ArkletClient) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    outcome = await client.query(f"127.0.0.1:{port}")

    assert outcome == Unclear("connect", f"no connection to 127.0.0.1:{port}: Connection refused")


async def test_a_host_that_does_not_take_the_connection_is_given_up_after_the_connect_timeout(
    client: ArkletClient,
) -> None:
    client = attrs.evolve(client, connect_timeout_s=0.05)
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for waiting in (first, second):  # fill the queue that nobody empties
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())

        address = f"127.0.0.1:{listener.getsockname()[1]}"
        outcome = await client.query(address)

    assert outcome == Unclear("connect", f"no connection to {address}: not within 0.05 s")


async def test_an_address_that_is_none_is_unclear(client: ArkletClient) -> None:
    outcome = await client.query("not an address:x")

    assert isinstance(outcome, Unclear)


async def test_a_cancelled_call_closes_its_connection(base: RawBase, client: ArkletClient) -> None:
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def watch(writer: asyncio.StreamWriter) -> None:
        arrived.set()
        while not writer.is_closing():
            writer.write(b" ")
            await asyncio.sleep(0.001)
        gone.set()

    base.script = watch
    call = asyncio.create_task(install(client, base.address))
    await arrived.wait()
    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.wait_for(gone.wait(), 5)


async def test_a_closed_gate_stops_the_call_before_anything_is_sent(base: RawBase, client: ArkletClient) -> None:
    class NotLeadingError(Exception):
        pass

    class ClosedGate:
        def check(self) -> None:
            raise NotLeadingError

    client = attrs.evolve(client, gate=ClosedGate())

    with pytest.raises(NotLeadingError):
        await client.query(base.address)
    assert base.requests == []


# -- what is counted -------------------------------------------------------------------------------------------------------


async def test_every_call_is_counted_under_the_word_of_its_answer(
    base: RawBase, hasty: ArkletClient, registry: CollectorRegistry
) -> None:
    for answer in (
        SUCCESS,
        {"code": "FAILED", "data": {"code": "REPEAT_BIZ"}},
        {
            "code": "FAILED",
            "message": "FAILED:a:1 installBiz conflict, exist unfinished command(installBiz) for this biz",
        },
        internal_error("java.net.ConnectException: Connection refused"),
        {"code": "SOMETHING_NEW"},
    ):
        base.answers(answer)
        await install(hasty, base.address)
    base.script = b""
    await install(hasty, base.address)

    def count(code: str) -> float | None:
        return registry.get_sample_value("moduledeploy_arklet_requests_total", {"command": "installBiz", "code": code})

    codes = ("SUCCESS", "REPEAT_BIZ", "busy", "CMD_PROCESS_INTERNAL_ERROR", "other", "protocol")
    assert [count(code) for code in codes] == [1.0] * 6
    labels = {"command": "installBiz"}
    assert registry.get_sample_value("moduledeploy_arklet_request_duration_seconds_count", labels) == 6
    assert registry.get_sample_value("moduledeploy_arklet_requests_in_flight", labels) == 0


async def test_the_metaspace_of_an_install_is_observed_unless_it_shrank(
    base: RawBase, client: ArkletClient, registry: CollectorRegistry
) -> None:
    for space in (18_874_368, -5, 10**30, "much"):
        base.answers(SUCCESS | {"data": {"bizInfos": [{"identity": "orders:1.2.0"}], "elapsedSpace": space}})
        await install(client, base.address)

    assert registry.get_sample_value("moduledeploy_arklet_install_metaspace_bytes_count") == 1
    assert registry.get_sample_value("moduledeploy_arklet_install_metaspace_bytes_sum") == 18_874_368


# -- the good case -----------------------------------------------------------------------------------------------------------


async def test_an_install_tells_what_the_jar_really_is(base: RawBase, client: ArkletClient) -> None:
    base.answers(SUCCESS | {"data": {"bizInfos": [{"identity": "okbiz:1.0.0"}], "code": "SUCCESS", "elapsedSpace": 7}})

    assert await install(client, base.address) == Done("okbiz:1.0.0", 7)


async def test_states_are_read_in_either_case(base: RawBase, client: ArkletClient) -> None:
    entries = [
        {"bizName": "orders", "bizVersion": "1", "bizState": "ACTIVATED"},
        {"bizName": "orders", "bizVersion": "2", "bizState": "deactivated"},
    ]
    base.answers(SUCCESS | {"data": entries})

    assert await client.query(base.address) == Listing(
        (Biz("orders", "1", BizState.ACTIVATED), Biz("orders", "2", BizState.DEACTIVATED))
    )
