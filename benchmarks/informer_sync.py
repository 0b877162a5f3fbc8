"""One first read of all pods: `python -m benchmarks.informer_sync URL stream|pages ours|thrown [COUNT]`; prints what it took.

`ours` is the informer of the controller, with its indexes and what it keeps of a pod, until synced; `thrown` reads the same
bytes with the same HTTP client and looks at none of them but for the end. In a process of its own, so that the peak of
memory is its own; what importing takes counts for the memory and not for the time.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import aiohttp
import anyio

from benchmarks.prepared import PAGE
from benchmarks.processes import peak_mb
from moduledeploy.api.cluster import Pod
from moduledeploy.api.slim import Slimming
from moduledeploy.controllers.indexes import INDEXES
from moduledeploy.controllers.resources import PODS
from moduledeploy.kube.credentials import Credentials
from moduledeploy.kube.informer import Informer
from moduledeploy.kube.phases import Means
from moduledeploy.kube.reflector import WatchRules
from moduledeploy.kube.transport import Transport
from moduledeploy.runtime.memory import collect_rarely
from moduledeploy.runtime.metrics import Metrics

END = b"k8s.io/initial-events-end"


def pod_informer(transport: Transport, metrics: Metrics, means: Means) -> Informer[Pod]:
    """The informer of pods as the controller has it."""
    return Informer(
        resource=PODS,
        object_type=Pod,
        transport=transport,
        metrics=metrics.informer,
        indexes=INDEXES.get("pods"),
        transform=Slimming().pod,
        rules=WatchRules(initial=means),
    )


async def ours(url: str, means: Means) -> int:
    """Until the cache is full; how many are in it."""
    metrics = Metrics()
    async with Transport(credentials=Credentials(host=url), user_agent="x", metrics=metrics.client) as transport:
        informer = pod_informer(transport, metrics, means)
        async with anyio.create_task_group() as tasks:
            await tasks.start(informer.run)
            tasks.cancel_scope.cancel()
    return len(informer.store)


async def thrown(url: str, means: Means, count: int) -> int:
    """Until all has come."""
    async with aiohttp.ClientSession(url, read_bufsize=2**18) as session:
        if means is Means.STREAM:
            query = {"watch": "1", "sendInitialEvents": "true"}
            async with session.get("/api/v1/pods", params=query) as answer:
                before = b""
                while END not in (before[-len(END) :] + (before := await answer.content.readany()))[-1000:]:
                    pass
                answer.close()
            return count
        for start in range(0, count, PAGE):
            async with session.get("/api/v1/pods", params={"limit": str(PAGE), "continue": str(start)}) as answer:
                await answer.read()
        return count


def main(url: str, means_word: str, who: str, count: int) -> None:
    """Measure once."""
    means = {"stream": Means.STREAM, "pages": Means.PAGES}[means_word]
    collect_rarely()
    wall, cpu = time.perf_counter(), time.process_time()
    found = anyio.run(ours, url, means) if who == "ours" else anyio.run(thrown, url, means, count)
    taken: dict[str, Any] = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    assert found == count, f"{found} pods of {count}"
    print(json.dumps(taken | {"peak_mb": peak_mb()}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
