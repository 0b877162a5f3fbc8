"""Doors to the embedded API server: one for each controller, each with a log of what came through, each as bad as a network."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import attrs
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

_RESOURCE: Final = re.compile(r"/(?:api/v1|apis/[^/]+/[^/]+)/(?:namespaces/[^/]+/)?(?P<plural>[a-z]+)(?:/|$)")
_METHODS_OF_READERS: Final = frozenset({"GET", "HEAD"})


@attrs.define(kw_only=True)
class Call:
    """One request as the server saw it; `at` is monotonic, `status` 0 while unanswered."""

    at: float
    method: str
    path: str
    is_watch: bool
    is_complete_read: bool
    status: int = 0

    @property
    def kind(self) -> str:
        """The plural that the request is about."""
        match = _RESOURCE.match(self.path)
        return match["plural"] if match else ""

    @property
    def is_write(self) -> bool:
        """Whether it asked for a change."""
        return self.method not in _METHODS_OF_READERS

    @property
    def is_done_write(self) -> bool:
        """Whether it was a change that took effect."""
        return self.is_write and 200 <= self.status < 300


@attrs.define(eq=False)
class Door:
    """A listener of one client's own before a request handler; `url` stays the same while it is shut."""

    handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
    calls: list[Call] = attrs.field(factory=list)
    port: int = 0
    _web: web.Server = attrs.field(init=False)
    _listener: asyncio.Server | None = None
    _watches: set[asyncio.Transport] = attrs.field(factory=set)

    def __attrs_post_init__(self) -> None:
        self._web = web.Server(self._serve)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def open(self) -> None:
        """Let clients in, on the port of the last time."""
        self._listener = await asyncio.get_running_loop().create_server(self._web, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    def shut(self) -> None:
        """As if the server were gone: connections break, new ones are refused."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for connection in self._web.connections:
            if connection.transport is not None:
                connection.transport.abort()

    async def close(self) -> None:
        """Shut it for good."""
        self.shut()
        await self._web.shutdown(timeout=1.0)

    def cut_watches(self) -> int:
        """Break the connections of all watches; how many there were."""
        for transport in self._watches:
            transport.abort()
        return len(self._watches)

    def since(self, at: float) -> list[Call]:
        """Requests that came from that moment on."""
        return [call for call in self.calls if call.at >= at]

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        query = request.query
        is_watch = query.get("watch") in ("1", "true")
        is_list = request.method == "GET" and not is_watch and "continue" not in query and "limit" in query
        call = Call(
            at=time.monotonic(),
            method=request.method,
            path=request.path,
            is_watch=is_watch,
            is_complete_read=is_list or "sendInitialEvents" in query,
        )
        self.calls.append(call)
        transport = request.transport
        if is_watch and transport is not None:
            self._watches.add(transport)
        try:
            response = await self.handle(request)
            call.status = response.status
            return response
        finally:
            if transport is not None:
                self._watches.discard(transport)


@attrs.define(eq=False)
class Wire:
    """A TCP connection's way to a target; it can hold back what passes, telling nobody."""

    target: str
    port: int = 0
    _is_cut: bool = False
    _open: set[asyncio.Event] = attrs.field(factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def hold(self, *, new_ones: bool = False) -> None:
        """Make the connections that there are half-open; new ones work, or are swallowed as well."""
        self._is_cut = new_ones
        for flowing in self._open:
            flowing.clear()

    def let_go(self) -> None:
        """Let everything pass that was held back."""
        for flowing in self._open:
            flowing.set()

    async def join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection's bytes until an end closes."""
        address = urlsplit(self.target)
        flowing = asyncio.Event()
        if not self._is_cut:
            flowing.set()
        self._open.add(flowing)
        try:
            far_reader, far_writer = await asyncio.open_connection(address.hostname, address.port)
        except OSError:
            writer.transport.abort()
            return
        try:
            async with asyncio.TaskGroup() as ways:
                ways.create_task(_carry(reader, far_writer, flowing))
                ways.create_task(_carry(far_reader, writer, flowing))
        finally:
            self._open.discard(flowing)
            far_writer.transport.abort()
            writer.transport.abort()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flowing: asyncio.Event) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            await flowing.wait()
            writer.write(data)
            await writer.drain()
    await flowing.wait()
    writer.transport.abort()


@contextlib.asynccontextmanager
async def held(target: str) -> AsyncIterator[Wire]:
    """A wire to the target while inside; its connections end when left."""
    wire, lines = Wire(target), set[asyncio.Task[None]]()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.create_task(wire.join(reader, writer))
        lines.add(line)
        line.add_done_callback(lines.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        server.close()
        for line in lines:
            line.cancel()
        await asyncio.gather(*lines, return_exceptions=True)
