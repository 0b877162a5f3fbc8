"""Starts the controllers that a cluster would bring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import anyio
import attrs

from moduledeploy.devcluster.controllers.deployments import Deployments
from moduledeploy.devcluster.controllers.endpointslices import EndpointSlices
from moduledeploy.devcluster.controllers.feeds import Feeds
from moduledeploy.devcluster.controllers.garbage import Garbage, Item
from moduledeploy.devcluster.controllers.lost_nodes import LostNodes
from moduledeploy.devcluster.controllers.namespaces import Namespaces
from moduledeploy.devcluster.controllers.replicasets import ReplicaSets
from moduledeploy.kube.queue import Queue
from moduledeploy.kube.worker import run_workers
from moduledeploy.runtime.clock import Clock, SystemClock
from moduledeploy.runtime.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from anyio.abc import TaskGroup, TaskStatus

    from moduledeploy.devcluster.local import LocalApi
    from moduledeploy.devcluster.storage import Key
    from moduledeploy.kube.worker import Done, RequeueAfter

K = TypeVar("K", bound="Hashable")

_PASS_TIMEOUT_S: Final = 30.0


async def run_controllers(
    api: LocalApi, *, clock: Clock | None = None, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    """Run the controllers of an embedded cluster until cancelled; calls `started()` once they follow it."""
    feeds, start = Feeds(api), _Start(metrics=Metrics(), clock=clock or SystemClock())
    pods, sets, nodes = feeds.get("pods"), feeds.get("replicasets.apps"), feeds.get("nodes")
    namespaces, deployments, replicasets, slices = (
        start.queue(name) for name in ("namespace", "deployment", "replicaset", "endpointslice")
    )
    garbage: Queue[Item] = Queue(name="garbagecollector", metrics=start.metrics.queue, clock=start.clock)
    syncs = (
        (
            namespaces,
            Namespaces(
                api=api, namespaces=feeds.get("namespaces"), accounts=feeds.get("serviceaccounts"), queue=namespaces
            ).sync,
        ),
        (
            deployments,
            Deployments(
                api=api, deployments=feeds.get("deployments.apps"), sets=sets, pods=pods, queue=deployments
            ).sync,
        ),
        (replicasets, ReplicaSets(api=api, sets=sets, pods=pods, queue=replicasets, clock=start.clock).sync),
        (
            slices,
            EndpointSlices(
                api=api,
                services=feeds.get("services"),
                pods=pods,
                nodes=nodes,
                slices=feeds.get("endpointslices.discovery.k8s.io"),
                queue=slices,
            ).sync,
        ),
    )
    LostNodes(api=api, nodes=nodes, pods=pods)
    collector = Garbage(api=api, feeds=feeds, queue=garbage)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(feeds.run)
        for queue, sync in syncs:
            start.worker(tasks, queue, sync)
        start.worker(tasks, garbage, collector.sync)
        task_status.started()


@attrs.frozen(kw_only=True)
class _Start:
    """What every controller is started with; one worker each, for calls on the API don't wait."""

    metrics: Metrics
    clock: Clock

    def queue(self, name: str) -> Queue[Key]:
        return Queue(name=name, metrics=self.metrics.queue, clock=self.clock)

    def worker(self, tasks: TaskGroup, queue: Queue[K], sync: Callable[[K], Awaitable[Done | RequeueAfter]]) -> None:
        async def work() -> None:
            await run_workers(
                queue, sync, count=1, timeout_s=_PASS_TIMEOUT_S, metrics=self.metrics.reconcile, clock=self.clock
            )

        tasks.start_soon(work)
