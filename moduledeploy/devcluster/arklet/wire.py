"""Arklet on the network: answers without headers, a connection for each, and silence for what is no JSON object.

Connections are dealt round-robin to two event loops per core, and a command holds its loop until it has ended: whatever is
dealt to that loop later waits.  A client that goes away cancels nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import anyio
import attrs

from moduledeploy.devcluster.arklet import fastjson
from moduledeploy.devcluster.arklet.fields import Unreadable, read_body
from moduledeploy.devcluster.arklet.machine import JvmStopped, ReplyLost, Silence
from moduledeploy.devcluster.arklet.requests import (
    Continue,
    Event,
    ExpectationFailed,
    Oversized,
    RequestParser,
)

if TYPE_CHECKING:
    from types import TracebackType

    from anyio.abc import TaskGroup

    from moduledeploy.devcluster.arklet.machine import SimulatedArklet

_OK: Final = b"HTTP/1.1 200 OK\r\n\r\n"
_NOT_POST_TEXT: Final = b"POST http request only supported by arklet"
_NOT_POST: Final = b"HTTP/1.1 500 Internal Server Error\r\nContent_Length: %d\r\n\r\n%s" % (
    len(_NOT_POST_TEXT),
    _NOT_POST_TEXT,
)
_TOO_LARGE: Final = b"HTTP/1.1 413 Request Entity Too Large\r\ncontent-length: 0\r\n\r\n"
_TOO_LARGE_AND_CLOSED: Final = (
    b"HTTP/1.1 413 Request Entity Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)
_EXPECTATION_FAILED: Final = b"HTTP/1.1 417 Expectation Failed\r\ncontent-length: 0\r\n\r\n"
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_LONGEST_SILENCE_S: Final = 3600.0  # a real Arklet has no limit; a forgotten connection shall not live for ever here
_BACKLOG: Final = 128


@attrs.define(eq=False)
class _Port:
    """One listening address and the connections it accepted."""

    arklet: SimulatedArklet
    listener: socket.socket
    dealt: int = 0
    loops: dict[int, anyio.Lock] = attrs.field(factory=dict)
    open: set[anyio.CancelScope] = attrs.field(factory=set)

    def deal(self) -> anyio.Lock:
        """The event loop that the next connection belongs to."""
        number = self.dealt % (2 * self.arklet.behaviour.cores)
        self.dealt += 1
        return self.loops.setdefault(number, anyio.Lock())


@attrs.define(eq=False)
class ArkletPorts:
    """The listening sockets of many simulated Arklets, each bound to its own address; an async context manager.

    `open` and `close` act at once.  Leaving the context drops every connection.  `accepted` counts connections.
    """

    accepted: int = 0
    _ports: dict[tuple[str, int], _Port] = attrs.field(factory=dict)
    _claims: dict[tuple[str, int], socket.socket] = attrs.field(factory=dict)
    _tasks: TaskGroup = attrs.field(init=False)

    async def __aenter__(self) -> ArkletPorts:
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        for address, port in list(self._ports):
            self.close(address, port)
        for address, port in list(self._claims):
            self.give_back(address, port)
        self._tasks.cancel_scope.cancel()
        return await self._tasks.__aexit__(kind, error, trace)

    def spawn(self, func: Any, *args: object) -> None:
        """Run a task no longer than the context lasts: for the asynchronous operations of the Arklets served here."""
        self._tasks.start_soon(func, *args)

    def open(self, address: str, port: int, arklet: SimulatedArklet) -> int:
        """Listen; the port, chosen by the system where 0 was asked for.  Raises OSError where the address is taken."""
        listener = socket.create_server((address, port), backlog=_BACKLOG)
        listener.setblocking(False)
        number: int = listener.getsockname()[1]
        served = self._ports[address, number] = _Port(arklet, listener)
        asyncio.get_running_loop().add_reader(listener, self._accept, served)
        return number

    def claim(self, address: str, port: int) -> bool:
        """Keep an address for an Arklet that is to be opened there later; False where somebody has it.

        A UDP socket on the same port is the mark: simulated bases of other processes see it, nobody can connect to it,
        and it goes with this process.
        """
        with contextlib.ExitStack() as undone:
            mark = undone.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            try:
                mark.bind((address, port))
                socket.create_server((address, port)).close()
            except OSError:
                return False
            undone.pop_all()
        self._claims[address, port] = mark
        return True

    def give_back(self, address: str, port: int) -> None:
        """Keep the address no longer."""
        if (mark := self._claims.pop((address, port), None)) is not None:
            mark.close()

    def close(self, address: str, port: int) -> None:
        """Refuse new connections and drop the open ones with whatever they run; harmless for a port that isn't open."""
        if (served := self._ports.pop((address, port), None)) is None:
            return
        asyncio.get_running_loop().remove_reader(served.listener)
        served.listener.close()
        for scope in served.open:
            scope.cancel()

    def _accept(self, port: _Port) -> None:
        with contextlib.suppress(OSError):  # the client is gone again, or this process has too many files open
            connection, _ = port.listener.accept()
            connection.setblocking(False)
            self.accepted += 1
            self._tasks.start_soon(self._serve, port, connection, port.deal())

    async def _serve(self, port: _Port, connection: socket.socket, loop: anyio.Lock) -> None:
        with connection, anyio.CancelScope() as scope:
            port.open.add(scope)
            try:
                await self._converse(port.arklet, connection, loop)
            except (OSError, TimeoutError, JvmStopped, ReplyLost):
                pass  # the client went away, or the base did, or its answer is to be lost: nobody is told
            finally:
                port.open.discard(scope)

    async def _converse(self, arklet: SimulatedArklet, connection: socket.socket, loop: anyio.Lock) -> None:
        parser = RequestParser()
        while True:
            while (event := parser.next_event()) is None:
                if not (data := await _receive(connection)):
                    return
                parser.feed(data)
            if arklet.behaviour.silent:
                await anyio.sleep_forever()
            try:
                async with loop:
                    reply, is_last = await _reply(arklet, event)
                    if reply:
                        await _send(connection, reply)
            except Silence:
                await anyio.sleep_forever()
            if is_last:
                connection.shutdown(socket.SHUT_WR)
                return


async def _reply(arklet: SimulatedArklet, event: Event) -> tuple[bytes, bool]:
    """The bytes to send, and whether the connection ends with them; no bytes for what Arklet never answers."""
    if isinstance(event, Continue):
        return _CONTINUE, False
    if isinstance(event, Oversized):
        return (_TOO_LARGE_AND_CLOSED, True) if event.is_last else (_TOO_LARGE, False)
    if isinstance(event, ExpectationFailed):
        return _EXPECTATION_FAILED, False
    if event.method != "POST":
        return _NOT_POST, True
    try:
        command, fields = _command(event.path), read_body(event.body)
    except Unreadable:
        return b"", False
    answer = await arklet.answer(command, fields)
    return _OK + fastjson.write(answer), True


def _command(path: str) -> str:
    """The command that a path names; raises `Unreadable` for a `%` that stands for nothing."""
    if re.search(r"%(?![0-9a-fA-F]{2})", path):
        raise Unreadable("an escape in the path is broken")
    return unquote(path)[1:]


async def _receive(connection: socket.socket) -> bytes:
    with anyio.fail_after(_LONGEST_SILENCE_S):
        return await asyncio.get_running_loop().sock_recv(connection, 65536)


async def _send(connection: socket.socket, data: bytes) -> None:
    with anyio.fail_after(_LONGEST_SILENCE_S):
        await asyncio.get_running_loop().sock_sendall(connection, data)
