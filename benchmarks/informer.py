"""The informer: decoding, memory, the first read of everything.

*Decode*: a page of 500 pods of 4.4 KB, or of Modules, into our classes, and with what the cache does to them afterwards (it
drops what nobody reads and shares what is equal), beside `json.loads` into dicts and the typed models of kubernetes-asyncio;
rates by CPU time, of each the fastest of many rounds: whatever takes longer is somebody else's doing, who shares the processor
and its caches. *Memory*: what filling the store, its keys and indexes included, allocates, by tracemalloc, beside the same
objects as dicts. *First sync*: pods of 6.9 KB from a server of prepared bytes in a process of
its own, which sends them as fast as a kube-apiserver was seen to (58 MB/s), or as fast as they are read; beside reading them
with the same HTTP client and throwing them away. Every read is in a fresh process (`benchmarks.informer_sync`).
"""

from __future__ import annotations

import gc
import json
import statistics
import subprocess
import sys
import time
import tracemalloc
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

from kubernetes_asyncio.client import ApiClient, Configuration

from benchmarks.objects import Family
from benchmarks.prepared import Pods
from benchmarks.processes import ROOT, Taken, free_port, line_from, started
from benchmarks.rows import Point, Target, measured
from moduledeploy.api.cluster import Pod
from moduledeploy.api.kinds import Module
from moduledeploy.api.slim import Slimming
from moduledeploy.controllers.indexes import INDEXES
from moduledeploy.kube.phases import Means
from moduledeploy.kube.reflector import WatchRules
from moduledeploy.kube.store import Store
from moduledeploy.kube.wire import Decoder, keyed
from moduledeploy.runtime.memory import collect_rarely

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kubernetes_asyncio.client.rest import RESTResponse

    from benchmarks.rows import Row, Size

PAGE: Final = 500
POD_BYTES, SYNCED_POD_BYTES = 4400, 6900
PACE_MB_S: Final = 58.0  # 10 000 pods of 6.9 KB in 1.19 s
TYPED: Final = 50  # pods that are decoded into typed models, a millisecond each
TURNS: Final[dict[Size, int]] = {"quick": 1, "full": 5}  # whatever else the machine does must not last for all of them
ROUNDS: Final = 20  # in a row, which find the caches as they left them
REFERENCE_ROUNDS: Final = 3
SYNC_TARGET: Final = Target(sign="<=", limit=1.15)


def page(kind: str, items: list[bytes]) -> bytes:
    """A list as it comes over the wire."""
    head = b'{"kind":"%sList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[' % kind.encode()
    return head + b",".join(items) + b"]}"


def pod_page(begin: int = 0) -> bytes:
    """A page of pods, from that number on."""
    pods = Pods(POD_BYTES)
    return page("Pod", [pods.one(number) for number in range(begin, begin + PAGE)])


def module_page(begin: int = 0) -> bytes:
    """A page of Modules, from that number on."""
    family = Family(module="orders", base_deployment="base", replicas=PAGE)
    modules = (family.module_object(number) for number in range(begin, begin + PAGE))
    return page("Module", [json.dumps(module, separators=(",", ":")).encode() for module in modules])


def pod_decoder() -> Decoder[Pod]:
    """As the controller decodes pods."""
    return Decoder(Pod, Slimming().pod)


def module_decoder() -> Decoder[Module]:
    """As the controller decodes Modules."""
    return Decoder(Module, Slimming().module)


def cpu_s(run: Callable[[], object]) -> float:
    """CPU time of one run."""
    begun = time.process_time()
    run()
    return time.process_time() - begun


def fastest(ours: Callable[[], object], reference: Callable[[], object], turns: int) -> tuple[float, float]:
    """CPU time of the fastest round of each."""
    times = [
        (min(cpu_s(ours) for _ in range(ROUNDS)), min(cpu_s(reference) for _ in range(REFERENCE_ROUNDS)))
        for _ in range(turns)
    ]
    return min(own for own, _ in times), min(theirs for _, theirs in times)


def decode(what: str, body: bytes, decoder: Decoder[Any], turns: int, target: Target | None = None) -> Row:
    """A page into the cache's classes beside dicts."""
    ours, dicts = fastest(lambda: decoder.decode_page(body), lambda: json.loads(body), turns)
    what = f"decode, {what}, beside json.loads into dicts [1/s]"
    size = f"{PAGE} of {len(body) // PAGE} bytes"
    return measured(what=what, size=size, ours=PAGE / ours, reference=PAGE / dicts, target=target)


def decode_typed(body: bytes, decoder: Decoder[Pod], turns: int) -> Row:
    """Pods beside the typed models of the client library."""
    few = json.loads(body)
    few["items"] = few["items"][:TYPED]
    client = ApiClient.__new__(ApiClient)  # only its decoding is wanted, and a session asks for an event loop
    client.configuration = Configuration()
    answer = cast("RESTResponse", SimpleNamespace(data=json.dumps(few)))
    ours, typed = fastest(lambda: decoder.decode_page(body), lambda: client.deserialize(answer, "V1PodList"), turns)
    what = "decode, pods, beside typed models of kubernetes-asyncio [1/s]"
    size = f"{PAGE} of {len(body) // PAGE} bytes"
    return measured(what=what, size=size, ours=PAGE / ours, reference=TYPED / typed)


def allocated(fill: Callable[[], object]) -> int:
    """Bytes that are still in use when `fill` has returned."""
    gc.collect()
    tracemalloc.start()
    kept = fill()
    gc.collect()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del kept
    return size


def memory(
    what: str, make: Callable[[int], bytes], decoder: Decoder[Any], indexes: Mapping[str, Any] | None, count: int,
    target: Target | None,
) -> Row:  # fmt: skip
    """Bytes for each object in the cache beside the same as dicts; `make` gives the page that begins with a number."""

    def slim() -> object:
        store: Store[Any] = Store(indexes)
        for begin in range(0, count, PAGE):
            for key, obj in keyed(decoder.decode_page(make(begin)).objects):
                store.put(key, obj)
        return store

    def dicts() -> object:
        pages = (json.loads(make(begin))["items"] for begin in range(0, count, PAGE))
        return {(obj["metadata"]["namespace"], obj["metadata"]["name"]): obj for items in pages for obj in items}

    ours, theirs = allocated(slim) / count, allocated(dicts) / count
    what = f"memory for a cached {what}, beside dicts [bytes]"
    return measured(what=what, size=f"{count} objects", ours=ours, reference=theirs, target=target)


def read_once(url: str, means: str, who: str, count: int) -> Taken:
    """One first read in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.informer_sync", url, means, who, str(count)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=120)
    return Taken(**json.loads(done.stdout.splitlines()[-1]))


def first_sync(count: int, means: str, *, pace: float | None, rounds: int, target: Target | None) -> Iterator[Row]:
    """Wall time, CPU and memory of first reads in turns."""
    port = free_port()
    flags = ("--pace", str(pace)) if pace else ()
    with started("-m", "benchmarks.prepared", str(port), str(count), str(SYNCED_POD_BYTES), *flags) as server:
        line_from(server)
        url = f"http://127.0.0.1:{port}"
        pairs = [(read_once(url, means, "ours", count), read_once(url, means, "thrown", count)) for _ in range(rounds)]
    default = ", the default" if WatchRules().initial.name.lower() == means else ""
    size = f"{count} pods, {f'{pace:g} MB/s' if pace else 'as fast as read'}"
    points = {"wall time": "wall_s", "CPU": "cpu_s"} if pace and default else {}
    for what, field, unit in (("wall time", "wall_s", "s"), ("CPU", "cpu_s", "s"), ("peak memory", "peak_mb", "MB")):
        ours, thrown = ([getattr(taken, field) for taken in column] for column in zip(*pairs, strict=True))
        drawn = tuple(
            Point(picture="first-sync", curve=f"{curve}, {name}", x=count, y=statistics.median(numbers))
            for curve, drawn_field in points.items()
            if drawn_field == field
            for name, numbers in (("informer", ours), ("thrown away", thrown))
        )
        yield measured(
            what=f"first sync as {means}{default}, {what}, beside throwing away [{unit}]",
            size=size,
            ours=statistics.median(ours),
            reference=statistics.median(thrown),
            ratio=statistics.median(own / bare for own, bare in zip(ours, thrown, strict=True)),
            target=target if field == "wall_s" else None,
            points=drawn,
        )


def rows(size: Size) -> Iterator[Row]:
    """Decoding, memory, first reads."""
    collect_rarely()
    is_full = size == "full"
    pods, modules = pod_page(), module_page(0)
    turns = TURNS[size]
    yield decode("pods", pods, Decoder(Pod), turns, Target(sign=">=", limit=100_000, of="ours", words="a second"))
    yield decode("pods, and slimming them", pods, pod_decoder(), turns)
    yield decode_typed(pods, Decoder(Pod), turns)
    yield decode("Modules", modules, Decoder(Module), turns)
    yield decode("Modules, and slimming them", modules, module_decoder(), turns)
    count = 5_000 if is_full else 1_000
    bound = Target(sign="<=", limit=1500, of="ours", words="bytes")
    yield memory("pod", pod_page, pod_decoder(), INDEXES.get("pods"), count, bound)
    yield memory("Module", module_page, module_decoder(), INDEXES.get("modules"), count, None)
    default, other = ("stream", "pages") if WatchRules().initial is Means.STREAM else ("pages", "stream")
    if not is_full:
        yield from first_sync(2_000, default, pace=PACE_MB_S, rounds=1, target=None)
        return
    for number in (1_000, 10_000, 50_000):
        target = SYNC_TARGET if number == 10_000 else None
        yield from first_sync(number, default, pace=PACE_MB_S, rounds=1 if number == 50_000 else 3, target=target)
    yield from first_sync(10_000, other, pace=PACE_MB_S, rounds=1, target=None)
    yield from first_sync(10_000, default, pace=None, rounds=2, target=None)
    yield from first_sync(10_000, other, pace=None, rounds=2, target=None)
