"""Candidates for one lease, on a server that keeps Leases and can be told to misbehave."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import attrs
from aiohttp import web

from moduledeploy.kube.credentials import Credentials
from moduledeploy.kube.lease import Elector, LeaderGate, LeaseLost
from moduledeploy.kube.resources import ObjectKey
from moduledeploy.kube.transport import Transport
from moduledeploy.kube.writer import Writer
from moduledeploy.runtime.metrics import Metrics
from tests.clock import ManualClock
from tests.kube.server import ScriptedServer, status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LEASE = ObjectKey("system", "leader")


class LeaseServer(ScriptedServer):
    """Keeps one Lease with optimistic locking, and everything else that is written to it by whom."""

    def __init__(self) -> None:
        super().__init__()
        self.spec: dict[str, object] | None = None
        self.metadata: dict[str, object] = {}
        self.version = 100
        self.is_down = False
        self.is_hung = False
        self.puts = 0
        self.writes: list[tuple[str, str]] = []
        self.hung = anyio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if self.is_down:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if self.is_hung:
            await self.hung.wait()
        if "/leases" not in request.path:
            self.writes.append((request.headers["User-Agent"], request.path))
            return web.json_response({"metadata": {"name": "x", "resourceVersion": "1"}})
        match request.method:
            case "GET" if self.spec is None:
                return web.json_response(status(404, "NotFound"), status=404)
            case "GET":
                return web.json_response(self._lease())
            case "POST" if self.spec is not None:
                return web.json_response(status(409, "AlreadyExists"), status=409)
        body = json.loads(await request.read())
        if request.method == "PUT":
            self.puts += 1
            if self.spec is None or body["metadata"]["resourceVersion"] != str(self.version):
                return web.json_response(status(409, "Conflict"), status=409)
        self.metadata = {name: value for name, value in body["metadata"].items() if name != "resourceVersion"}
        self.write(body["spec"])
        return web.json_response(self._lease())

    def write(self, spec: dict[str, object]) -> None:
        self.version += 1
        self.spec = spec

    def _lease(self) -> dict[str, object]:
        metadata = {**self.metadata, "name": LEASE.name, "resourceVersion": str(self.version)}
        return {"metadata": metadata, "spec": self.spec}

    @property
    def holder(self) -> object:
        return (self.spec or {}).get("holderIdentity")


@attrs.define
class Candidate:
    """A process that runs for the lease."""

    name: str
    elector: Elector
    gate: LeaderGate
    writer: Writer
    has_lead: bool = False
    lost: str = ""
    scope: anyio.CancelScope = attrs.field(factory=anyio.CancelScope)

    async def run(self) -> None:
        with self.scope:
            await self.elector.acquire()
            self.has_lead = True
            try:
                await self.elector.hold()
            except LeaseLost as error:
                self.lost = str(error)


@attrs.define
class Rig:
    server: LeaseServer
    clock: ManualClock
    metrics: Metrics
    group: anyio.abc.TaskGroup

    def start(self, name: str, clock: ManualClock | None = None) -> Candidate:
        candidate = self.candidate(name, clock or self.clock)
        self.group.start_soon(candidate.run)
        return candidate

    def candidate(self, name: str, clock: ManualClock) -> Candidate:
        gate = LeaderGate(clock)
        transport = Transport(
            credentials=Credentials(host=self.server.url), user_agent=name, metrics=self.metrics.client, clock=clock
        )
        self.group.start_soon(_keep_open, transport)
        elector = Elector(
            transport=transport,
            lease=LEASE,
            identity=name,
            gate=gate,
            metrics=self.metrics.election,
            clock=clock,
            draw=lambda: 0.5,
        )
        return Candidate(name, elector, gate, Writer(transport=transport, gate=gate))


async def _keep_open(transport: Transport) -> None:
    async with transport:
        await anyio.sleep_forever()


@asynccontextmanager
async def election() -> AsyncIterator[Rig]:
    server = LeaseServer()
    async with server.running(), anyio.create_task_group() as group:
        yield Rig(server, ManualClock(), Metrics(), group)
        server.hung.set()
        group.cancel_scope.cancel()
