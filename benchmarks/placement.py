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

import functools
import gc
import itertools
import random
import statistics
import time
from collections.abc import Callable, Iterator
from heapq import heapreplace
from typing import Final

import attrs

from benchmarks.rows import Point, Row, Size, Target, measured
from moduledeploy.api.spec import SchedulingPolicy
from moduledeploy.placement import Base, Pool

CAP: Final = 50
LARGE: Final = 30_000  # placements in all rounds together, where they are short
ROUNDS, MAX_ROUNDS, TARGET_ROUNDS = 3, 30, 7
SIZES: Final = (100, 1_000, 10_000, 100_000)
QUICK_SIZES: Final = (100, 10_000)
DEPLOYMENTS: Final = (1, 10, 100, 1_000)
PER_BASE: Final = 4
BATCH_TARGET, SINGLE_TARGET, GROWTH_TARGET = 0.5, 0.25, 2.0


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


def side_by_side(
    bases: int, done: int, prepare: Callable[[], Callable[[], None]], least: int = ROUNDS
) -> tuple[float, float, float]:
    """The rates of ours and of the bare loop and their ratio: medians over the rounds, which alternate."""
    rounds = max(least, min(MAX_ROUNDS, LARGE // done))
    times = [(seconds(prepare()), seconds(bare_loop(bases, done))) for _ in range(rounds)]
    ours, bare = (done / statistics.median(column) for column in zip(*times, strict=True))
    return ours, bare, statistics.median(theirs / own for own, theirs in times)


def measure(
    load: Load, target: float | None = None, points: Callable[[float, float], tuple[Point, ...]] | None = None
) -> Row:
    """One load beside the bare loop; `points` makes those of curves of the two rates."""
    done = load.replicas * load.deployments
    ours, bare, ratio = side_by_side(load.bases, done, load.prepare, ROUNDS if target is None else TARGET_ROUNDS)
    calls = (f"batches of {load.call}" if load.is_batch else "single calls") + ", in turns" * load.in_turns
    calls += ", joined at random" * load.is_shuffled
    return measured(
        what=f"placement, {load.policy}, {calls}, beside the bare loop [1/s]",
        size=f"{load.bases} bases, {load.deployments} x {load.replicas} replicas",
        ours=ours,
        reference=bare,
        ratio=ratio,
        target=None if target is None else Target(sign=">=", limit=target),
        points=points(ours, bare) if points else (),
    )


def by_bases(bases: int, policy: SchedulingPolicy, *, is_batch: bool) -> Row:
    """A row of the curves by the number of bases."""
    picture, curve = "placement-bases", f"{policy}, {'batches' if is_batch else 'single calls'}"

    def points(ours: float, bare: float) -> tuple[Point, ...]:
        drawn = [Point(picture=picture, curve=curve, x=bases, y=1e6 / ours)]
        if policy is SchedulingPolicy.SCATTER and is_batch:
            drawn.append(Point(picture=picture, curve="bare loop", x=bases, y=1e6 / bare))
        return tuple(drawn)

    target = (BATCH_TARGET if is_batch else SINGLE_TARGET) if bases == 10_000 else None
    return measure(Load(bases=bases, deployments=PER_BASE, policy=policy, is_batch=is_batch), target, points)


def by_deployments(bases: int, deployments: int, policy: SchedulingPolicy, *, is_batch: bool) -> Row:
    """A row of the curves by the number of ModuleDeployments."""
    picture, curve = "placement-deployments", f"{policy}, {'batches' if is_batch else 'single calls'}"

    def points(ours: float, _: float) -> tuple[Point, ...]:
        return (Point(picture=picture, curve=curve, x=deployments, y=1e6 / ours),)

    return measure(Load(bases=bases, deployments=deployments, policy=policy, is_batch=is_batch), None, points)


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
    point = Point(picture="placement-bases", curve="sort per placement", x=bases, y=1e6 / sort)
    return measured(
        what="placement, scatter, single calls, beside a sort for each [1/s]",
        size=f"{bases} bases",
        ours=ours,
        reference=sort,
        points=(point,),
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
    what = "placement, Modules that come and go, beside the bare loop [1/s]"
    return measured(what=what, size=f"{bases} bases", ours=ours, reference=bare, ratio=ratio)


def missing(bases: int) -> Row:
    """`eligible_for` where 10 bases lack the module, in calls per second, beside a comprehension over all bases."""
    pool, uids = fresh_pool(bases)
    for uid in uids[10:]:
        pool.add_module(uid, "orders", uid)
    have, times = set(uids[10:]), max(10, 100_000 // bases)

    def ask() -> None:
        for _ in range(times):
            pool.eligible_for("orders")

    def scan_all() -> None:
        for _ in range(times):
            [uid for uid in uids if uid not in have]

    ours, scan = (times / statistics.median(seconds(run) for _ in range(ROUNDS)) for run in (ask, scan_all))
    what = "placement, peer mode, the 10 bases that lack it, beside a look at all [1/s]"
    return measured(what=what, size=f"{bases} bases", ours=ours, reference=scan)


def growth(small: Row, large: Row) -> Row:
    """How much longer one placement takes on many bases than on few, beside how much longer a bare replacement takes."""
    assert small.reference is not None
    assert large.reference is not None
    ours, bare = small.ours / large.ours, small.reference / large.reference
    return Row(
        what=f"{large.what.partition(', beside')[0]}: growth of one's cost, beside the bare loop's [x]",
        size=f"{small.size.split(',')[0]} to {large.size.split(',')[0]}",
        ours=ours,
        reference=bare,
        ratio=ours / bare,
        target=f"<= {GROWTH_TARGET:g} or ratio <= 1",
        met=ours <= max(GROWTH_TARGET, bare),
    )


def rows(size: Size) -> Iterator[Row]:
    """Every row, as it is measured."""
    sizes = SIZES if size == "full" else QUICK_SIZES
    grown: dict[tuple[SchedulingPolicy, bool], Row] = {}
    for bases in sizes:
        for policy, is_batch in itertools.product(SchedulingPolicy, (True, False)):
            row = by_bases(bases, policy, is_batch=is_batch)
            yield row
            if bases == 1_000:
                grown[policy, is_batch] = row
            elif bases == 100_000:
                yield growth(grown[policy, is_batch], row)
        yield against_sort(bases)
        yield events(bases)
        yield missing(bases)
    if size == "quick":
        return
    for deployments in DEPLOYMENTS:
        for policy, is_batch in itertools.product(SchedulingPolicy, (True, False)):
            yield by_deployments(10_000, deployments, policy, is_batch=is_batch)
    many = functools.partial(Load, bases=10_000, policy=SchedulingPolicy.SCATTER)
    for is_batch in (True, False):
        yield measure(many(deployments=100, is_batch=is_batch, in_turns=True))
        yield measure(many(deployments=PER_BASE, is_batch=is_batch, is_shuffled=True))
