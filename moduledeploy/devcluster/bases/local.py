"""Simulated bases of the embedded cluster: kubelet play on the in-process API, and a handle on it for tests."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Any, Final, Protocol

import anyio
import attrs
import msgspec

from moduledeploy.devcluster.arklet import (
    MEASURED,
    ArkletPorts,
    Behaviour,
    Effects,
    Fate,
    Mishap,
    SimulatedArklet,
    Timings,
)
from moduledeploy.devcluster.bases.addresses import NETWORK, AddressPool, allow_many_sockets
from moduledeploy.devcluster.bases.attached import AttachedBases, attach_at_birth
from moduledeploy.devcluster.bases.choice import NewlyNamed, is_from_replica_set
from moduledeploy.devcluster.bases.kubelet import Kubelet
from moduledeploy.devcluster.bases.nodes import node_names, node_object, node_status
from moduledeploy.devcluster.bases.pods import Node, Pod
from moduledeploy.devcluster.bases.status import timestamp
from moduledeploy.devcluster.errors import ApiError
from moduledeploy.devcluster.faults import Command, Faults
from moduledeploy.devcluster.subresources import bind
from moduledeploy.devcluster.writes import WriteOptions
from moduledeploy.kube.errors import KubeError
from moduledeploy.kube.queue import Queue
from moduledeploy.kube.resources import ObjectKey
from moduledeploy.kube.worker import Done, RequeueAfter, run_workers
from moduledeploy.runtime.clock import Clock, SystemClock
from moduledeploy.runtime.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from ipaddress import IPv4Network

    from anyio.abc import TaskStatus

    from moduledeploy.devcluster.local import LocalApi
    from moduledeploy.devcluster.resources import Resource
    from moduledeploy.devcluster.storage import Object
    from moduledeploy.devcluster.writes import Admission, Writes

_WORKERS: Final = 4
_PASS_TIMEOUT_S: Final = 30.0


class NextNode(Protocol):
    """Chooses a node for a pod that has none."""

    def __call__(self) -> str:
        """Its name."""
        ...


def schedule_at_birth(
    api: LocalApi, next_node: NextNode, plays: Callable[[LocalApi, Pod], bool]
) -> Callable[[Writes, Resource, Object, Object | None, str], None]:
    """Admission in the place of a scheduler: a pod that is played has its node from the start, which saves a write.

    The others have none, so that nobody is waited for when they are deleted.
    """

    def assign(_writes: Writes, resource: Resource, obj: Object, old: Object | None, _subresource: str) -> None:
        is_new = resource.table == "pods" and old is None and obj["spec"].get("containers")  # else it is refused soon
        if is_new and not obj["spec"].get("nodeName") and plays(api, msgspec.convert(obj, Pod)):
            obj["spec"]["nodeName"] = next_node()

    return assign


@attrs.define(eq=False)
class LocalCluster:
    """The in-process API as kubelets see it: of all pods those that are played."""

    api: LocalApi
    next_node: NextNode
    plays: Callable[[LocalApi, Pod], bool]

    def pod(self, key: ObjectKey) -> Pod | None:
        obj = self.api.find("pods", key.name, key.namespace)
        pod = msgspec.convert(obj, Pod) if obj else None
        return pod if pod is not None and self.plays(self.api, pod) else None

    def node(self, name: str) -> Node | None:
        obj = self.api.find("nodes", name)
        return msgspec.convert(obj, Node) if obj else None

    async def bind(self, pod: Pod) -> None:
        meta, options = pod.metadata, WriteOptions(manager=self.api.manager)
        target = {"target": {"kind": "Node", "name": self.next_node()}}
        with _as_kube_error():
            bind(self.api.writes, self.api.resource("pods"), (meta.namespace, meta.name), target, options)

    async def report(self, pod: Pod, status: dict[str, Any]) -> None:
        meta = pod.metadata
        with _as_kube_error():
            self.api.patch("pods", meta.name, {"status": status}, namespace=meta.namespace, subresource="status")

    async def remove(self, pod: Pod) -> None:
        meta = pod.metadata
        with _as_kube_error():
            self.api.delete("pods", meta.name, namespace=meta.namespace, grace_s=0, uid=meta.uid)


@contextlib.contextmanager
def _as_kube_error() -> Iterator[None]:
    """Refusals as the same write over HTTP would raise them; what is gone or taken by now needs no more."""
    try:
        yield
    except ApiError as error:
        if error.code not in {404, 409}:
            raise KubeError(error.message) from error


class LocalBases:
    """The bases of an embedded cluster.

    `run` plays until it is cancelled; the other methods are for tests, by namespace and pod name.  `plays` says which pods are
    bases (`choice.py`); the first of them stand for the bases at `attach`, addresses as `IP:PORT`.  Operations take the
    `timings` that were measured unless others are given.  Of `faults` those about bases strike here.
    """

    def __init__(
        self,
        api: LocalApi,
        *,
        start_delay_s: float = 0.3,
        nodes: int = 3,
        network: IPv4Network = NETWORK,
        reuse_addresses: bool = False,
        clock: Clock | None = None,
        plays: Callable[[LocalApi, Pod], bool] = is_from_replica_set,
        attach: Sequence[str] = (),
        timings: Timings = MEASURED,
        faults: Faults | None = None,
    ) -> None:
        self._api: Final = api.acting_as("kubelet")
        self._attach: Final = tuple(attach)
        self._plays: Final = plays
        self._clock: Final = clock or SystemClock()
        self._faults: Final = faults or Faults()
        self._names: Final = node_names(nodes)
        self._turns: Final[Iterator[str]] = itertools.cycle(self._names)
        self._metrics: Final = Metrics()
        self._queue: Final[Queue[ObjectKey]] = Queue(name="bases", metrics=self._metrics.queue, clock=self._clock)
        self._ports: Final = ArkletPorts()
        cluster = LocalCluster(self._api, self._turns.__next__, plays)
        self._attached: Final = AttachedBases(cluster=cluster, clock=self._clock)
        self._kubelet: Final = Kubelet(
            cluster=cluster,
            ports=self._ports,
            clock=self._clock,
            start_delay_s=start_delay_s,
            timings=timings,
            fate_of=self._fate_of,
            addresses=AddressPool(network=network, reuse=reuse_addresses),
        )

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Create the nodes, then play kubelet and Arklet for the pods of ReplicaSets."""
        allow_many_sockets()
        for name in self._names:
            if self._api.find("nodes", name) is None:
                self._api.create("nodes", node_object(name))
        admissions = self._api.writes.admissions
        ours: list[Admission] = [
            schedule_at_birth(self._api, self._turns.__next__, self._plays),
            NewlyNamed(self._api, self._queue.add, _key),
        ]
        if self._attach:
            ours.append(attach_at_birth(self._api, self._attach, self._plays))
        admissions.extend(ours)
        self._faults.bases = self
        try:
            async with self._ports, anyio.create_task_group() as tasks:
                tasks.start_soon(self._follow_pods)
                tasks.start_soon(self._follow_nodes)
                task_status.started()
                await run_workers(
                    self._queue,
                    self._sync,
                    count=_WORKERS,
                    timeout_s=_PASS_TIMEOUT_S,
                    metrics=self._metrics.reconcile,
                    clock=self._clock,
                )
        finally:
            self._faults.bases = None
            for admission in ours:
                admissions.remove(admission)

    async def _sync(self, key: ObjectKey) -> Done | RequeueAfter:
        pod = self._kubelet.cluster.pod(key)
        if pod is not None and pod.attached_to:
            return await self._attached.sync(key, pod)
        self._attached.forget(key)
        return await self._kubelet.sync(key)

    def _fate_of(self, key: ObjectKey) -> Fate:
        def decide(command: str, module: str) -> Mishap | None:
            came = Command(namespace=key.namespace, pod=key.name, verb=command, module=module)
            return self._faults.strike_command(came)

        return decide

    def names(self) -> list[tuple[str, str]]:
        """Namespace and name of every pod that is played."""
        return [(key.namespace, key.name) for key in self._kubelet.bases]

    def arklet(self, namespace: str, name: str) -> SimulatedArklet:
        """The Arklet of a pod that is played; raises KeyError."""
        return self._kubelet.bases[ObjectKey(namespace, name)].arklet

    def effects(self, uid: str) -> Effects:
        """Installs and uninstalls that took effect on a pod, by its UID; kept after the pod has gone."""
        return self._kubelet.effects.setdefault(uid, Effects())

    @property
    def connections(self) -> int:
        """How many connections all simulated Arklets have accepted; each is one call."""
        return self._ports.accepted

    def restart(self, namespace: str, name: str) -> None:
        """Restart the container of a pod; raises KeyError."""
        key = ObjectKey(namespace, name)
        self._kubelet.restart(key)
        self._queue.add(key)

    def behave(self, namespace: str, name: str, behaviour: Behaviour | None) -> None:
        """Have a pod's Arklet behave so, whatever its annotations say; None gives them back their word."""
        self._kubelet.behave(ObjectKey(namespace, name), behaviour)

    async def _follow_pods(self) -> None:
        with self._api.subscribe("pods") as pods:
            for pod in pods.initial:
                self._queue.add(_key(pod))
            while True:
                for event in await pods.wait_events():
                    if event.old is None or _concern(event.old) != _concern(event.obj) or event.change == "DELETED":
                        self._queue.add(_key(event.obj))

    async def _follow_nodes(self) -> None:
        with self._api.subscribe("nodes") as nodes:
            for node in nodes.initial:
                self._look_at_node(node["metadata"]["name"])
            while True:
                for event in await nodes.wait_events():
                    self._look_at_node(event.obj["metadata"]["name"])

    def _look_at_node(self, name: str) -> None:
        node = self._kubelet.cluster.node(name)
        if node is None or not node.is_simulated:
            return
        status = node_status(is_lost=node.is_lost, now=timestamp(self._clock.wall()))
        known = self._api.get("nodes", name).get("status", {}).get("conditions", [])
        if [c["status"] for c in known if c["type"] == "Ready"] == [status["conditions"][0]["status"]]:
            return
        self._api.patch("nodes", name, {"status": status}, subresource="status")
        for key in self._kubelet.bases:
            self._queue.add(key)


def _concern(pod: Object) -> tuple[object, ...]:
    """What a kubelet acts upon; labels and what it reports itself are no concern of its."""
    meta = pod["metadata"]
    return (
        meta["uid"],
        meta.get("annotations"),
        meta.get("deletionTimestamp"),
        pod["spec"].get("nodeName"),
        pod["status"].get("phase") in {"Failed", "Succeeded"},
    )


def _key(obj: Object) -> ObjectKey:
    return ObjectKey(obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
