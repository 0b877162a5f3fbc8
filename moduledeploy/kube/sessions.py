"""HTTP sessions to one API server that survive replaced certificates and notice dead peers."""

from __future__ import annotations

import socket
import ssl
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final

import aiohttp
import attrs
import structlog
from aiohttp.abc import AbstractResolver

from moduledeploy.kube.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aiohttp.abc import ResolveResult

    from moduledeploy.kube.credentials import Credentials
    from moduledeploy.runtime.clock import Clock

_log: Final = structlog.get_logger()

_RELOAD_CHECK_S: Final = 60.0
# HTTP/1.1 has no pings: the kernel asks a silent peer after 30 s and gives up 30 s later (Go on HTTP/2: 30 + 15).
_KEEPALIVE_IDLE_S: Final = 30
_KEEPALIVE_INTERVAL_S: Final = 10
_KEEPALIVE_COUNT: Final = 3
_USER_TIMEOUT_MS: Final = 30_000
# Fewer wake-ups while an initial list streams in; aiohttp's own default is 64 KiB.
_READ_BUFFER_BYTES: Final = 2**18


@attrs.define
class _Generation:
    """One session and how many requests are on it; closed by the last user once it is retired."""

    session: aiohttp.ClientSession
    users: int = 0
    is_retired: bool = False


@attrs.define(kw_only=True)
class SessionPool:
    """Lends a session whose certificates are at most a minute older than their files.

    A replaced file begins a new session; requests on the old one end undisturbed, streams by their own time limit.
    `resolved` hears how many seconds each resolution of the host's name took; none is made where it is an address.
    """

    credentials: Credentials
    user_agent: str
    clock: Clock
    connections: int
    resolved: Callable[[float], object]
    _current: _Generation | None = attrs.field(default=None, init=False)
    _fingerprint: object = attrs.field(default=None, init=False)
    _check_at: float = attrs.field(default=float("-inf"), init=False)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[aiohttp.ClientSession]:
        """Lend the session for one request."""
        generation = await self._fresh()
        generation.users += 1
        try:
            yield generation.session
        finally:
            generation.users -= 1
            if generation.is_retired and generation.users == 0:
                await generation.session.close()

    def recheck(self) -> None:
        """Look at the certificate files again before the next request: a handshake has failed."""
        self._check_at = float("-inf")

    async def close(self) -> None:
        """Close the connections; nothing may be on them any more."""
        if self._current is not None:
            await self._current.session.close()
            self._current = None

    async def _fresh(self) -> _Generation:
        now = self.clock.monotonic()
        if self._current is not None and now < self._check_at:
            return self._current
        self._check_at = now + _RELOAD_CHECK_S
        tls = self.credentials.tls
        fingerprint = tls.fingerprint() if tls is not None else None
        if self._current is not None and fingerprint == self._fingerprint:
            return self._current
        try:
            context = tls.context() if tls is not None else None
        except (OSError, ssl.SSLError) as error:
            # Certificate and key are replaced one after the other; in between they don't match.
            if self._current is None:
                raise Unreachable(f"certificates unreadable: {error}", reason="tls") from error
            _log.warning("certificates unreadable, keeping the old ones")
            return self._current
        old, self._current = self._current, _Generation(self._build(context))
        self._fingerprint = fingerprint
        if old is not None:
            _log.info("certificates reloaded")
            await _retire(old)
        return self._current

    def _build(self, context: ssl.SSLContext | None) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self.connections,
                ssl=context if context is not None else True,
                socket_factory=_watched_socket,
                resolver=_TimedResolver(self.clock, self.resolved),
            ),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5.0),
            trace_configs=[_asking_before_sending()],
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=_READ_BUFFER_BYTES,
            headers={
                "User-Agent": self.user_agent,
                "Accept": "application/json",
                # Inflating costs more than a local network saves; kube-controller-manager asks for none either.
                "Accept-Encoding": "identity",
            },
        )


@attrs.frozen
class _TimedResolver(AbstractResolver):
    """The system's resolver, which aiohttp takes by itself, with its time told."""

    clock: Clock
    told: Callable[[float], object]
    system: aiohttp.ThreadedResolver = attrs.field(factory=aiohttp.ThreadedResolver)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        began_at = self.clock.monotonic()
        try:
            return await self.system.resolve(host, port, family)
        finally:
            self.told(self.clock.monotonic() - began_at)

    async def close(self) -> None:
        await self.system.close()


def _asking_before_sending() -> aiohttp.TraceConfig:
    """Calls what a request was given as its context when it has a connection: nothing is waited for between that and sending."""

    async def ask(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
        if context.trace_request_ctx is not None:
            context.trace_request_ctx()

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(ask)
    trace.on_connection_reuseconn.append(ask)
    return trace


async def _retire(generation: _Generation) -> None:
    generation.is_retired = True
    if generation.users == 0:
        await generation.session.close()


def _watched_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = address
    sock = socket.socket(family, kind, protocol)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        ("TCP_KEEPIDLE", _KEEPALIVE_IDLE_S),
        ("TCP_KEEPINTVL", _KEEPALIVE_INTERVAL_S),
        ("TCP_KEEPCNT", _KEEPALIVE_COUNT),
        ("TCP_USER_TIMEOUT", _USER_TIMEOUT_MS),
    ):
        if hasattr(socket, option):  # not on every system
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return sock
