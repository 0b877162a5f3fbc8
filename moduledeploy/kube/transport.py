"""Requests to one API server: credentials, timeouts, retries that the server asked for, errors by reaction, metrics."""

from __future__ import annotations

import random
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlencode, urlsplit

import aiohttp
import anyio
import attrs
import msgspec
import structlog
from yarl import URL

from moduledeploy.kube.errors import (
    ApiError,
    ServerError,
    TooManyRequests,
    Unreachable,
    error_from_response,
)
from moduledeploy.kube.lines import LineSplitter, LineTooLong
from moduledeploy.kube.sessions import SessionPool
from moduledeploy.runtime.backoff import Backoff
from moduledeploy.runtime.clock import Clock, SystemClock, fail_after

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from prometheus_client import Histogram

    from moduledeploy.kube.credentials import Credentials
    from moduledeploy.runtime.metrics import ClientMetrics

_log: Final = structlog.get_logger()

JSON: Final = "application/json"
_RETRY: Final = Backoff(base_s=0.2, cap_s=10.0)
_MAX_TRIES: Final = 10  # client-go, rest/request.go
_MAX_ERROR_BYTES: Final = 2**20
_MAX_WARNINGS: Final = 256
_GET_RETRIES_ON_RESET: Final = 2


class LineStream:
    """The lines of one open answer, pulled by its reader; valid inside `Transport.stream` only."""

    def __init__(self, response: aiohttp.ClientResponse, clock: Clock, what: str) -> None:
        self._response = response
        self._clock = clock
        self._what = what
        self._splitter = LineSplitter()

    async def read_lines(self, idle_s: float) -> list[bytes | memoryview] | None:
        """Wait for at least one complete line and give all that are there; None when the server ended the stream.

        Raises Unreachable with reason `idle` after `idle_s` seconds without a byte, `reset` on a cut, and `protocol` on
        an endless line. What follows the last line end is dropped: it is half an object.
        """
        try:
            while True:
                with fail_after(self._clock, idle_s):
                    chunk = await self._response.content.readany()
                if not chunk:
                    return None
                if lines := self._splitter.feed(chunk):
                    return lines
        except TimeoutError as error:
            raise Unreachable(f"{self._what}: silent for {idle_s:g} s", reason="idle") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"{self._what}: {_describe(error)}", reason="reset") from error
        except LineTooLong as error:
            raise Unreachable(f"{self._what}: {error}", reason="protocol") from error


@attrs.define(kw_only=True)
class Transport:
    """Sends requests to one API server; an async context manager that owns its connections.

    Requests share `max_in_flight` places, streams have a session of their own, so no watch takes a place from a write.
    Give the elector a Transport of its own. Every call ends: by its timeout, its idle rule or an ApiError.
    """

    credentials: Credentials
    user_agent: str
    metrics: ClientMetrics
    clock: Clock = attrs.field(factory=SystemClock)
    max_in_flight: int = 32
    draw: Callable[[], float] = random.random
    _requests: SessionPool = attrs.field(init=False)
    _streams: SessionPool = attrs.field(init=False)
    _places: anyio.Semaphore = attrs.field(init=False)
    _host: str = attrs.field(init=False)
    _open_at: float = attrs.field(default=float("-inf"), init=False)
    _warned: set[str] = attrs.field(factory=set, init=False)
    _series: dict[str, _Series] = attrs.field(factory=dict, init=False)  # by method

    def __attrs_post_init__(self) -> None:
        self._host = urlsplit(self.credentials.host).netloc
        self._requests = self._pool(self.max_in_flight)
        self._streams = self._pool(0)
        self._places = anyio.Semaphore(self.max_in_flight, fast_acquire=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        with anyio.move_on_after(5, shield=True):
            await self._requests.close()
            await self._streams.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = JSON,
        timeout_s: float = 30.0,
        max_tries: int = _MAX_TRIES,
        before_send: Callable[[], None] | None = None,
    ) -> bytes:
        """Send and give the answer's body; raises ApiError.

        Sent again only when the server asked for it with Retry-After, or, for GET, when the connection broke.
        `timeout_s` is that of one try; `body` is bytes or anything that msgspec encodes; `before_send` is called
        before each try, and again when it has a connection; what it raises comes out of here, and nothing is sent.
        """
        data = body if isinstance(body, bytes) or body is None else msgspec.json.encode(body)
        call = _Call(
            method=method,
            path=path,
            query=query or {},
            data=data,
            content_type=content_type,
            before_send=before_send,
        )
        series = self._series_of(method)
        for attempt in range(max_tries):
            await self._wait_for_server(series)
            asked_at = self.clock.monotonic()
            try:
                async with self._places:
                    series.waited.observe(self.clock.monotonic() - asked_at)
                    if before_send is not None:
                        before_send()
                    return await self._send(call, timeout_s, series)
            except ApiError as error:
                pause = self._pause_before_retry_s(error, method, attempt)
                if pause is None or attempt + 1 == max_tries:
                    raise
                self.metrics.retries.labels(str(error.status or error.reason), method, self._host).inc()
                _log.debug("request repeated", request=call.title, pause_s=pause, error=error.message)
                await self.clock.sleep(pause)
        raise AssertionError("max_tries is at least 1")

    @asynccontextmanager
    async def stream(
        self, path: str, *, query: Mapping[str, str] | None = None, answer_within_s: float = 30.0
    ) -> AsyncIterator[LineStream]:
        """Open a GET whose body never ends; raises ApiError when it can't be opened. Never repeated here."""
        call = _Call(method="GET", path=path, query=query or {}, data=None, content_type=JSON)
        async with self._streams.session() as session:
            with _as_api_error(call.title, self._streams), fail_after(self.clock, answer_within_s):
                response = await self._open(session, call)
            try:
                yield LineStream(response, self.clock, call.title)
            finally:
                response.close()  # the body is endless: the connection can't be used again

    def _pool(self, connections: int) -> SessionPool:
        return SessionPool(
            credentials=self.credentials,
            user_agent=self.user_agent,
            clock=self.clock,
            connections=connections,
            resolved=self.metrics.dns_duration.labels(self._host).observe,
        )

    def _series_of(self, method: str) -> _Series:
        if (series := self._series.get(method)) is None:
            series = self._series[method] = _Series.of(self.metrics, method, self._host)
        return series

    async def _send(self, call: _Call, timeout_s: float, series: _Series) -> bytes:
        began_at = self.clock.monotonic()
        try:
            async with self._requests.session() as session:
                with _as_api_error(call.title, self._requests), fail_after(self.clock, timeout_s):
                    async with await self._open(session, call) as response:
                        body = await response.read()
            series.sent.observe(len(call.data or b""))
            series.received.observe(len(body))
            return body
        finally:
            series.took.observe(self.clock.monotonic() - began_at)

    async def _open(self, session: aiohttp.ClientSession, call: _Call) -> aiohttp.ClientResponse:
        """Give an answer that is a success; a refused token is renewed and tried again, once."""
        source = self.credentials.token
        token = await source.authorization()
        response = await self._exchange(session, call, token)
        if response.status == 401:
            await source.refresh()
            self._requests.recheck()
            self._streams.recheck()
            # Another request may have renewed it already, so compare with the one that was refused.
            if (renewed := await source.authorization()) != token:
                response.release()
                response = await self._exchange(session, call, renewed)
        if response.status >= 300:  # redirects included: whatever sends them is no API server
            async with response:
                raise await self._error(response, call)
        return response

    async def _exchange(self, session: aiohttp.ClientSession, call: _Call, token: str | None) -> aiohttp.ClientResponse:
        headers = {"Content-Type": call.content_type} if call.data is not None else {}
        if token:
            headers["Authorization"] = token
        code = "<error>"
        try:
            response = await session.request(
                call.method,
                call.url(self.credentials.host),
                data=call.data,
                headers=headers,
                allow_redirects=False,
                server_hostname=self.credentials.server_hostname,
                proxy=self.credentials.proxy,
                trace_request_ctx=call.before_send,
            )
            code = str(response.status)
        finally:
            self.metrics.requests.labels(code, call.method, self._host).inc()
        for text in response.headers.getall("Warning", ()):
            self._warn_once(text)
        return response

    async def _error(self, response: aiohttp.ClientResponse, call: _Call) -> ApiError:
        error = error_from_response(
            request=call.title,
            code=response.status,
            body=await response.content.read(_MAX_ERROR_BYTES),
            retry_after_s=_retry_after_s(response.headers.get("Retry-After")),
            audit_id=response.headers.get("Audit-Id", ""),
        )
        if isinstance(error, TooManyRequests) and error.retry_after_s:
            # The server is over its limit for us: every other request of ours would only be refused as well.
            self._open_at = max(self._open_at, self.clock.monotonic() + error.retry_after_s)
        return error

    async def _wait_for_server(self, series: _Series) -> None:
        wait_s = self._open_at - self.clock.monotonic()
        if wait_s > 0:
            series.waited.observe(wait_s)
            await self.clock.sleep(wait_s)

    def _pause_before_retry_s(self, error: ApiError, method: str, attempt: int) -> float | None:
        backoff_s = _RETRY.delay_s(attempt, self.draw())
        if isinstance(error, TooManyRequests | ServerError) and error.retry_after_s is not None:
            return max(error.retry_after_s, backoff_s)
        if method == "GET" and error.reason == "reset" and attempt < _GET_RETRIES_ON_RESET:
            return backoff_s
        return None

    def _warn_once(self, text: str) -> None:
        if text not in self._warned and len(self._warned) < _MAX_WARNINGS:
            self._warned.add(text)
            _log.warning("the API server warns", text=text)


@attrs.frozen
class _Series:
    """The measurements of one method. To look one up by its labels takes as long as to count in it."""

    waited: Histogram
    took: Histogram
    sent: Histogram
    received: Histogram

    @classmethod
    def of(cls, metrics: ClientMetrics, method: str, host: str) -> _Series:
        families = (metrics.rate_limiter_duration, metrics.duration, metrics.request_size, metrics.response_size)
        return cls(*(family.labels(method, host) for family in families))


@attrs.frozen(kw_only=True)
class _Call:
    method: str
    path: str
    query: Mapping[str, str]
    data: bytes | None
    content_type: str
    before_send: Callable[[], None] | None = None

    @property
    def title(self) -> str:
        return f"{self.method} {self.path}"

    def url(self, host: str) -> URL:
        return URL(f"{host}{self.path}?{urlencode(self.query)}" if self.query else f"{host}{self.path}", encoded=True)


class _as_api_error:  # noqa: N801  # used as a statement, like contextlib.suppress
    """Turns what aiohttp and timeouts raise into Unreachable."""

    def __init__(self, title: str, pool: SessionPool) -> None:
        self._title = title
        self._pool = pool

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        match error:
            case TimeoutError():
                raise Unreachable(f"{self._title}: no answer in time", reason="timeout") from error
            case aiohttp.ClientSSLError() | ssl.SSLError():
                self._pool.recheck()
                raise Unreachable(f"{self._title}: {_describe(error)}", reason="tls") from error
            case aiohttp.ClientConnectorError():
                raise Unreachable(f"{self._title}: {_describe(error)}", reason="refused") from error
            case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError() | ConnectionError():
                raise Unreachable(f"{self._title}: {_describe(error)}", reason="reset") from error
            case aiohttp.ClientError() | OSError() | ValueError():  # of the last kind is a header that nobody may send
                raise Unreachable(f"{self._title}: {_describe(error)}", reason="protocol") from error


def _describe(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the answer broke off"  # the library's text is about encodings
    return " ".join(str(error).split()) or type(error).__name__


def _retry_after_s(header: str | None) -> float | None:
    # The API server sends whole seconds; the date form of the header comes from proxies only and means "later".
    if header is None:
        return None
    return float(header) if header.isascii() and header.isdigit() else 1.0
