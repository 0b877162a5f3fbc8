"""A simulated Arklet on a loopback port, clocks that tests own, and a client that sees bytes."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import json
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest

from moduledeploy.devcluster.arklet import ArkletPorts, SimulatedArklet
from moduledeploy.devcluster.arklet.fields import read_body
from moduledeploy.runtime.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class ManualClock(SystemClock):
    """Stands still until `advance`."""

    def __init__(self) -> None:
        self.now = 1_760_000_000.0
        self._sleepers: list[tuple[float, int, asyncio.Event]] = []
        self._order = itertools.count()

    def wall(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        wake = asyncio.Event()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._order), wake))
        await wake.wait()

    async def advance(self, seconds: float) -> None:
        """Let so much time pass, and everything happen that is due."""
        end = self.now + seconds
        await anyio.wait_all_tasks_blocked()
        while self._sleepers and self._sleepers[0][0] <= end:
            self.now, _, wake = heapq.heappop(self._sleepers)
            wake.set()
            await anyio.wait_all_tasks_blocked()
        self.now = end


class QuickClock(SystemClock):
    """Real time, a hundredfold."""

    RATE = 100

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds / self.RATE)


@attrs.define
class Base:
    """A simulated Arklet and the ways to reach it."""

    arklet: SimulatedArklet
    ports: ArkletPorts
    clock: Any
    port: int

    async def call(self, command: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 -- JSON
        """The answer without the network."""
        return await self.arklet.answer(command, read_body(json.dumps(fields).encode()))

    async def install(self, identity: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 -- JSON
        """Install a module from a URL that counts as good."""
        name, version = identity.split(":")
        return await self.call("installBiz", bizName=name, bizVersion=version, bizUrl="https://jars/x.jar", **fields)

    async def uninstall(self, identity: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 -- JSON
        name, version = identity.split(":")
        return await self.call("uninstallBiz", bizName=name, bizVersion=version, **fields)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def raw(self, data: bytes, *, wait_s: float = 5) -> tuple[bytes, bool]:
        """What a connection answers to these bytes, and whether it was closed at the end."""
        reader, writer = await self.connect()
        writer.write(data)
        received, is_closed = b"", False
        try:
            async with asyncio.timeout(wait_s):
                while chunk := await reader.read(65536):
                    received += chunk
                is_closed = True
        except TimeoutError:
            pass
        except ConnectionResetError:
            is_closed = True
        finally:
            writer.close()
        return received, is_closed


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def quick_clock() -> QuickClock:
    return QuickClock()


@contextlib.asynccontextmanager
async def in_own_task(context: contextlib.AbstractAsyncContextManager[Any]) -> AsyncIterator[Any]:
    """Enter and leave the context in one task, as task groups demand and a fixture's two halves don't."""
    entered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    leave = asyncio.Event()

    async def hold() -> None:
        async with context as value:
            entered.set_result(value)
            await leave.wait()

    holder = asyncio.create_task(hold())
    yield await entered
    leave.set()
    await holder


@pytest.fixture
async def make_base() -> AsyncIterator[Callable[..., Base]]:
    async with in_own_task(ArkletPorts()) as ports:

        def make(clock: SystemClock, **more: Any) -> Base:  # noqa: ANN401 -- whatever SimulatedArklet takes
            arklet = SimulatedArklet(identity="10.244.1.7", clock=clock, spawn=ports.spawn, **more)
            return Base(arklet, ports, clock, ports.open("127.0.0.1", 0, arklet))

        yield make


@pytest.fixture
async def base(make_base: Callable[..., Base], clock: ManualClock) -> Base:
    return make_base(clock)
