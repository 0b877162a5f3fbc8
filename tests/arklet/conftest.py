"""A base whose answers a test scripts byte by byte, and a client whose metrics can be read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import attrs
import pytest
from prometheus_client import CollectorRegistry

from moduledeploy.arklet import ArkletClient, open_session
from moduledeploy.runtime.metrics import ArkletMetrics

HEADLESS = b"HTTP/1.1 200 OK\r\n\r\n"

Script = Callable[[asyncio.StreamWriter], Awaitable[None]]


@attrs.define
class OpenGate:
    def check(self) -> None:
        """Nothing is held back."""


@attrs.define
class Request:
    """What arrived on one connection."""

    head: str
    body: bytes


@attrs.define
class RawBase:
    """A listening socket that answers every request as it is told."""

    address: str
    script: Script | bytes = b""
    requests: list[Request] = attrs.field(factory=list)
    held: asyncio.Event = attrs.field(factory=asyncio.Event)  # set: connections that are held open are let go

    def answers(self, body: object) -> None:
        """Answer as Arklet does: a status line, JSON, the end."""
        self.script = HEADLESS + json.dumps(body).encode()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(
                (int(line.split(":")[1]) for line in head.split("\r\n") if line.lower().startswith("content-length:")),
                0,
            )
            self.requests.append(Request(head, await reader.readexactly(length)))
            if isinstance(self.script, bytes):
                writer.write(self.script)
                await writer.drain()
            else:
                await self.script(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def base() -> AsyncIterator[RawBase]:
    raw = RawBase("")
    server = await asyncio.start_server(raw.serve, "127.0.0.1", 0)
    raw.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield raw
    raw.held.set()
    server.close()
    await server.wait_closed()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
async def client(registry: CollectorRegistry) -> AsyncIterator[ArkletClient]:
    async with open_session() as session:
        yield ArkletClient(session=session, metrics=ArkletMetrics(registry), gate=OpenGate())


@pytest.fixture
def hasty(client: ArkletClient) -> ArkletClient:
    """A client that waits 50 ms for anything."""
    return attrs.evolve(client, query_timeout_s=0.05, operation_timeout_s=0.05, connect_timeout_s=0.05)
