"""A cluster with controllers and simulated bases, on a clock that the test owns."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest

from moduledeploy.devcluster.arklet import INSTANT, PREFIX
from moduledeploy.devcluster.arklet.fields import read_body
from moduledeploy.devcluster.bases import LocalBases
from tests.clock import ManualClock
from tests.devcluster.arklet.contexts import in_own_task
from tests.devcluster.controllers.world import NS, World, deployment, running_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from moduledeploy.devcluster.arklet import SimulatedArklet

START_S = 2.0


@attrs.define
class Bases:
    """The bases and the cluster they are in."""

    world: World
    handle: LocalBases

    async def deploy(self, replicas: int = 1, **annotations: str) -> list[str]:
        """A base Deployment whose pods carry these switches, Ready; the pods' names."""
        obj = deployment(replicas)
        switches = {PREFIX + name.replace("_", "-"): value for name, value in annotations.items()}
        obj["spec"]["template"]["metadata"]["annotations"] = switches
        self.world.api.create("deployments.apps", obj)
        await self.until_ready(replicas)
        return self.world.names()

    async def until_ready(self, replicas: int) -> None:
        await self.world.until(lambda: self.world.status().get("readyReplicas") == replicas, at_most_s=60)

    def pod(self, name: str) -> dict[str, Any]:
        return self.world.the("pods", name)

    def container(self, name: str) -> dict[str, Any]:
        status: dict[str, Any] = self.pod(name)["status"]["containerStatuses"][0]
        return status

    def ready(self, name: str) -> str:
        return str(next(c["status"] for c in self.pod(name)["status"]["conditions"] if c["type"] == "Ready"))

    def arklet(self, name: str) -> SimulatedArklet:
        return self.handle.arklet(NS, name)

    async def install(self, name: str, identity: str) -> dict[str, Any]:
        module, version = identity.split(":")
        fields = {"bizName": module, "bizVersion": version, "bizUrl": "https://jars/x.jar"}
        return await self.arklet(name).answer("installBiz", read_body(json.dumps(fields).encode()))

    def annotate(self, resource: str, name: str, **annotations: str | None) -> None:
        switches = {PREFIX + key.replace("_", "-"): value for key, value in annotations.items()}
        namespace = NS if resource == "pods" else ""
        self.world.api.patch(resource, name, {"metadata": {"annotations": switches}}, namespace=namespace)

    async def answers(self, name: str, port: int = 1238) -> bool:
        """Whether Arklet can be connected to at the pod's address."""
        address = self.pod(name)["status"]["podIP"]
        try:
            with anyio.fail_after(1):
                stream = await anyio.connect_tcp(address, port)
        except OSError:
            return False
        await stream.aclose()
        return True


@contextlib.asynccontextmanager
async def playing(world: World, **more: Any) -> AsyncIterator[Bases]:
    async with anyio.create_task_group() as tasks:
        handle = LocalBases(world.api, clock=world.clock, start_delay_s=START_S, **{"timings": INSTANT, **more})
        await tasks.start(lambda task_status: handle.run(task_status=task_status))
        yield Bases(world, handle)
        tasks.cancel_scope.cancel()


@contextlib.asynccontextmanager
async def running_bases(**more: Any) -> AsyncIterator[Bases]:
    async with running_world(ManualClock()) as world, playing(world, **more) as bases:
        yield bases


@pytest.fixture
async def bases() -> AsyncIterator[Bases]:
    async with in_own_task(running_bases()) as running:
        yield running


@pytest.fixture
async def reusing_bases() -> AsyncIterator[Bases]:
    async with in_own_task(running_bases(reuse_addresses=True)) as running:
        yield running
