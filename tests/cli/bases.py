"""`python -m tests.cli.bases KUBECONFIG`: plays the bases on addresses that no other cluster of this machine has.

Pods of these tests name no port `arklet`, so that the embedded cluster leaves them to this process.
"""

from __future__ import annotations

import ipaddress
import os
import signal
import sys

import anyio

from moduledeploy.devcluster.arklet import ArkletPorts
from moduledeploy.devcluster.bases.addresses import AddressPool
from moduledeploy.devcluster.bases.kubelet import Kubelet
from moduledeploy.devcluster.bases.remote import RemoteCluster
from moduledeploy.kube.config import load_credentials
from moduledeploy.kube.queue import Queue
from moduledeploy.kube.resources import ObjectKey
from moduledeploy.kube.transport import Transport
from moduledeploy.kube.worker import Done, RequeueAfter, run_workers
from moduledeploy.runtime.clock import SystemClock
from moduledeploy.runtime.metrics import Metrics


async def play(kubeconfig: str) -> None:
    """Until SIGTERM."""
    metrics, clock = Metrics(), SystemClock()
    network = ipaddress.IPv4Network(f"127.{100 + os.getpid() % 100}.{os.getpid() // 100 % 256}.0/24")
    credentials = await load_credentials(kubeconfig=kubeconfig)
    async with (
        Transport(credentials=credentials, user_agent="test-bases", metrics=metrics.client) as transport,
        anyio.create_task_group() as tasks,
        ArkletPorts() as ports,
    ):
        cluster = RemoteCluster(transport=transport, metrics=metrics, selector="app=base", nodes=1, clock=clock)
        addresses = AddressPool(network=network)
        kubelet = Kubelet(cluster=cluster, ports=ports, clock=clock, start_delay_s=0.1, addresses=addresses)
        queue: Queue[ObjectKey] = Queue(name="bases", metrics=metrics.queue)

        async def sync(key: ObjectKey) -> Done | RequeueAfter:
            if (pod := cluster.pod(key)) is not None and pod.spec.nodeName:
                await cluster.ensure_node(pod.spec.nodeName)
            return await kubelet.sync(key)

        async def work() -> None:
            await run_workers(queue, sync, count=4, timeout_s=60.0, metrics=metrics.reconcile)

        await tasks.start(cluster.run, queue.add)
        tasks.start_soon(work)
        with anyio.open_signal_receiver(signal.SIGTERM) as signals:
            await anext(aiter(signals))
        tasks.cancel_scope.cancel()


if __name__ == "__main__":
    anyio.run(play, sys.argv[1])
