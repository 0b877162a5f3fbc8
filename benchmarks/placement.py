"""Placements per second through the pool's public API, beside two references measured in the same run.

*bare loop*: `heapq.heapreplace` on (modules, base) tuples: no filter, no cap, no names, nothing remembered; the least that
any heap placer written in Python could cost. *sort*: filter all bases and sort them for every placement, as
module-controller v1 does.

Ours and the bare loop take turns; shown are the medians of their CPU times and of the ratios of the rounds, so that a machine
which slows down for a while slows both. The garbage collector is off, as in `timeit`. Every base has room for 50 modules; four
times as many modules are placed as there are bases. A batch call takes a tenth of the bases, or all replicas of the
ModuleDeployment if those are fewer. The bases join in the order of names, as an API server lists them, but for the rows that
say otherwise; the bare loop's heap begins in order too.
"""

from __future__ import annotations

import argparse
import functools
import gc
import itertools
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from heapq import heapreplace
from typing import Final

import attrs
from rich.console import Console
from rich.table import Table

from moduledeploy.api.spec import SchedulingPolicy
from moduledeploy.placement import Base, Pool

CAP: Final = 50
ROUNDS, MAX_ROUNDS, SMALL = 7, 50, 200_000  # more rounds where one is short
SIZES: Final = (100, 1_000, 10_000, 100_000)
QUICK_SIZES: Final = (100, 1_000, 10_000)
DEPLOYMENTS: Final = (1, 10, 100, 1_000)
PER_BASE: Final = 4
BATCH_TARGET, SINGLE_TARGET, GROWTH_TARGET = 0.5, 0.25, 2.0


@attrs.frozen(kw_only=True)
class Row:
    """One line: rates are per second, `ratio` is ours / reference, `target` and `met` are None where there is no target."""

    what: str
    size: str
    ours: float
    reference: float
    ratio: float
    target: str | None = None
    met: bool | None = None


def bare_loop(bases: int, placements: int) -> Callable[[], None]:
    """The reference: as many heap replacements."""
    heap = [(0, number) for number in range(bases)]

    def run() -> None:
        for _ in range(placements):
            count, number = heap[0]
            heapreplace(heap, (count + 1, number))

    return run


def fresh_pool(bases: int, *, is_shuffled: bool = False) -> tuple[Pool, list[str]]:
    """A pool of empty bases, and their UIDs."""
    rng = random.Random(bases)
    pool, uids = Pool(), [f"{rng.getrandbits(128):032x}" for _ in range(bases)]
    if not is_shuffled:
        uids.sort()
    for uid in uids:
        pool.set_base(Base(uid=uid, name=f"base-6c9f7d8b5-{uid[:8]}", cap=CAP))
    return pool, uids


@attrs.frozen(kw_only=True)
class Load:
    """What is placed: by how many ModuleDeployments, in calls of what size, one deployment after the other or in turns."""

    bases: int
    deployments: int
    policy: SchedulingPolicy
    is_batch: bool
    in_turns: bool = False
    is_shuffled: bool = False

    @property
    def replicas(self) -> int:
        """Replicas of each ModuleDeployment: never more than there are bases."""
        return min(self.bases, PER_BASE * self.bases // self.deployments)

    @property
    def call(self) -> int:
        """Replicas for each call."""
        return max(1, min(self.replicas, self.bases // 10)) if self.is_batch else 1

    def calls(self) -> Iterator[tuple[str, int]]:
        """Module and replicas of every call."""
        names = [f"module-{number}" for number in range(self.deployments)]
        starts = range(0, self.replicas, self.call)
        turns = ((name, at) for at in starts for name in names) if self.in_turns else None
        for name, at in turns or ((name, at) for name in names for at in starts):
            yield name, min(self.call, self.replicas - at)

    def prepare(self) -> Callable[[], None]:
        """The calls on a fresh pool, ready to be timed."""
        pool, _ = fresh_pool(self.bases, is_shuffled=self.is_shuffled)
        calls, policy = list(self.calls()), self.policy

        def run() -> None:
            place = pool.place
            for name, count in calls:
                place(name, count, policy)

        return run


def seconds(run: Callable[[], None]) -> float:
    """How long the processor worked on it."""
    gc.collect()
    gc.disable()
    start = time.process_time()
    run()
    elapsed = time.process_time() - start
    gc.enable()
    return elapsed


def side_by_side(bases: int, done: int, prepare: Callable[[], Callable[[], None]]) -> tuple[float, float, float]:
    """The rates of ours and of the bare loop and their ratio: medians over the rounds, which alternate."""
    rounds = max(ROUNDS, min(MAX_ROUNDS, SMALL // done))
    times = [(seconds(prepare()), seconds(bare_loop(bases, done))) for _ in range(rounds)]
    ours, bare = (done / statistics.median(column) for column in zip(*times, strict=True))
    return ours, bare, statistics.median(theirs / own for own, theirs in times)


def measure(load: Load, target: float | None = None) -> Row:
    """One load beside the bare loop."""
    done = load.replicas * load.deployments
    ours, bare, ratio = side_by_side(load.bases, done, load.prepare)
    calls = (f"batches of {load.call}" if load.is_batch else "single calls") + ", in turns" * load.in_turns
    calls += ", joined at random" * load.is_shuffled
    met = None if target is None else ratio >= target
    return Row(
        what=f"{load.policy}, {calls}",
        size=f"{load.bases} bases, {load.deployments} x {load.replicas} replicas",
        ours=ours,
        reference=bare,
        ratio=ratio,
        target=None if target is None else f">= {target} of the bare loop",
        met=met,
    )


def against_sort(bases: int) -> Row:
    """Single calls beside sorting all bases for each."""
    load = Load(bases=bases, deployments=1, policy=SchedulingPolicy.SCATTER, is_batch=False)
    ours = load.replicas / statistics.median(seconds(load.prepare()) for _ in range(ROUNDS))
    _, uids = fresh_pool(bases)
    modules: dict[str, set[str]] = {uid: set() for uid in uids}
    placements = max(3, 100_000 // bases)

    def run() -> None:
        for number in range(placements):
            name = f"module-{number}"
            able = [uid for uid, names in modules.items() if name not in names and len(names) < CAP]
            able.sort(key=lambda uid: (len(modules[uid]), uid))
            modules[able[0]].add(name)

    sort = placements / seconds(run)
    return Row(
        what="scatter, single calls against sort", size=f"{bases} bases", ours=ours, reference=sort, ratio=ours / sort
    )


def events(bases: int) -> Row:
    """Modules that appear and go, at random."""
    rng = random.Random(0)
    done = 20_000

    def prepare() -> Callable[[], None]:
        pool, uids = fresh_pool(bases)
        changes = [(rng.choice(uids), f"module-{rng.randrange(20)}") for _ in range(done // 2)]

        def run() -> None:
            for uid, name in changes:
                pool.add_module(uid, name, name)
            for uid, name in changes:
                pool.remove_module(uid, name, name)

        return run

    ours, bare, ratio = side_by_side(bases, done, prepare)
    return Row(what="Module objects that come and go", size=f"{bases} bases", ours=ours, reference=bare, ratio=ratio)


def missing(bases: int) -> Row:
    """`eligible_for` where 10 bases lack the module, in calls per second, beside a comprehension over all bases."""
    pool, uids = fresh_pool(bases)
    for uid in uids[10:]:
        pool.add_module(uid, "orders", uid)
    have = set(uids[10:])

    def ask() -> None:
        for _ in range(100):
            pool.eligible_for("orders")

    def scan_all() -> None:
        for _ in range(100):
            [uid for uid in uids if uid not in have]

    ours, scan = (100 / statistics.median(seconds(run) for _ in range(ROUNDS)) for run in (ask, scan_all))
    return Row(
        what="peer mode: the 10 bases that lack it", size=f"{bases} bases", ours=ours, reference=scan, ratio=ours / scan
    )


def growth(small: Row, large: Row) -> Row:
    """How much longer one placement takes on many bases than on few, beside how much longer a bare replacement takes."""
    ours, bare = small.ours / large.ours, small.reference / large.reference
    return Row(
        what=f"growth: {large.what}",
        size=f"{small.size.split(',')[0]} to {large.size.split(',')[0]}",
        ours=ours,
        reference=bare,
        ratio=ours / bare,
        target=f"<= {GROWTH_TARGET} or the bare loop's",
        met=ours <= max(GROWTH_TARGET, bare),
    )


def rows(sizes: tuple[int, ...]) -> Iterator[Row]:
    """Every row, as it is measured."""
    grown: dict[tuple[SchedulingPolicy, bool], Row] = {}
    for bases in sizes:
        for policy in SchedulingPolicy:
            for is_batch in (True, False):
                target = (BATCH_TARGET if is_batch else SINGLE_TARGET) if bases == 10_000 else None
                row = measure(Load(bases=bases, deployments=PER_BASE, policy=policy, is_batch=is_batch), target)
                yield row
                if bases == 1_000:
                    grown[policy, is_batch] = row
                elif bases == 100_000:
                    yield growth(grown[policy, is_batch], row)
        yield against_sort(bases)
        yield events(bases)
        yield missing(bases)
    many = functools.partial(Load, bases=10_000)
    for deployments in DEPLOYMENTS:
        for policy, is_batch in itertools.product(SchedulingPolicy, (True, False)):
            yield measure(many(deployments=deployments, policy=policy, is_batch=is_batch))
    for is_batch in (True, False):
        yield measure(many(deployments=100, policy=SchedulingPolicy.SCATTER, is_batch=is_batch, in_turns=True))
        yield measure(many(deployments=PER_BASE, policy=SchedulingPolicy.SCATTER, is_batch=is_batch, is_shuffled=True))


def table(found: list[Row]) -> Table:
    """The rows for people."""
    shown = Table("what", "size", "ours/s", "reference/s", "ratio", "target", "met", title="placement")
    for row in found:
        met = "" if row.met is None else "yes" if row.met else "NO"
        numbers = [f"{number:,.0f}" if number > 100 else f"{number:.2f}" for number in (row.ours, row.reference)]
        shown.add_row(row.what, row.size, *numbers, f"{row.ratio:.2f}", row.target or "", met)
    return shown


def main() -> None:
    """Measure and print; exit status 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.placement", description=__doc__)
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.add_argument("--quick", action="store_true", help="leave the largest pool out")
    arguments = parser.parse_args()
    found = list(rows(QUICK_SIZES if arguments.quick else SIZES))
    if arguments.output == "json":
        json.dump([attrs.asdict(row) for row in found], sys.stdout, indent=1)
        print()
    else:
        Console(width=150).print(table(found))
    sys.exit(any(row.met is False for row in found))


if __name__ == "__main__":
    main()
