"""What can't be saved when nothing is to be done: `python -m benchmarks.idle_bare URL PODS`.

The same watches held open, a lease renewed, and 10 bases a second asked for their lists, with the same HTTP client; what comes
is thrown away. It says one line when the watches stand.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from urllib.parse import urlsplit

import aiohttp

from benchmarks.objects import address
from moduledeploy.arklet import open_session
from moduledeploy.controllers.audit import CALLS_PER_S

WATCHED = (
    "/apis/koupleless.alipay.com/v1alpha1/moduledeployments",
    "/apis/koupleless.alipay.com/v1alpha1/modulereplicasets",
    "/apis/koupleless.alipay.com/v1alpha1/modules",
    "/api/v1/pods",
    "/apis/apps/v1/deployments",
    "/apis/apps/v1/replicasets",
    "/api/v1/services",
    "/apis/discovery.k8s.io/v1/endpointslices",
)
LEASE = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
RENEWED_EVERY_S = 2.0


async def watch(session: aiohttp.ClientSession, path: str) -> None:
    """Hold a watch open."""
    async with session.get(path, params={"limit": "1"}) as answer:
        version = (await answer.json())["metadata"]["resourceVersion"]
    query = {"watch": "1", "allowWatchBookmarks": "true", "resourceVersion": version, "timeoutSeconds": "600"}
    async with session.get(path, params=query, timeout=aiohttp.ClientTimeout(total=None)) as answer:
        async for _ in answer.content.iter_any():
            pass


async def renew(session: aiohttp.ClientSession) -> None:
    """Keep a lease of our own."""
    body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "bare"}, "spec": {}}
    async with session.post(LEASE, json=body) as answer:
        lease = await answer.json()
    while True:
        await asyncio.sleep(RENEWED_EVERY_S)
        lease["spec"]["leaseTransitions"] = lease["spec"].get("leaseTransitions", 0) + 1
        async with session.put(f"{LEASE}/bare", json=lease) as answer:
            lease = await answer.json()


async def audit(pods: int, port: int) -> None:
    """Ask one base after the other, each on a connection of its own."""
    async with open_session() as session:
        for number in itertools.cycle(range(pods)):
            async with session.post(f"http://{address(number)}:{port}/bare", data=b"{}") as answer:
                await answer.read()
            await asyncio.sleep(1 / CALLS_PER_S)


async def main(url: str, pods: int) -> None:
    """Until ended."""
    async with aiohttp.ClientSession(url) as session, asyncio.TaskGroup() as tasks:
        for path in WATCHED:
            tasks.create_task(watch(session, path))
        tasks.create_task(renew(session))
        tasks.create_task(audit(pods, urlsplit(url).port or 80))
        await asyncio.sleep(1)
        print("ready", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
