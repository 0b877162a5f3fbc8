"""A cluster in memory with people, kubelets and the real controllers, on a clock that only the test moves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import attrs

from moduledeploy.api import names
from moduledeploy.controllers import resources
from moduledeploy.kube.resources import ObjectKey, Resource
from tests.clock import ManualClock
from tests.controllers.memory_api import Body, InMemoryWriter, MemoryApi
from tests.controllers.memory_arklet import MemoryArklet
from tests.controllers.process import Events, Process

NAME = "orders"
LONGEST_REST_S = 120.0  # shorter than an audit's interval, longer than every retry and gray time in these tests


def module(version: str, name: str = NAME, url: str = "") -> Body:
    source = {"name": name, "version": version, "url": url or f"file:///modules/{name}-{version}.jar"}
    return {"spec": {"module": source}}


@attrs.define
class World:
    """Everything, and short ways to act in it."""

    clock: ManualClock = attrs.field(factory=ManualClock)
    api: MemoryApi = attrs.field(init=False)
    arklet: MemoryArklet = attrs.field(factory=MemoryArklet)
    events: Events = attrs.field(factory=Events)
    around: Callable[[str], None] = lambda point: None
    policy: str = "install_then_uninstall"
    process: Process = attrs.field(init=False)
    freed: list[str] = attrs.field(factory=list)
    _made: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.api = MemoryApi(self.clock.wall)

    # What the cluster does.

    def start(self) -> Process:
        """Begin the controller process anew, with nothing but what the API and the bases hold."""
        self.arklet.around = self.around
        writer = InMemoryWriter(self.api, self.around)
        self.process = Process(self.api, self.arklet, self.clock, writer, self.events)
        return self.process

    def add_bases(self, count: int, *, deployment: str = "base", address: str = "", **metadata: Any) -> list[str]:
        """So many more Ready pods of a base Deployment, one with the given IP if there is one; their addresses."""
        if self.api.find(resources.DEPLOYMENTS, deployment) is None:
            self._base_deployment(deployment)
        first, self._made = self._made, self._made + count
        made = [self._pod(deployment, number, address, metadata) for number in range(first, first + count)]
        status = self.api.get(resources.DEPLOYMENTS, deployment)["status"]
        replicas = sum(self.is_of(pod, deployment) for pod in self.api.list(resources.PODS))
        counts = {"replicas": replicas, "updatedReplicas": replicas, "observedGeneration": 1 << 30}
        change = {"spec": {"replicas": replicas}, "status": {**status, **counts}}
        self.patch(resources.DEPLOYMENTS, deployment, change)
        return made

    def _base_deployment(self, name: str) -> None:
        made = self.api.create(
            resources.DEPLOYMENTS, "default", {"metadata": {"name": name}, "spec": {"replicas": 0}, "status": {}}
        )
        owner = {"kind": "Deployment", "name": name, "uid": made["metadata"]["uid"], "controller": True}
        annotations = {names.DEPLOYMENT_REVISION_ANNOTATION: "1"}
        meta = {"name": f"{name}-1", "ownerReferences": [owner], "annotations": annotations}
        self.api.create(resources.REPLICA_SETS, "default", {"metadata": meta})

    def _pod(self, deployment: str, number: int, address: str, metadata: Body) -> str:
        replica_set = self.api.get(resources.REPLICA_SETS, f"{deployment}-1")
        owner = {"kind": "ReplicaSet", "name": f"{deployment}-1", "uid": replica_set["metadata"]["uid"]}
        address = address or f"10.0.{number // 250}.{number % 250 + 1}"
        condition = {"type": "Ready", "status": "True", "lastTransitionTime": self.time()}
        container = {"name": "base", "containerID": f"c{number}", "restartCount": 0}
        body = {
            "metadata": {
                "name": f"{deployment}-{number:02d}",
                "ownerReferences": [{**owner, "controller": True}],
                **metadata,
            },
            "spec": {"containers": [{"name": "base", "ports": []}]},
            "status": {
                "phase": "Running",
                "podIP": address,
                "conditions": [condition],
                "containerStatuses": [container],
            },
        }
        self.api.create(resources.PODS, "default", body)
        return f"{address}:1238"

    def is_of(self, pod: Body, deployment: str) -> bool:
        return bool(pod["metadata"]["ownerReferences"][0]["name"] == f"{deployment}-1")

    def pod_at(self, address: str) -> Body:
        return next(pod for pod in self.api.list(resources.PODS) if f"{pod['status']['podIP']}:1238" == address)

    def restart_base(self, address: str) -> None:
        """The container dies and comes again, with nothing installed."""
        pod = self.pod_at(address)
        old = pod["status"]["containerStatuses"][0]
        new = {**old, "containerID": f"{old['containerID']}'", "restartCount": old["restartCount"] + 1}
        self.arklet.restart(address)
        self.patch(resources.PODS, pod["metadata"]["name"], {"status": {"containerStatuses": [new]}}, "status")

    def set_ready(self, address: str, *, ready: bool) -> None:
        condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": self.time()}
        name = self.pod_at(address)["metadata"]["name"]
        self.patch(resources.PODS, name, {"status": {"conditions": [condition]}}, "status")

    def delete_base(self, address: str) -> None:
        """Delete a base pod; what runs in it is gone with it, and its address is free."""
        self.api.delete(resources.PODS, ObjectKey("default", self.pod_at(address)["metadata"]["name"]))
        self.arklet.running.pop(address, None)
        self.freed.append(address.partition(":")[0])

    def publish_endpoints(self) -> None:
        """EndpointSlices as their controller would write them now."""
        for stale in self.api.list(resources.ENDPOINT_SLICES):
            key = ObjectKey("default", stale["metadata"]["name"])
            if self.api.find(resources.SERVICES, key.name.removesuffix("-1")) is None:
                self.api.delete(resources.ENDPOINT_SLICES, key)
        for service in self.api.list(resources.SERVICES):
            name, selector = service["metadata"]["name"], service["spec"]["selector"]
            endpoints = [
                {"conditions": {"ready": True}, "targetRef": {"kind": "Pod", "uid": pod["metadata"]["uid"]}}
                for pod in self.api.list(resources.PODS)
                if selector.items() <= pod["metadata"].get("labels", {}).items()
            ]
            meta = {"name": f"{name}-1", "labels": {"kubernetes.io/service-name": name}}
            if self.api.find(resources.ENDPOINT_SLICES, f"{name}-1") is None:
                self.api.create(resources.ENDPOINT_SLICES, "default", {"metadata": meta, "endpoints": []})
            self.patch(resources.ENDPOINT_SLICES, f"{name}-1", {"endpoints": endpoints})

    # What people do.

    def deploy(self, version: str = "1", *, name: str = NAME, module_name: str = "", **spec: Any) -> None:
        template = module(version, module_name or name)
        body = {
            "metadata": {"name": name},
            "spec": {"baseDeploymentName": "base", "replicas": 1, "template": template, **spec},
        }
        self.api.create(resources.MODULE_DEPLOYMENTS, "default", body)

    def edit(self, name: str = NAME, **spec: Any) -> None:
        self.patch(resources.MODULE_DEPLOYMENTS, name, {"spec": spec})

    def strategy(self, name: str = NAME, **fields: Any) -> None:
        self.edit(name, operationStrategy=fields)

    def upgrade(self, version: str, name: str = NAME, url: str = "") -> None:
        self.edit(name, template=module(version, name, url))

    def replica_set(self, name: str, module_name: str, replicas: int) -> None:
        """One that belongs to no ModuleDeployment."""
        template = module("1", module_name)
        body = {
            "metadata": {"name": name},
            "spec": {"baseDeploymentName": "base", "replicas": replicas, "template": template},
        }
        self.api.create(resources.MODULE_REPLICA_SETS, "default", body)

    def delete(self, name: str = NAME, *, orphan: bool = False) -> None:
        """With `orphan` as an API server does for propagationPolicy Orphan."""
        if orphan:
            finalizers = self.deployment(name)["metadata"].get("finalizers", [])
            self.patch(resources.MODULE_DEPLOYMENTS, name, {"metadata": {"finalizers": [*finalizers, "orphan"]}})
        self.api.delete(resources.MODULE_DEPLOYMENTS, ObjectKey("default", name))

    def annotate(self, resource: Resource, object_name: str, **annotations: str) -> None:
        keys = {f"{names.GROUP}/{key.replace('_', '-')}": value for key, value in annotations.items()}
        self.patch(resource, object_name, {"metadata": {"annotations": keys}})

    def patch(self, resource: Resource, name: str, body: Body, subresource: str = "") -> None:
        self.api.patch(resource, ObjectKey("default", name), body, subresource)

    # Letting it run.

    async def rest(self, *, endpoints: bool = True) -> None:
        """Let everything come to rest: work, and let time pass while something is due soon."""
        for _ in range(2000):
            await self.process.settle()
            self.api.collect()
            if endpoints:
                self.publish_endpoints()
            self.process.deliver()
            due = min(self.process.queue.due.values(), default=float("inf")) - self.clock.monotonic()
            if due > LONGEST_REST_S:
                return
            self.clock.advance(max(0.0, due))
        raise AssertionError("it doesn't come to rest")

    async def run_for(self, seconds: float) -> None:
        """Let so much time pass, with everybody at work."""
        end = self.clock.monotonic() + seconds
        while True:
            await self.process.settle()
            self.api.collect()
            due = min(self.process.queue.due.values(), default=end)
            if due >= end:
                break
            self.clock.advance(due - self.clock.monotonic())
        self.clock.advance(end - self.clock.monotonic())
        await self.process.settle()

    async def confirm_all(self) -> int:
        """Confirm each batch as it is waited for, until nothing is; how many there were."""
        for count in range(100):
            await self.rest()
            if not self.is_waiting():
                return count
            self.edit(pause=None)
        raise AssertionError("confirmations are awaited without end")

    # What tests look at.

    def is_waiting(self, name: str = NAME) -> bool:
        found = self.deployment(name)
        return names.WAITING_ANNOTATION in found["metadata"].get("annotations", {}) and bool(found["spec"].get("pause"))

    def deployment(self, name: str = NAME) -> Body:
        return self.api.get(resources.MODULE_DEPLOYMENTS, name)

    def status(self, name: str = NAME) -> Body:
        found: Body = self.deployment(name).get("status", {})
        return found

    def progress(self, name: str = NAME) -> str:
        return str(self.status(name)["releaseStatus"]["progress"])

    def conditions(self, name: str = NAME) -> dict[str, tuple[str, str]]:
        return {item["type"]: (item["status"], item["reason"]) for item in self.status(name).get("conditions", [])}

    def modules(self) -> list[Body]:
        return self.api.list(resources.MODULES)

    def installed(self) -> list[str]:
        """Every identity on every base, sorted."""
        return sorted(":".join(identity) for here in self.arklet.running.values() for identity in here)

    def time(self) -> str:
        return datetime.fromtimestamp(int(self.clock.wall()), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def deployed(replicas: int = 2, bases: int = 3, **spec: Any) -> World:
    """A world at rest after its first rollout."""
    world = World()
    world.add_bases(bases)
    world.deploy("1", replicas=replicas, **spec)
    world.start()
    await world.rest()
    return world
