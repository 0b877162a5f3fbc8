"""Simulated bases on any API server: the same kubelet play over HTTP, with nodes that keep their heartbeat."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import anyio
import structlog

from moduledeploy.devcluster.bases.nodes import node_names, node_object, node_status
from moduledeploy.devcluster.bases.pods import Node, Pod
from moduledeploy.devcluster.bases.status import timestamp
from moduledeploy.kube.errors import AlreadyExists, ApiError, Conflict, NotFound
from moduledeploy.kube.informer import Change, Informer
from moduledeploy.kube.resources import MERGE_PATCH, ObjectKey, Resource
from moduledeploy.kube.rights import Right
from moduledeploy.kube.store import key_of
from moduledeploy.runtime.clock import move_on_after

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anyio.abc import TaskStatus

    from moduledeploy.kube.transport import Transport
    from moduledeploy.runtime.clock import Clock
    from moduledeploy.runtime.metrics import Metrics

_log: Final = structlog.get_logger()
PODS: Final = Resource("", "v1", "pods", "Pod")
NODES: Final = Resource("", "v1", "nodes", "Node", namespaced=False)
LEASES: Final = Resource("coordination.k8s.io", "v1", "leases", "Lease")
_ROLE: Final = "kubelet"
_LEASE_NAMESPACE: Final = "kube-node-lease"
_LEASE_S: Final = 40  # kubelet's nodeLeaseDurationSeconds
_HEARTBEAT_S: Final = 10.0  # kubelet renews at a quarter of it


def needed_rights() -> list[Right]:
    """What a `RemoteCluster` does at the API server."""
    return [
        *(Right(verb, PODS, _ROLE) for verb in ("list", "watch", "delete")),
        Right("patch", PODS, _ROLE, "status"),
        Right("create", PODS, _ROLE, "binding"),
        *(Right(verb, NODES, _ROLE) for verb in ("list", "watch", "create")),
        Right("patch", NODES, _ROLE, "status"),
        *(Right(verb, LEASES, _ROLE, namespace=_LEASE_NAMESPACE) for verb in ("create", "patch")),
    ]


class RemoteCluster:
    """A cluster over HTTP as kubelets see it.

    With a selector every pod it selects is played, without one the pods of ReplicaSets.
    """

    def __init__(self, *, transport: Transport, metrics: Metrics, selector: str, nodes: int, clock: Clock) -> None:
        self._transport: Final = transport
        self._clock: Final = clock
        self._selector: Final = selector
        self._names: Final = node_names(nodes)
        self._turns: Final[Iterator[str]] = itertools.cycle(self._names)
        self._renew_at: Final[dict[str, float]] = {}
        self._nodes_changed: Final = asyncio.Event()
        self._pods: Final[Informer[Pod]] = Informer(
            resource=PODS,
            object_type=Pod,
            transport=transport,
            metrics=metrics.informer,
            label_selector=selector,
            indexes={"node": lambda pod: [pod.spec.nodeName]},
            clock=clock,
        )
        self._nodes: Final[Informer[Node]] = Informer(
            resource=NODES, object_type=Node, transport=transport, metrics=metrics.informer, clock=clock
        )

    async def run(
        self, look_at: Callable[[ObjectKey], None], *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        """Keep up with pods and nodes, and the nodes alive; `look_at` is told which pods to look at."""

        def on_node(change: Change[Node]) -> None:
            self._nodes_changed.set()
            for pod in self._pods.store.by_index("node", change.key.name):
                look_at(key_of(pod))

        def on_pod(change: Change[Pod]) -> None:
            if change.old is None or change.new is None or _concern(change.old) != _concern(change.new):
                look_at(change.key)

        self._pods.add_handler(on_pod)
        self._nodes.add_handler(on_node)
        async with anyio.create_task_group() as tasks:
            await tasks.start(self._nodes.run)
            for name in self._names:
                await self.ensure_node(name)
            await tasks.start(self._pods.run)
            task_status.started()
            await self._keep_nodes_alive()

    def pod(self, key: ObjectKey) -> Pod | None:
        pod = self._pods.store.get(key)
        return pod if pod is not None and (self._selector or pod.is_from_replica_set) else None

    def node(self, name: str) -> Node | None:
        return self._nodes.store.get(ObjectKey("", name))

    async def bind(self, pod: Pod) -> None:
        meta, node = pod.metadata, next(self._turns)
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        try:
            await self._transport.request("POST", PODS.path(meta.namespace, meta.name, "binding"), body=body)
        except (Conflict, NotFound) as error:
            _log.debug("pod not bound", pod=meta.name, error=error.message)  # it has a node by now, or has gone

    async def report(self, pod: Pod, status: dict[str, Any]) -> None:
        meta = pod.metadata
        body = {"metadata": {"uid": meta.uid}, "status": status}
        try:
            await self._merge(PODS.path(meta.namespace, meta.name, "status"), body)
        except (Conflict, NotFound) as error:
            _log.debug("pod not reported", pod=meta.name, error=error.message)  # its successor comes as a change

    async def remove(self, pod: Pod) -> None:
        meta = pod.metadata
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "gracePeriodSeconds": 0,
            "preconditions": {"uid": meta.uid},
        }
        try:
            await self._transport.request("DELETE", PODS.path(meta.namespace, meta.name), body=body)
        except (Conflict, NotFound) as error:
            _log.debug("pod not removed", pod=meta.name, error=error.message)

    async def ensure_node(self, name: str) -> None:
        """Create the node if there is none of that name."""
        if self.node(name) is None:
            try:
                await self._transport.request("POST", NODES.path(), body=node_object(name))
            except AlreadyExists:
                return
            await self._report_node(name, is_lost=False)

    async def _keep_nodes_alive(self) -> None:
        """Renew the lease of every simulated node that isn't lost, and tell when that changes."""
        while True:
            self._nodes_changed.clear()
            for node in list(self._nodes.store.values()):
                if not node.is_simulated:
                    continue
                try:
                    if node.status.is_ready is node.is_lost:
                        await self._report_node(node.metadata.name, is_lost=node.is_lost)
                    if not node.is_lost and self._clock.monotonic() >= self._renew_at.get(node.metadata.name, 0.0):
                        await self._renew(node)
                except ApiError as error:
                    _log.warning("node not kept alive", node=node.metadata.name, error=error.message)
            with move_on_after(self._clock, _HEARTBEAT_S):
                await self._nodes_changed.wait()

    async def _report_node(self, name: str, *, is_lost: bool) -> None:
        status = node_status(is_lost=is_lost, now=timestamp(self._clock.wall()))
        await self._merge(NODES.path(None, name, "status"), {"status": status})

    async def _renew(self, node: Node) -> None:
        name = node.metadata.name
        renewed_at = datetime.fromtimestamp(self._clock.wall(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": name, "leaseDurationSeconds": _LEASE_S, "renewTime": renewed_at}
        try:
            await self._merge(LEASES.path(_LEASE_NAMESPACE, name), {"spec": spec})
        except NotFound:
            owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": node.metadata.uid}
            meta = {"name": name, "namespace": _LEASE_NAMESPACE, "ownerReferences": [owner]}
            lease = {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": meta, "spec": spec}
            await self._transport.request("POST", LEASES.path(_LEASE_NAMESPACE), body=lease)
        self._renew_at[name] = self._clock.monotonic() + _HEARTBEAT_S / 2  # the loop comes by every heartbeat

    async def _merge(self, path: str, body: dict[str, Any]) -> None:
        await self._transport.request("PATCH", path, body=body, content_type=MERGE_PATCH)


def _concern(pod: Pod) -> tuple[object, ...]:
    """What a kubelet acts upon; labels, and what it alone reports, are no concern of its."""
    meta = pod.metadata
    return meta.uid, meta.annotations, meta.deletionTimestamp, pod.spec.nodeName, pod.has_ended, pod.status.is_ready
