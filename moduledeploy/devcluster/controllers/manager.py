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
from moduledeploy.devcluster.errors import ApiError
from moduledeploy.kube.errors import KubeError
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
    manager = _Manager(api=api, feeds=Feeds(api), clock=clock or SystemClock(), metrics=Metrics())
    async with anyio.create_task_group() as tasks:
        manager.start(tasks)
        task_status.started()


@attrs.frozen(kw_only=True)
class _Manager:
    """What every controller is started with; one worker each, for calls on the API don't wait."""

    api: LocalApi
    feeds: Feeds
    clock: Clock
    metrics: Metrics

    def start(self, tasks: TaskGroup) -> None:
        self._start_workloads(tasks)
        self._start_services(tasks)
        namespaces: Queue[Key] = self._queue("namespace")
        feeds = {"namespaces": self.feeds.get("namespaces"), "accounts": self.feeds.get("serviceaccounts")}
        self._work(tasks, namespaces, Namespaces(api=self.api, queue=namespaces, **feeds).sync)
        LostNodes(api=self.api, nodes=self.feeds.get("nodes"), pods=self.feeds.get("pods"))
        garbage: Queue[Item] = self._queue("garbagecollector")
        self._work(tasks, garbage, Garbage(api=self.api, feeds=self.feeds, queue=garbage).sync)
        tasks.start_soon(self.feeds.run)

    def _start_workloads(self, tasks: TaskGroup) -> None:
        feeds = {"sets": self.feeds.get("replicasets.apps"), "pods": self.feeds.get("pods")}
        sets: Queue[Key] = self._queue("replicaset")
        self._work(tasks, sets, ReplicaSets(api=self.api, queue=sets, clock=self.clock, **feeds).sync)
        feeds["deployments"] = self.feeds.get("deployments.apps")
        deployments: Queue[Key] = self._queue("deployment")
        self._work(tasks, deployments, Deployments(api=self.api, queue=deployments, clock=self.clock, **feeds).sync)

    def _start_services(self, tasks: TaskGroup) -> None:
        queue: Queue[Key] = self._queue("endpointslice")
        feeds = {name: self.feeds.get(name) for name in ("services", "pods", "nodes")}
        feeds["slices"] = self.feeds.get("endpointslices.discovery.k8s.io")
        self._work(tasks, queue, EndpointSlices(api=self.api, queue=queue, clock=self.clock, **feeds).sync)

    def _queue(self, name: str) -> Queue[K]:
        return Queue(name=name, metrics=self.metrics.queue, clock=self.clock)

    def _work(self, tasks: TaskGroup, queue: Queue[K], sync: Callable[[K], Awaitable[Done | RequeueAfter]]) -> None:
        async def tried(key: K) -> Done | RequeueAfter:
            try:
                return await sync(key)
            except ApiError as error:  # a refusal is tried again like any failed request
                raise KubeError(error.message) from error

        async def work() -> None:
            await run_workers(
                queue, tried, count=1, timeout_s=_PASS_TIMEOUT_S, metrics=self.metrics.reconcile, clock=self.clock
            )

        tasks.start_soon(work)
