"""A cluster without HTTP: the store, the rules of its kinds and the controllers, on a clock that the test owns."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import anyio
import attrs

from moduledeploy.devcluster.controllers import run_controllers
from moduledeploy.devcluster.kinds import built_in
from moduledeploy.devcluster.local import LocalApi
from moduledeploy.devcluster.resources import Register
from moduledeploy.devcluster.storage import Store
from moduledeploy.devcluster.writes import Writes
from tests.clock import ManualClock, settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

Object = dict[str, Any]
NS = "shop"


def new_api(clock: ManualClock) -> LocalApi:
    """An API that serves the built-in kinds."""
    register = Register()
    for resource in built_in():
        register.add(resource)
    store = Store()
    now = lambda: datetime.fromtimestamp(clock.wall(), UTC)  # noqa: E731 -- a parameter
    return LocalApi(store, Writes(store=store, register=register, now=now))


def template(version: str = "1", **spec: Any) -> Object:
    container = {"name": "base", "image": f"base:{version}", "ports": [{"name": "web", "containerPort": 8080}]}
    return {"metadata": {"labels": {"app": "base"}}, "spec": {"containers": [container], **spec}}


def deployment(replicas: int = 4, *, name: str = "base", **spec: Any) -> Object:
    selector = {"matchLabels": {"app": "base"}}
    body = {"replicas": replicas, "selector": selector, "template": template(), **spec}
    return {"metadata": {"name": name, "namespace": NS}, "spec": body}


def service(name: str = "svc", **spec: Any) -> Object:
    body = {"selector": {"app": "base"}, "ports": [{"name": "http", "port": 80, "targetPort": "web"}], **spec}
    return {"metadata": {"name": name, "namespace": NS}, "spec": body}


@attrs.define
class World:
    """The cluster and short ways to act in it."""

    api: LocalApi
    clock: ManualClock

    async def settle(self) -> None:
        """Let the controllers come to rest at this moment of the clock, and a little later."""
        await self.clock.run_for(0.1)

    async def until(self, condition: Callable[[], object], *, at_most_s: float = 5.0) -> None:
        await self.clock.run_until(condition, at_most_s=at_most_s)

    def pods(self, **labels: str) -> list[Object]:
        return self.api.list("pods", NS, lambda pod: labels.items() <= pod["metadata"].get("labels", {}).items())

    def names(self) -> list[str]:
        return [pod["metadata"]["name"] for pod in self.pods()]

    def sets(self) -> dict[str, Object]:
        return {obj["metadata"]["name"]: obj for obj in self.api.list("replicasets.apps", NS)}

    def the(self, resource: str, name: str) -> Object:
        return self.api.get(resource, name, NS)

    def status(self, name: str = "base") -> Object:
        found: Object = self.the("deployments.apps", name)["status"]
        return found

    def patch(self, resource: str, name: str, **fields: Any) -> Object:
        return self.api.patch(resource, name, fields, namespace=NS)

    def report(self, name: str, *, ready: bool = True, phase: str = "Running", address: str = "127.9.0.1") -> None:
        """Play kubelet for one pod."""
        now = datetime.fromtimestamp(self.clock.wall(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": now}
        status = {"phase": phase, "podIP": address, "podIPs": [{"ip": address}], "conditions": [condition]}
        self.api.patch("pods", name, {"status": status}, namespace=NS, subresource="status")

    async def make_ready(self) -> None:
        """Play kubelet until nothing starts or stops any more."""
        for _ in range(50):
            await self.settle()
            starting = [pod for pod in self.pods() if pod["status"]["phase"] == "Pending"]
            for pod in starting:
                self.report(pod["metadata"]["name"])
            if not starting:
                return
        raise AssertionError("pods are made without end")

    def conditions(self, name: str = "base") -> dict[str, tuple[str, str]]:
        return {c["type"]: (c["status"], c["reason"]) for c in self.status(name).get("conditions", [])}


@contextlib.asynccontextmanager
async def running_world(clock: ManualClock) -> AsyncIterator[World]:
    """The cluster with its controllers running and one namespace."""
    api = new_api(clock)
    async with anyio.create_task_group() as tasks:
        await tasks.start(lambda task_status: run_controllers(api, clock=clock, task_status=task_status))
        api.create("namespaces", {"metadata": {"name": NS}})
        await settle()
        yield World(api, clock)
        tasks.cancel_scope.cancel()
