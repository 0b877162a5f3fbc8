"""A simulated Arklet on a loopback port, clocks that tests own, and a client that sees bytes."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest

from moduledeploy.devcluster.arklet import ArkletPorts, SimulatedArklet
from moduledeploy.devcluster.arklet.fields import read_body
from moduledeploy.runtime.clock import SystemClock
from tests.clock import ManualClock
from tests.devcluster.arklet.contexts import in_own_task

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class QuickClock(SystemClock):
    """Real time, twentyfold: as fast as a busy machine can follow."""

    RATE = 20

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds / self.RATE)


@attrs.define
class Base:
    """A simulated Arklet and the ways to reach it."""

    arklet: SimulatedArklet
    ports: ArkletPorts
    clock: Any
    port: int

    async def call(self, command: str, **fields: Any) -> dict[str, Any]:
        """The answer without the network."""
        return await self.arklet.answer(command, read_body(json.dumps(fields).encode()))

    async def install(self, identity: str, **fields: Any) -> dict[str, Any]:
        """Install a module from a URL that counts as good."""
        name, version = identity.split(":")
        return await self.call("installBiz", bizName=name, bizVersion=version, bizUrl="https://jars/x.jar", **fields)

    async def uninstall(self, identity: str, **fields: Any) -> dict[str, Any]:
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


@pytest.fixture
async def make_base() -> AsyncIterator[Callable[..., Base]]:
    async with in_own_task(ArkletPorts()) as ports:

        def make(clock: SystemClock, **more: Any) -> Base:
            arklet = SimulatedArklet(identity="10.244.1.7", clock=clock, spawn=ports.spawn, **more)
            return Base(arklet, ports, clock, ports.open("127.0.0.1", 0, arklet))

        yield make


@pytest.fixture
async def base(make_base: Callable[..., Base], clock: ManualClock) -> Base:
    return make_base(clock)
