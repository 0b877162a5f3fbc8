"""What the transport sends, what it repeats and what it raises, over real HTTP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import anyio
import attrs
import pytest
from structlog.testing import capture_logs

from moduledeploy.kube.credentials import FileToken
from moduledeploy.kube.errors import (
    AlreadyExists,
    ApiError,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    NotLeading,
    ServerError,
    TooManyRequests,
    Unauthorized,
    Unreachable,
    error_from_response,
)
from moduledeploy.runtime.metrics import Metrics
from tests.clock import ManualClock, settle
from tests.kube.server import Answer, Hang, Refuse, Reply, ScriptedServer, Stream, Then, failure, status

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path


@attrs.define
class Outcome:
    value: bytes | None = None
    error: Exception | None = None

    @property
    def is_there(self) -> bool:
        return self.value is not None or self.error is not None


async def outcome_of(clock: ManualClock, call: Callable[[], Awaitable[bytes]], *, at_most_s: float = 3600.0) -> Outcome:
    """Run a call while the clock jumps ahead for it."""
    outcome = Outcome()

    async def run() -> None:
        try:
            outcome.value = await call()
        except Exception as error:
            outcome.error = error

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await clock.run_until(lambda: outcome.is_there, at_most_s=at_most_s)
    return outcome


async def exchange(method: str, *script: Answer, clock: ManualClock | None = None) -> tuple[Outcome, ScriptedServer]:
    clock = clock or ManualClock()
    server = ScriptedServer(*script)
    async with server.running(), server.transport(clock) as transport:
        outcome = await outcome_of(clock, lambda: transport.request(method, "/api/v1/pods", body={"a": 1}))
    return outcome, server


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (400, "BadRequest", Invalid),
        (401, "Unauthorized", Unauthorized),
        (403, "Forbidden", Forbidden),
        (404, "NotFound", NotFound),
        (409, "AlreadyExists", AlreadyExists),
        (409, "Conflict", Conflict),
        (410, "Expired", Gone),
        (410, "Gone", Gone),
        (415, "UnsupportedMediaType", Invalid),
        (422, "Invalid", Invalid),
        (429, "TooManyRequests", TooManyRequests),
        (500, "InternalError", ServerError),
        (504, "Timeout", ServerError),
    ],
)
async def test_an_answer_that_is_no_success_is_raised_by_what_to_do_about_it(
    code: int, reason: str, expected: type[ApiError]
) -> None:
    outcome, server = await exchange("PATCH", failure(code, reason))

    assert type(outcome.error) is expected
    assert str(outcome.error) == f"PATCH /api/v1/pods: {reason}"
    assert len(server.requests) == 1


async def test_an_error_page_of_a_proxy_is_an_error_with_its_text() -> None:
    outcome, _ = await exchange("GET", Reply(b"<h1>Bad gateway</h1>", status=502))

    assert isinstance(outcome.error, ServerError)
    assert "Bad gateway" in str(outcome.error)


async def test_13_a_429_with_retry_after_is_sent_again_after_that_time() -> None:
    clock = ManualClock()
    began_at = clock.now

    outcome, server = await exchange(
        "PATCH",
        failure(429, "TooManyRequests", retry_after=3),
        failure(429, "TooManyRequests", retry_after=4),
        Reply(),
        clock=clock,
    )

    assert outcome.value == b"{}"
    assert [request.body for request in server.requests] == [b'{"a":1}'] * 3
    assert clock.now - began_at == pytest.approx(7, abs=0.5)


async def test_13_a_429_without_retry_after_is_the_callers_to_repeat() -> None:
    outcome, server = await exchange("PATCH", failure(429, "TooManyRequests"))

    assert isinstance(outcome.error, TooManyRequests)
    assert len(server.requests) == 1


@pytest.mark.parametrize("header", ["86400", "\u00b2", "-5", "Wed, 21 Oct 2026 07:28:00 GMT", ""])
async def test_13_a_time_that_nobody_can_mean_is_no_more_than_a_minute(header: str) -> None:
    clock = ManualClock()
    began_at = clock.now

    refusal = Reply(status(429, "TooManyRequests"), status=429, headers={"Retry-After": header})
    outcome, _ = await exchange("PATCH", refusal, Reply(), clock=clock)

    assert outcome.value == b"{}"
    assert clock.now - began_at <= 61


async def test_13_a_429_makes_every_request_of_this_client_wait() -> None:
    clock = ManualClock()
    server = ScriptedServer(failure(429, "TooManyRequests", retry_after=5), Reply(), Reply())
    async with server.running(), server.transport(clock) as transport, anyio.create_task_group() as group:
        group.start_soon(transport.request, "GET", "/first")
        await settle()

        group.start_soon(transport.request, "GET", "/second")
        await clock.run_for(4)
        assert [request.path for request in server.requests] == ["/first"]
        await clock.run_for(2)

        assert sorted(request.path for request in server.requests[1:]) == ["/first", "/second"]


async def test_a_server_error_with_retry_after_is_sent_again_and_one_without_is_not() -> None:
    clock = ManualClock()
    began_at = clock.now

    outcome, server = await exchange(
        "PATCH", failure(503, "ServiceUnavailable", retry_after=3), failure(500, "InternalError"), clock=clock
    )

    assert clock.now - began_at == pytest.approx(3, abs=0.5)
    assert isinstance(outcome.error, ServerError)
    assert outcome.error.status == 500
    assert len(server.requests) == 2


async def test_a_request_is_sent_ten_times_at_most() -> None:
    outcome, server = await exchange("POST", *[failure(429, "TooManyRequests", retry_after=1)] * 12)

    assert isinstance(outcome.error, TooManyRequests)
    assert len(server.requests) == 10


async def test_a_post_on_a_broken_connection_is_never_sent_again() -> None:
    outcome, server = await exchange("POST", Refuse(), Reply())

    assert isinstance(outcome.error, Unreachable)
    assert outcome.error.reason == "reset"
    assert len(server.requests) == 1


async def test_a_get_on_a_broken_connection_is_sent_again() -> None:
    outcome, _ = await exchange("GET", Refuse(), Refuse(), Refuse(), Reply())

    assert outcome.value == b"{}"


async def test_no_answer_is_an_error_after_the_timeout() -> None:
    clock = ManualClock()
    server = ScriptedServer(Hang())
    async with server.running(), server.transport(clock) as transport:
        outcome = await outcome_of(clock, lambda: transport.request("GET", "/x", timeout_s=15), at_most_s=15)

    assert isinstance(outcome.error, Unreachable)
    assert outcome.error.reason == "timeout"


async def test_nobody_listening_is_an_error_at_once() -> None:
    clock = ManualClock()
    server = ScriptedServer()
    async with server.running():
        pass
    async with server.transport(clock) as transport:
        with pytest.raises(Unreachable) as caught:
            await transport.request("GET", "/x")

    assert caught.value.reason == "refused"


async def test_query_and_path_arrive_as_they_were_given() -> None:
    server = ScriptedServer(Reply())
    async with server.running(), server.transport(ManualClock()) as transport:
        await transport.request("GET", "/a%2Fb", query={"labelSelector": "a in (b,c)", "continue": "x+/=&y"})

    assert server.requests[0].path == "/a/b"
    assert server.requests[0].query == {"labelSelector": "a in (b,c)", "continue": "x+/=&y"}
    assert server.requests[0].headers["User-Agent"] == "moduledeploy/test"
    assert server.requests[0].headers["Accept-Encoding"] == "identity"


async def test_12_a_refused_token_is_read_again_and_the_request_repeated_once(tmp_path: Path) -> None:
    clock = ManualClock()
    file = tmp_path / "token"
    file.write_text("old\n")
    server = ScriptedServer(Reply(), failure(401, "Unauthorized"), Reply())
    async with server.running(), server.transport(clock, token=FileToken(str(file), clock)) as transport:
        await transport.request("GET", "/x")
        file.write_text("new\n")

        await transport.request("GET", "/x")

    assert [request.headers["Authorization"] for request in server.requests] == [
        "Bearer old",
        "Bearer old",
        "Bearer new",
    ]


async def test_12_a_token_that_is_refused_and_has_not_changed_is_an_error(tmp_path: Path) -> None:
    clock = ManualClock()
    file = tmp_path / "token"
    file.write_text("old")
    server = ScriptedServer(failure(401, "Unauthorized"), Reply())
    async with server.running(), server.transport(clock, token=FileToken(str(file), clock)) as transport:
        with pytest.raises(Unauthorized):
            await transport.request("GET", "/x")

    assert len(server.requests) == 1


async def test_12_a_token_that_no_header_can_hold_is_an_error_as_any_other(tmp_path: Path) -> None:
    clock = ManualClock()
    file = tmp_path / "token"
    file.write_text("first line\nsecond line")
    server = ScriptedServer()
    async with server.running(), server.transport(clock, token=FileToken(str(file), clock)) as transport:
        with pytest.raises(Unreachable) as caught:
            await transport.request("GET", "/x")
        with pytest.raises(Unreachable):
            async with transport.stream("/w"):
                pass

    assert caught.value.reason == "protocol"
    assert "second line" not in str(caught.value)
    assert server.requests == []


async def test_12_a_watch_renews_its_token_too(tmp_path: Path) -> None:
    clock = ManualClock()
    file = tmp_path / "token"
    file.write_text("old")
    server = ScriptedServer(Stream([b"1\n"], Then.END), failure(401, "Unauthorized"), Stream([b"2\n"], Then.END))
    async with server.running(), server.transport(clock, token=FileToken(str(file), clock)) as transport:
        async with transport.stream("/w") as stream:
            assert await stream.read_lines(10) == [b"1"]
        file.write_text("new")
        async with transport.stream("/w") as stream:
            assert await stream.read_lines(10) == [b"2"]

    assert server.requests[-1].headers["Authorization"] == "Bearer new"


async def test_14_a_token_file_is_read_again_after_a_minute(tmp_path: Path) -> None:
    clock = ManualClock()
    file = tmp_path / "token"
    file.write_text("old")
    token = FileToken(str(file), clock)
    assert await token.authorization() == "Bearer old"
    file.write_text("new")

    clock.advance(59)
    assert await token.authorization() == "Bearer old"
    clock.advance(2)
    assert await token.authorization() == "Bearer new"


async def test_14_a_token_file_that_is_away_for_a_moment_costs_nothing(tmp_path: Path) -> None:
    clock = ManualClock()
    file = tmp_path / "token"
    file.write_text("old")
    token = FileToken(str(file), clock)
    await token.authorization()
    file.unlink()

    clock.advance(100)

    assert await token.authorization() == "Bearer old"


async def test_15_open_watches_take_no_place_from_requests() -> None:
    clock = ManualClock()
    server = ScriptedServer(*[Stream([b"x\n"])] * 20, Reply())
    async with (
        server.running(),
        server.transport(clock, max_in_flight=2) as transport,
        anyio.create_task_group() as group,
    ):
        opened: list[int] = []

        async def watch() -> None:
            async with transport.stream("/w") as stream:
                await stream.read_lines(1000)
                opened.append(1)
                await stream.read_lines(1000)

        for _ in range(20):
            group.start_soon(watch)
        await clock.run_until(lambda: len(opened) == 20, at_most_s=0)

        assert await transport.request("GET", "/lease") == b"{}"
        group.cancel_scope.cancel()


async def test_requests_beyond_the_limit_wait_for_a_place() -> None:
    clock = ManualClock()
    server = ScriptedServer(Hang(), Hang())
    async with (
        server.running(),
        server.transport(clock, max_in_flight=2) as transport,
        anyio.create_task_group() as group,
    ):
        for _ in range(3):
            group.start_soon(transport.request, "GET", "/x")
        await settle()

        assert len(server.requests) == 2
        group.cancel_scope.cancel()


async def test_a_stream_is_cut_off_when_it_is_silent_for_too_long() -> None:
    clock = ManualClock()
    server = ScriptedServer(Stream([b"x\n"]))
    async with server.running(), server.transport(clock) as transport:

        async def read() -> bytes:
            async with transport.stream("/w") as stream:
                await stream.read_lines(150)
                await stream.read_lines(150)
            return b""

        outcome = await outcome_of(clock, read, at_most_s=150)

    assert isinstance(outcome.error, Unreachable)
    assert outcome.error.reason == "idle"


async def test_a_stream_that_is_refused_raises_as_a_request_does() -> None:
    server = ScriptedServer(failure(410, "Expired"))
    async with server.running(), server.transport(ManualClock()) as transport:
        with pytest.raises(Gone):
            async with transport.stream("/w"):
                pass


async def test_warnings_of_the_server_are_logged_once_each() -> None:
    warning = {"Warning": '299 - "v1beta1 is deprecated"'}
    server = ScriptedServer(Reply(headers=warning), Reply(headers=warning))
    with capture_logs() as logs:
        async with server.running(), server.transport(ManualClock()) as transport:
            await transport.request("GET", "/x")
            await transport.request("GET", "/x")

    assert [entry["text"] for entry in logs] == [warning["Warning"]]


async def test_a_closed_gate_keeps_a_repeated_request_from_being_sent() -> None:
    """The gate is asked before each try, not before the first alone."""
    clock = ManualClock()
    server = ScriptedServer(failure(429, "TooManyRequests", retry_after=5), Reply())

    def check() -> None:
        if server.requests:
            raise NotLeading("no longer")

    async with server.running(), server.transport(clock) as transport:
        outcome = await outcome_of(clock, lambda: transport.request("PATCH", "/x", body={}, before_send=check))

    assert isinstance(outcome.error, NotLeading)
    assert len(server.requests) == 1


async def test_requests_are_counted_by_their_outcome() -> None:
    metrics, clock = Metrics(), ManualClock()
    server = ScriptedServer(Reply(), failure(409, "Conflict"), Refuse())
    async with server.running(), server.transport(clock, metrics) as transport:
        await transport.request("GET", "/x")
        with pytest.raises(Conflict):
            await transport.request("PATCH", "/x", body={})
        with pytest.raises(Unreachable):
            await transport.request("POST", "/x", body={})

    host = server.url.removeprefix("http://")
    count = metrics.registry.get_sample_value
    for labels in (
        {"code": "200", "method": "GET"},
        {"code": "409", "method": "PATCH"},
        {"code": "<error>", "method": "POST"},
    ):
        assert count("rest_client_requests_total", labels | {"host": host}) == 1
    assert count("rest_client_request_duration_seconds_count", {"verb": "PATCH", "host": host}) == 1


def test_a_status_may_say_how_long_to_wait_in_its_body() -> None:
    """The older style, still used by some handlers."""
    body = status(429, "TooManyRequests")
    body["details"] = {"retryAfterSeconds": 9}

    assert error_from_response(request="x", code=429, body=json.dumps(body).encode()).retry_after_s == 9
