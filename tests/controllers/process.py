"""One run of the controller process: fresh stores, the real controllers, and a scheduler that a test steps."""

from __future__ import annotations

from random import Random
from typing import Any

import attrs
import msgspec

from moduledeploy.api.cluster import Deployment, EndpointSlice, Pod, ReplicaSet, Service
from moduledeploy.api.kinds import Module, ModuleDeployment, ModuleReplicaSet
from moduledeploy.api.slim import Slimming
from moduledeploy.controllers import resources
from moduledeploy.controllers.audit import AuditSchedule
from moduledeploy.controllers.base import BaseController
from moduledeploy.controllers.cluster import Cluster, Stores
from moduledeploy.controllers.counters import RolloutCounters
from moduledeploy.controllers.facts import BaseKey, FamilyKey
from moduledeploy.controllers.indexes import INDEXES
from moduledeploy.controllers.refusals import RefusalsOnBases
from moduledeploy.controllers.rollout import RolloutController
from moduledeploy.controllers.statuses import StatusWriter
from moduledeploy.kube.consistency import WrittenVersions
from moduledeploy.kube.errors import KubeError
from moduledeploy.kube.informer import Change
from moduledeploy.kube.resources import ObjectKey, Resource
from moduledeploy.kube.store import Store
from moduledeploy.kube.worker import RequeueAfter
from moduledeploy.runtime.metrics import Metrics
from tests.clock import ManualClock
from tests.controllers.memory_api import Body, Event, InMemoryWriter, MemoryApi
from tests.controllers.memory_arklet import MemoryArklet

TYPES: dict[Resource, type[Any]] = {
    resources.DEPLOYMENTS: Deployment,
    resources.REPLICA_SETS: ReplicaSet,
    resources.PODS: Pod,
    resources.MODULE_DEPLOYMENTS: ModuleDeployment,
    resources.MODULE_REPLICA_SETS: ModuleReplicaSet,
    resources.MODULES: Module,
    resources.SERVICES: Service,
    resources.ENDPOINT_SLICES: EndpointSlice,
}
FIELDS = {
    resources.MODULE_DEPLOYMENTS: "deployments",
    resources.MODULE_REPLICA_SETS: "replica_sets",
    resources.MODULES: "modules",
    resources.PODS: "pods",
    resources.DEPLOYMENTS: "base_deployments",
    resources.REPLICA_SETS: "base_replica_sets",
    resources.SERVICES: "services",
    resources.ENDPOINT_SLICES: "endpoint_slices",
}
URL_SCHEMES = frozenset({"file", "https"})
METRICS = Metrics(version="test")  # one for all: nothing here reads them and a registry takes a while to make


@attrs.define
class Events:
    """The Recorder: reasons in order."""

    reasons: list[str] = attrs.field(factory=list)
    notes: list[str] = attrs.field(factory=list)

    def event(self, *, regarding: object, type: str, reason: str, action: str, note: str) -> None:  # noqa: A002
        self.reasons.append(reason)
        self.notes.append(note)


@attrs.define
class Queue:
    """Keys and when they are due."""

    clock: ManualClock
    due: dict[FamilyKey | BaseKey, float] = attrs.field(factory=dict)
    failures: dict[FamilyKey | BaseKey, int] = attrs.field(factory=dict)

    def family(self, key: FamilyKey) -> None:
        self.after(key, 0)

    def base(self, key: BaseKey) -> None:
        self.after(key, 0)

    def after(self, key: FamilyKey | BaseKey, delay_s: float) -> None:
        at = self.clock.monotonic() + delay_s
        self.due[key] = min(self.due.get(key, at), at)

    def fail(self, key: FamilyKey | BaseKey) -> None:
        self.failures[key] = self.failures.get(key, 0) + 1
        self.after(key, 0.005 * 2 ** self.failures[key])

    def peek(self) -> FamilyKey | BaseKey | None:
        """The key that has been due for longest, if one is."""
        key = min(self.due, key=self.due.__getitem__, default=None)
        return None if key is None or self.due[key] > self.clock.monotonic() else key

    def shuffle(self, picks: Random) -> None:
        """Let any of the keys that are due have been so for longest."""
        now = self.clock.monotonic()
        ready = [key for key, at in self.due.items() if at <= now]
        if ready:
            self.due[picks.choice(ready)] = float("-inf")

    def next(self) -> FamilyKey | BaseKey | None:
        """Take the key that has been due for longest, if one is."""
        key = self.peek()
        if key is not None:
            del self.due[key]
        return key


@attrs.define
class Process:
    """Everything that dies with the controller: what it read, planned, assumed and has queued."""

    api: MemoryApi
    arklet: MemoryArklet
    clock: ManualClock
    writer: InMemoryWriter
    events: Events
    queue: Queue = attrs.field(init=False)
    stores: dict[Resource, Store[Any]] = attrs.field(init=False)
    cluster: Cluster = attrs.field(init=False)
    rollout: RolloutController = attrs.field(init=False)
    base: BaseController = attrs.field(init=False)
    held: set[Resource] = attrs.field(factory=set)
    _read: dict[Resource, int] = attrs.field(factory=dict)
    _slimming: Slimming = attrs.field(factory=Slimming, init=False)

    def __attrs_post_init__(self) -> None:
        self.queue = Queue(self.clock)
        self.stores = {resource: Store[Any](INDEXES.get(FIELDS[resource])) for resource in TYPES}
        self.cluster = Cluster(
            Stores(**{FIELDS[resource]: store for resource, store in self.stores.items()}), self.queue
        )
        written: WrittenVersions[FamilyKey] = WrittenVersions(metrics=METRICS.informer)
        statuses = StatusWriter(
            cluster=self.cluster,
            writer=self.writer,
            recorder=self.events,
            written=written,
            counters=RolloutCounters(METRICS.rollout),
            clock=self.clock,
        )
        self.rollout = RolloutController(
            cluster=self.cluster,
            writer=self.writer,
            statuses=statuses,
            written=written,
            clock=self.clock,
            url_schemes=URL_SCHEMES,
        )
        self.base = BaseController(
            cluster=self.cluster,
            writer=self.writer,
            arklet=self.arklet,
            recorder=self.events,
            written=WrittenVersions(metrics=METRICS.informer),
            audits=AuditSchedule(interval_s=600.0, clock=self.clock),
            url_schemes=URL_SCHEMES,
            clock=self.clock,
            draw=lambda: 0.5,
        )
        for resource in TYPES:
            self._list(resource)

    def deliver(self) -> None:
        """Bring what happened since to the stores and handlers, kind by kind in order; held kinds stay as they are."""
        newest = len(self.api.history)
        oldest = min(newest if resource in self.held else self._read[resource] for resource in TYPES)
        for index in range(oldest, newest):
            event = self.api.history[index]
            if event.resource in self._read and event.resource not in self.held and index >= self._read[event.resource]:
                self._apply(event)
        for resource in TYPES:
            if resource not in self.held:
                self._read[resource] = newest
                self.stores[resource].advance(str(self.api.version))

    async def turn(self) -> bool:
        """Work on the next due key; whether there was one."""
        key = self.queue.next()
        if key is None:
            return False
        reconcile: Any = (
            self.rollout.reconcile
            if isinstance(key, FamilyKey)
            else RefusalsOnBases(self.base.reconcile, self.base.recorder)
        )
        try:
            result = await reconcile(key)
        except KubeError:
            self.queue.fail(key)
            return True
        self.queue.failures.pop(key, None)
        if isinstance(result, RequeueAfter):
            self.queue.after(key, result.delay_s)
        return True

    async def settle(self, limit: int = 20_000) -> None:
        """Work until nothing is due at this moment."""
        for _ in range(limit):
            self.deliver()
            if not await self.turn():
                return
        raise AssertionError(f"it doesn't come to rest: {self.queue.due}")

    def _list(self, resource: Resource) -> None:
        for body in self.api.list(resource):
            key = ObjectKey(body["metadata"]["namespace"], body["metadata"]["name"])
            self._change(resource, key, self._kept(resource, body))
        self._read[resource] = len(self.api.history)
        self.stores[resource].advance(str(self.api.version))

    def _apply(self, event: Event) -> None:
        new = None if event.new is None else self._kept(event.resource, event.new)
        self._change(event.resource, event.key, new)

    def _kept(self, resource: Resource, body: Body) -> Any:
        """What the caches of a process keep of it, so that whatever a controller reads is proven to be there."""
        made = msgspec.json.decode(msgspec.json.encode(body), type=TYPES[resource])
        if resource == resources.PODS:
            return self._slimming.pod(made)
        return self._slimming.module(made) if resource == resources.MODULES else made

    def _change(self, resource: Resource, key: ObjectKey, new: Any) -> None:
        store = self.stores[resource]
        old = store.remove(key) if new is None else store.put(key, new)
        handlers = {
            resources.DEPLOYMENTS: self.cluster.on_base_deployment,
            resources.REPLICA_SETS: self.cluster.on_base_replica_set,
            resources.PODS: self.cluster.on_pod,
            resources.MODULE_DEPLOYMENTS: self.cluster.on_deployment,
            resources.MODULE_REPLICA_SETS: self.cluster.on_replica_set,
            resources.MODULES: self.cluster.on_module,
            resources.SERVICES: self.cluster.on_service,
            resources.ENDPOINT_SLICES: self.cluster.on_endpoint_slice,
        }
        handler: Any = handlers[resource]
        handler(Change(key, old, new))
