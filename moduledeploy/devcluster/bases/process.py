"""Simulated bases as a process of their own."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Final

import anyio

from moduledeploy.devcluster.arklet import MEASURED, ArkletPorts
from moduledeploy.devcluster.bases.addresses import AddressPool, allow_many_sockets
from moduledeploy.devcluster.bases.kubelet import Kubelet
from moduledeploy.devcluster.bases.remote import RemoteCluster, needed_rights
from moduledeploy.kube.config import load_credentials
from moduledeploy.kube.errors import KubeError, Unauthorized, Unreachable
from moduledeploy.kube.queue import Queue
from moduledeploy.kube.rights import missing_rights, whoami
from moduledeploy.kube.transport import Transport
from moduledeploy.kube.worker import Done, RequeueAfter, run_workers
from moduledeploy.runtime.clock import SystemClock
from moduledeploy.runtime.log import configure_logging
from moduledeploy.runtime.metrics import Metrics

if TYPE_CHECKING:
    from moduledeploy.kube.resources import ObjectKey

_WORKERS: Final = 16
_PASS_TIMEOUT_S: Final = 60.0
_ANSWER_TIMEOUT_S: Final = 10.0


class RightsMissing(KubeError):
    """Raised when the API server forbids what a kubelet does; the text names each right."""


async def run_bases(
    *,
    kubeconfig: str | None,
    selector: str = "",
    start_delay_s: float = 0.3,
    nodes: int = 3,
    reuse_addresses: bool = False,
) -> None:
    """Play kubelet and Arklet for base pods until SIGTERM or SIGINT; one line on standard output tells it is ready.

    With a label selector every pod it selects is played, without one every pod of a ReplicaSet, but none whose address
    is a real kubelet's.  Raises `ConfigError` without a usable kubeconfig, `ApiError` where the server doesn't answer,
    `RightsMissing` where it forbids what a kubelet does.
    """
    configure_logging(level="warning", output="text")
    allow_many_sockets()
    metrics, clock = Metrics(), SystemClock()
    credentials = await load_credentials(kubeconfig=kubeconfig)
    async with Transport(
        credentials=credentials, user_agent="moduledeploy-devbases", metrics=metrics.client
    ) as transport:
        await _check(transport)
        async with anyio.create_task_group() as tasks, ArkletPorts() as ports:
            tasks.start_soon(_end_on_signal, tasks.cancel_scope)
            cluster = RemoteCluster(transport=transport, metrics=metrics, selector=selector, nodes=nodes, clock=clock)
            addresses = AddressPool(reuse=reuse_addresses)
            kubelet = Kubelet(
                cluster=cluster,
                ports=ports,
                clock=clock,
                start_delay_s=start_delay_s,
                timings=MEASURED,
                addresses=addresses,
            )
            await _play(cluster, kubelet, metrics, started=f"bases ready on {credentials.host}\n")


async def _check(transport: Transport) -> None:
    host = transport.credentials.host
    try:
        await transport.request("GET", "/version", timeout_s=_ANSWER_TIMEOUT_S, max_tries=1)
        missing = await missing_rights(transport, needed_rights())
    except Unreachable as error:
        raise Unreachable(f"no API server at {host}: {error.message}; check the kubeconfig and the server") from error
    except Unauthorized as error:
        text = f"the API server at {host} doesn't accept the credentials: {error.message}"
        raise Unauthorized(text) from error
    if missing:
        who = await whoami(transport) or "this user"
        raise RightsMissing(f"{who} has no right to {', '.join(map(str, missing))}, as kubelets of base pods need it")


async def _end_on_signal(scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        await anext(aiter(signals))
        scope.cancel()


async def _play(cluster: RemoteCluster, kubelet: Kubelet, metrics: Metrics, *, started: str) -> None:
    queue: Queue[ObjectKey] = Queue(name="bases", metrics=metrics.queue)

    async def sync(key: ObjectKey) -> Done | RequeueAfter:
        if (pod := cluster.pod(key)) is not None and pod.spec.nodeName:
            await cluster.ensure_node(pod.spec.nodeName)
        return await kubelet.sync(key)

    async with anyio.create_task_group() as tasks:
        await tasks.start(cluster.run, queue.add)
        sys.stdout.write(started)
        sys.stdout.flush()
        await run_workers(queue, sync, count=_WORKERS, timeout_s=_PASS_TIMEOUT_S, metrics=metrics.reconcile)
