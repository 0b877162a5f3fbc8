"""A world in which nothing is left to do, served by the embedded API server: `python -m benchmarks.settled PORT PODS MODULES`.

Base Deployments of 500 pods each; on every pod the same number of Modules, all Available. They are put into the server's store
as they are. Every pod has an address of its own, on which it answers `queryAllBiz`, at the server's port number, with what its
Modules ask for. One line on standard output tells that it is ready; then it answers every line on standard input with the
number of changes by table and of calls to bases, as JSON, and ends when that is closed. A line `touch RATE SECONDS` first
changes so many Modules a second for so long: their `lastTransitionTime` becomes the moment, by which whoever sees the change
knows how old it is.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import resource
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import yaml

from benchmarks.objects import (
    MOMENT,
    NAMESPACE,
    Family,
    address,
    base_deployment,
    base_pod,
    base_replica_set,
)
from benchmarks.report import HERE
from moduledeploy.devcluster.cluster import DevCluster

if TYPE_CHECKING:
    from moduledeploy.devcluster.storage import Event, Object

PODS_OF_A_DEPLOYMENT: Final = 500
DEFINITIONS: Final = HERE.parent / "manifests" / "crd"
MODULES: Final = "modules.koupleless.alipay.com"
STRIDE: Final = 7919  # a prime, so that changes jump between families and come to every Module
_SPARE_FILES: Final = 200


def tables(pods: int, modules: int, arklet_port: int) -> dict[str, list[Object]]:
    """All objects by the table that they belong to."""
    found: dict[str, list[Object]] = {}

    def add(table: str, obj: Object) -> None:
        found.setdefault(table, []).append(obj)

    for begin in range(0, pods, PODS_OF_A_DEPLOYMENT):
        name, numbers = f"base-{begin // PODS_OF_A_DEPLOYMENT}", range(begin, min(begin + PODS_OF_A_DEPLOYMENT, pods))
        add("deployments.apps", base_deployment(name, len(numbers)))
        add("replicasets.apps", base_replica_set(name, len(numbers)))
        for number in numbers:
            add("pods", base_pod(name, number, arklet_port=arklet_port))
        for module in range(modules // pods):
            family = Family(module=f"module-{module}", base_deployment=name, replicas=len(numbers))
            add("moduledeployments.koupleless.alipay.com", family.deployment_object())
            add("modulereplicasets.koupleless.alipay.com", family.replica_set_object())
            for number in numbers:
                add(MODULES, family.module_object(number))
    return found


def fill(cluster: DevCluster, pods: int, modules: int) -> None:
    """Put everything into the store, past admission: these are states that controllers have written before."""
    for path in sorted(DEFINITIONS.glob("module*.yaml")):
        cluster.api.create("customresourcedefinitions.apiextensions.k8s.io", yaml.safe_load(path.read_text("utf-8")))
    for table, objects in tables(pods, modules, cluster.port).items():
        for obj in objects:
            cluster.api.store.put(table, (NAMESPACE, obj["metadata"]["name"]), obj)


def listing(modules: int) -> bytes:
    """What every base answers: the modules on it, in Arklet's way."""
    entries: list[dict[str, Any]] = [
        {
            "bizName": f"module-{number}",
            "bizVersion": "1.0.0",
            "bizState": "activated",
            "mainClass": "com.example.Application",
            "webContextPath": f"/module-{number}",
            "bizStateRecords": [{"changeTime": MOMENT, "state": "ACTIVATED"}],
        }
        for number in range(modules)
    ]
    body = json.dumps({"baseIdentity": "simulated", "code": "SUCCESS", "data": entries}, separators=(",", ":"))
    return b"HTTP/1.1 200 OK\r\n\r\n" + body.encode()


async def answer_as_bases(pods: int, port: int, reply: bytes, counts: Counter[str]) -> list[asyncio.Server]:
    """Listen on the address of every pod; whatever is asked, the answer is the list."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < pods + _SPARE_FILES:
        raise SystemExit(f"{pods} bases need as many open files, the limit is {most}: raise it with ulimit -Hn")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
            counts[head.split()[1].decode().removeprefix("/")] += 1
            writer.write(reply)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            pass  # the client has gone
        finally:
            writer.close()

    return [await asyncio.start_server(answer, address(number), port) for number in range(pods)]


def count_changes(cluster: DevCluster, counts: Counter[str]) -> None:
    """Count changes by table from now on."""

    def count(event: Event, table: str) -> None:
        del event
        counts[table] += 1

    for resource_type in cluster.api.writes.register:
        cluster.api.store.open(resource_type.table).listeners.append(partial(count, table=resource_type.table))


async def touch(cluster: DevCluster, rate: float, for_s: float) -> None:
    """Change one Module after the other."""
    table = cluster.api.store.open(MODULES)
    begun_at = time.monotonic()
    for number in range(int(rate * for_s)):
        if (wait_s := begun_at + number / rate - time.monotonic()) > 0:
            await asyncio.sleep(wait_s)
        key = table.keys[number * STRIDE % len(table.keys)]
        obj = table.records[key].obj
        status = obj["status"] | {"lastTransitionTime": datetime.now(UTC).isoformat()}
        cluster.api.store.put(MODULES, key, {**obj, "metadata": {**obj["metadata"]}, "status": status})


async def main() -> None:
    """Serve until standard input is closed."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("port", "pods", "modules"):
        parser.add_argument(name, type=int)
    options = parser.parse_args()
    gc.disable()
    counts: Counter[str] = Counter()
    reply = listing(options.modules // options.pods)
    servers = await answer_as_bases(options.pods, options.port, reply, counts) if options.modules else []
    async with DevCluster(port=options.port, controllers=False) as cluster:
        fill(cluster, options.pods, options.modules)
        count_changes(cluster, counts)
        print(f"settled at {cluster.url}", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            if line.startswith("touch"):
                _, rate, for_s = line.split()
                await touch(cluster, float(rate), float(for_s))
            print(json.dumps(counts), flush=True)
    for server in servers:
        server.close()


if __name__ == "__main__":
    asyncio.run(main())
