"""Changes: how many a second, and how long from a change to the pass that it causes.

*Sustained*: 10 000 changes of pods of 4.4 KB, sent as fast as they are read by a server of prepared bytes; ours brings them
into the store and their keys into the queue, the reference reads the bytes with the same HTTP client. *Event to pass*, 1 000
changes a second: from the moment the server sends to the moment a pass for the key begins, 99th percentile and median; through
the informer, the queue and four workers with passes that do nothing, beside a bare reader of lines; and through the whole
controller with real passes, for families and for bases, against the embedded API server, whose own time counts.
"""

from __future__ import annotations

import itertools
import json
import statistics
import time
from functools import partial
from typing import TYPE_CHECKING, Final

import aiohttp
import anyio

from benchmarks.informer_sync import pod_informer
from benchmarks.prepared import CHANGES
from benchmarks.processes import free_port, line_from, ready_process, settled, started
from benchmarks.rows import Target, measured
from moduledeploy.kube.credentials import Credentials
from moduledeploy.kube.phases import Means
from moduledeploy.kube.queue import Queue
from moduledeploy.kube.transport import Transport
from moduledeploy.kube.worker import Done, run_workers
from moduledeploy.runtime.memory import collect_rarely, exempt_present_objects
from moduledeploy.runtime.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.rows import Row, Size
    from moduledeploy.api.cluster import Pod
    from moduledeploy.kube.informer import Change
    from moduledeploy.kube.resources import ObjectKey

PODS: Final = 1_000
POD_BYTES: Final = 4400
RATE: Final = 1_000
WORKERS: Final = 4
SETTLING_S: Final = 0.5  # what came while the cache was filled is no change's usual way
WATCH: Final = {"watch": "1", "sendInitialEvents": "true"}
P99: Final = Target(sign="<=", limit=20, of="ours", words="ms")


async def apply_all(url: str) -> float:
    """Seconds of CPU from the first change in the store to the last."""
    metrics, done, seen, began = Metrics(), anyio.Event(), itertools.count(1), [0.0]
    queue: Queue[ObjectKey] = Queue(name="pods", metrics=metrics.queue)

    def on_pod(change: Change[Pod]) -> None:
        if change.old is None:
            began[0] = time.process_time()
            return
        queue.add(change.key)
        if next(seen) == CHANGES:
            done.set()

    async with Transport(credentials=Credentials(host=url), user_agent="x", metrics=metrics.client) as transport:
        informer = pod_informer(transport, metrics, Means.STREAM)
        informer.add_handler(on_pod)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(informer.run)
            await done.wait()
            taken = time.process_time() - began[0]
            tasks.cancel_scope.cancel()
    return taken


async def read_all(url: str) -> float:
    """Seconds of CPU for reading them alone."""
    async with (
        aiohttp.ClientSession(url, read_bufsize=2**18) as session,
        session.get("/api/v1/pods", params=WATCH) as answer,
    ):
        lines, began = 0, 0.0
        while lines < PODS + 1 + CHANGES:
            lines += (await answer.content.readany()).count(b"\n")
            began = began if lines > PODS + 1 else time.process_time()
        answer.close()
    return time.process_time() - began


def sustained(rounds: int) -> Row:
    """Changes a second of CPU."""
    port = free_port()
    with started("-m", "benchmarks.prepared", str(port), str(PODS), str(POD_BYTES), "--changes", "0") as server:
        line_from(server)
        url = f"http://127.0.0.1:{port}"
        pairs = [(anyio.run(apply_all, url), anyio.run(read_all, url)) for _ in range(rounds)]
    ours, bare = (CHANGES / statistics.median(column) for column in zip(*pairs, strict=True))
    return measured(
        what="changes into store and queue, beside reading the bytes [1/s of CPU]",
        size=f"{CHANGES} changes of {PODS} pods",
        ours=ours,
        reference=bare,
    )


async def pass_ages(url: str, for_s: float) -> list[float]:
    """Milliseconds from each change to the pass that it causes."""
    metrics, ages = Metrics(), list[float]()
    queue: Queue[ObjectKey] = Queue(name="pods", metrics=metrics.queue)
    waiting: dict[ObjectKey, list[float]] = {}

    def on_pod(change: Change[Pod]) -> None:
        if change.old is not None and change.new is not None:
            waiting.setdefault(change.key, []).append(int(change.new.metadata.resourceVersion) / 1e6)
            queue.add(change.key)

    async def reconcile(key: ObjectKey) -> Done:
        now = time.monotonic()
        ages.extend((now - at) * 1000 for at in waiting.pop(key))
        return Done()

    async with Transport(credentials=Credentials(host=url), user_agent="x", metrics=metrics.client) as transport:
        informer = pod_informer(transport, metrics, Means.STREAM)
        informer.add_handler(on_pod)
        async with anyio.create_task_group() as tasks:
            await tasks.start(informer.run)
            exempt_present_objects()
            tasks.start_soon(
                partial(run_workers, queue, reconcile, count=WORKERS, timeout_s=10, metrics=metrics.reconcile)
            )
            await anyio.sleep(SETTLING_S)
            ages.clear()
            await anyio.sleep(for_s)
            tasks.cancel_scope.cancel()
    return ages


async def line_ages(url: str, for_s: float) -> list[float]:
    """Milliseconds from each change to its line, for who does nothing else."""
    ages: list[float] = []
    async with (
        aiohttp.ClientSession(url, read_bufsize=2**18) as session,
        session.get("/api/v1/pods", params=WATCH) as answer,
    ):
        begin = time.monotonic() + SETTLING_S
        async for line in answer.content:
            if line.startswith(b'{"type":"MODIFIED"'):
                now = time.monotonic()
                sent = line.partition(b'"resourceVersion":"')[2].partition(b'"')[0]
                if now > begin:
                    ages.append((now - int(sent) / 1e6) * 1000)
                if now > begin + for_s:
                    break
        answer.close()
    return ages


def percentile(numbers: Sequence[float], share: float) -> float:
    """The number below which that share lies."""
    return sorted(numbers)[min(len(numbers) - 1, int(share * len(numbers)))]


def ages(
    what: str, size: str, ours: Sequence[float], bare: Sequence[float] | None, target: Target | None
) -> Iterator[Row]:
    """Median and 99th percentile."""
    for name, share, goal in (("p50", 0.5, None), ("p99", 0.99, target)):
        reference = percentile(bare, share) if bare else None
        own = percentile(ours, share)
        beside = ", beside reading lines" if bare else ""
        yield measured(what=f"{what}, {name}{beside} [ms]", size=size, ours=own, reference=reference, target=goal)


def empty_passes(for_s: float) -> Iterator[Row]:
    """Through informer, queue and workers."""
    port = free_port()
    with started("-m", "benchmarks.prepared", str(port), str(PODS), str(POD_BYTES), "--changes", str(RATE)) as server:
        line_from(server)
        url = f"http://127.0.0.1:{port}"
        ours, bare = anyio.run(pass_ages, url, for_s), anyio.run(line_ages, url, for_s)
    yield from ages("event to an empty pass", f"{RATE} changes a second, {PODS} pods", ours, bare, P99)


def real_passes(pods: int, for_s: float) -> Iterator[Row]:
    """Through the whole controller."""
    with settled(pods, 2 * pods) as world:
        command = ("-m", "benchmarks.events_controller", "{kubeconfig}", "{health}")
        with ready_process(world.url, *command) as ours:
            world.wait_listed(pods)
            time.sleep(1)
            world.counts(f"touch {RATE} {for_s}")
            time.sleep(1)
            found = json.loads(ours.last_words())
    size = f"{RATE} changes a second, {pods} pods, {2 * pods} Modules"
    yield from ages("event to a real pass, for the family", size, found["families"], None, P99)
    yield from ages("event to a real pass, for the base", size, found["bases"], None, None)


def rows(size: Size) -> Iterator[Row]:
    """Throughput, then latency."""
    collect_rarely()
    yield sustained(3 if size == "full" else 1)
    yield from empty_passes(6.0 if size == "full" else 1.0)
    yield from real_passes(*((2_000, 6.0) if size == "full" else (200, 1.0)))
