"""The embedded API server at size: 10 000 pods and 20 000 custom objects, 10 watchers, writes over HTTP.

Targets: a LIST of 10 000 pods under 2 s, 1 000 writes/s on one core, under 1 GB.  The client that writes runs in a
process of its own, so that the server has its core.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
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


async def write(url: str, count: int) -> float:
    """Patch the status of `count` objects, 32 at a time; writes a second."""

    async def patch(session: aiohttp.ClientSession, numbers: range) -> None:
        for number in numbers:
            path = f"/apis/example.com/v1/namespaces/default/things/t{number}/status"
            body = json.dumps({"status": {"status": "Available", "at": number}})
            headers = {"Content-Type": "application/merge-patch+json"}
            async with session.patch(path, data=body, headers=headers) as response:
                await response.read()

    async with aiohttp.ClientSession(url) as session:
        begun = time.perf_counter()
        await asyncio.gather(*(patch(session, range(start, count, 32)) for start in range(32)))
        return count / (time.perf_counter() - begun)


async def write_elsewhere(url: str, count: int) -> float:
    """The same from a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.apiserver",
        "--write-to",
        url,
        "--writes",
        str(count),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    return float(out)


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
        busy = time.process_time()
        out["writes/s"] = await write_elsewhere(cluster.url, writes)
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
    parser.add_argument("--write-to", metavar="URL", help="only write to a server that is running")
    options = parser.parse_args()
    if options.write_to:
        print(asyncio.run(write(options.write_to, options.writes)))
        return
    for name, number in asyncio.run(measure(options.pods, options.things, options.watchers, options.writes)).items():
        print(f"{name:24} {number:10.2f}")


if __name__ == "__main__":
    main()
