"""The embedded API server at size: 10 000 pods and 20 000 custom objects, 10 watchers, writes over HTTP.

Targets: a LIST of 10 000 pods under 2 s, 1 000 writes/s on one core, under 1 GB.  The client that writes runs in a
process of its own, so that the server has its core.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import resource
import time
from typing import Any

import aiohttp

from moduledeploy.devcluster.cluster import DevCluster

POD: dict[str, Any] = {
    "spec": {
        "nodeName": "n",
        "containers": [
            {
                "name": "base",
                "image": "registry.example.com/base:1",
                "ports": [{"name": "arklet", "containerPort": 1238}],
                "env": [{"name": f"VARIABLE_{i}", "value": "x" * 20} for i in range(20)],
            }
        ],
    }
}
DEFINITION: dict[str, Any] = {
    "metadata": {"name": "things.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "things", "kind": "Thing"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {"type": "object", "properties": {"a": {"type": "string"}}},
                            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                        },
                    }
                },
            }
        ],
    },
}


def write(url: str, count: int, results: Any) -> None:  # noqa: ANN401 - a queue of either start method
    """Patch the status of `count` objects, 32 at a time, and put the rate into `results`."""

    async def patch(session: aiohttp.ClientSession, numbers: range) -> None:
        for number in numbers:
            path = f"/apis/example.com/v1/namespaces/default/things/t{number}/status"
            body = json.dumps({"status": {"status": "Available", "at": number}})
            headers = {"Content-Type": "application/merge-patch+json"}
            async with session.patch(path, data=body, headers=headers) as response:
                await response.read()

    async def run() -> float:
        async with aiohttp.ClientSession(url) as session:
            begun = time.perf_counter()
            await asyncio.gather(*(patch(session, range(start, count, 32)) for start in range(32)))
            return count / (time.perf_counter() - begun)

    results.put(asyncio.run(run()))


async def follow(session: aiohttp.ClientSession, version: int, seen: list[int]) -> None:
    """Count the changes that one watcher sees."""
    path = f"/apis/example.com/v1/things?watch=1&resourceVersion={version}&timeoutSeconds=300"
    async with session.get(path) as response:
        async for _ in response.content:
            seen[0] += 1


async def measure(pods: int, things: int, watchers: int, writes: int) -> dict[str, float]:
    """All numbers of one run."""
    out: dict[str, float] = {}
    async with DevCluster(controllers=False) as cluster, aiohttp.ClientSession(cluster.url) as session:
        begun = time.perf_counter()
        cluster.api.create("customresourcedefinitions.apiextensions.k8s.io", DEFINITION)
        for number in range(pods):
            cluster.api.create("pods", {"metadata": {"name": f"p{number}", "namespace": "default"}, **POD})
        for number in range(things):
            meta = {"name": f"t{number}", "namespace": "default"}
            cluster.api.create("things.example.com", {"metadata": meta, "spec": {"a": "x" * 200}})
        out["creates in process/s"] = (pods + things) / (time.perf_counter() - begun)
        for name in ("first list s", "list s"):
            begun = time.perf_counter()
            async with session.get("/api/v1/pods") as response:
                out["list MB"] = len(await response.read()) / 1e6
            out[name] = time.perf_counter() - begun
        seen = [[0] for _ in range(watchers)]
        following = [asyncio.ensure_future(follow(session, cluster.api.store.version, count)) for count in seen]
        await asyncio.sleep(0.5)
        results: Any = multiprocessing.get_context("spawn").Queue()
        writer = multiprocessing.get_context("spawn").Process(target=write, args=(cluster.url, writes, results))
        busy = time.process_time()
        writer.start()
        out["writes/s"] = await asyncio.to_thread(results.get)
        writer.join()
        out["CPU ms per write"] = (time.process_time() - busy) * 1000 / writes
        await asyncio.sleep(0.5)
        out["events per watcher"] = sum(count[0] for count in seen) / watchers
        for task in following:
            task.cancel()
    out["max RSS MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return out


def main() -> None:
    """Print one line for each number."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (("pods", 10_000), ("things", 20_000), ("watchers", 10), ("writes", 5_000)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    for name, number in asyncio.run(measure(options.pods, options.things, options.watchers, options.writes)).items():
        print(f"{name:24} {number:10.2f}")


if __name__ == "__main__":
    main()
