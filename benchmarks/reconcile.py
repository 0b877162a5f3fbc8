"""CPU per module of the controllers' own work: the real controllers on an API and bases in memory, from 1 000 to 10 000 replicas.

Every change is delivered at once, and a pass over the family follows at the latest after it was asked for by 8 bases, which is
often: with 64 bases at work at a time it would be seldom. A pass that costs what there is, and not what it does, shows as growth.
Each turn of a base takes a millisecond of the clock. What the API and the bases in memory take is left out of the times; the
decoding of events is in them.
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
import heapq
import io
import itertools
import time
from collections import deque
from typing import TYPE_CHECKING, Final

import attrs

from benchmarks.rows import Point, Row, Size, Target, measured
from moduledeploy.controllers.facts import BaseKey, FamilyKey
from moduledeploy.controllers.resources import MODULE_DEPLOYMENTS
from moduledeploy.runtime.log import configure_logging
from moduledeploy.runtime.memory import collect_rarely, exempt_present_objects
from tests.controllers.world import NAME, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.clock import ManualClock

INSTALL, DELETE = "install", "delete"
POLICIES: Final = ("install_then_uninstall", "uninstall_then_install", "scaleup_then_scaledown")
STEPS: Final = (INSTALL, *POLICIES, DELETE)
SIZES: Final[dict[Size, tuple[int, int]]] = {"quick": (100, 300), "full": (1_000, 10_000)}
COUNTED: Final[dict[Size, tuple[int, int]]] = {"quick": (20, 100), "full": (100, 400)}
GROWTH: Final = Target(sign="<=", limit=1.3)
TURN_S: Final = 0.001  # of the clock in memory
PATIENCE: Final = 8  # turns of bases that a family waits for
PICTURE: Final = "reconcile"


@attrs.define(kw_only=True)
class Stopwatch:
    """CPU time of this thread, but for what lies between `before …` and `after …`."""

    _left_out: float = 0.0
    _since: float = 0.0

    def around(self, point: str) -> None:
        """A request to what is in memory begins or has ended."""
        if point.startswith("before"):
            self._since = time.thread_time()
        else:
            self._left_out += time.thread_time() - self._since

    def read(self) -> float:
        """Seconds so far."""
        return time.thread_time() - self._left_out


@attrs.define
class Turns:
    """Keys in the order of their work: bases in turn, families between them; when there are none, time passes."""

    clock: ManualClock
    failures: dict[FamilyKey | BaseKey, int] = attrs.field(factory=dict)
    _families: dict[FamilyKey, None] = attrs.field(factory=dict)
    _bases: dict[BaseKey, None] = attrs.field(factory=dict)
    _order: deque[BaseKey] = attrs.field(factory=deque)
    _due: dict[FamilyKey | BaseKey, float] = attrs.field(factory=dict)
    _heap: list[tuple[float, int, FamilyKey | BaseKey]] = attrs.field(factory=list)
    _seq: Iterator[int] = attrs.field(factory=itertools.count)
    _waited: int = 0

    def family(self, key: FamilyKey) -> None:
        """Have it worked on."""
        self._due.pop(key, None)
        self._families[key] = None

    def base(self, key: BaseKey) -> None:
        """Have it worked on."""
        self._due.pop(key, None)
        if key not in self._bases:
            self._bases[key] = None
            self._order.append(key)

    def after(self, key: FamilyKey | BaseKey, delay_s: float) -> None:
        """Have it worked on then."""
        if delay_s <= 0:
            self._add(key)
        elif key not in self._families and key not in self._bases:
            at = self.clock.monotonic() + delay_s
            if at < self._due.get(key, float("inf")):
                self._due[key] = at
                heapq.heappush(self._heap, (at, next(self._seq), key))

    def fail(self, key: FamilyKey | BaseKey) -> None:
        """Nothing fails here but by a mistake."""
        raise RuntimeError(f"{key} failed")

    def next(self) -> FamilyKey | BaseKey | None:
        """The next one; while there is none, the clock goes to the next that is due."""
        while not self._families and not self._order:
            if not self._heap:
                return None
            at, _, key = heapq.heappop(self._heap)
            if self._due.get(key) == at:
                del self._due[key]
                self.clock.advance(max(0.0, at - self.clock.monotonic()))
                self._add(key)
        if self._families and (self._waited >= PATIENCE or not self._order):
            self._waited = 0
            family = next(iter(self._families))
            del self._families[family]
            return family
        self._waited += 1
        base = self._order.popleft()
        del self._bases[base]
        self.clock.advance(TURN_S)
        return base

    def _add(self, key: FamilyKey | BaseKey) -> None:
        if isinstance(key, FamilyKey):
            self.family(key)
        else:
            self.base(key)


@attrs.define(eq=False)
class Family:
    """One ModuleDeployment of `count` replicas on twice as many bases, taken through all steps."""

    count: int
    watch: Stopwatch = attrs.field(factory=Stopwatch)
    world: World = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.world = World(around=self.watch.around)
        self.world.add_bases(2 * self.count)
        process = self.world.start()
        turns = Turns(self.world.clock)
        for key in process.queue.due:
            turns.after(key, 0)
        process.cluster.keys = turns
        process.queue = turns  # type: ignore[assignment]  # it has what a turn calls, without looking through all keys for the next

    async def step(self, name: str, version: int) -> float:
        """CPU seconds per module."""
        gc.collect()
        exempt_present_objects()
        if name == INSTALL:
            self.world.deploy("1", replicas=self.count)
        elif name == DELETE:
            self.world.delete()
        else:
            self.world.edit(operationStrategy={"upgradePolicy": name})
            self.world.upgrade(str(version))
        begun_at = self.watch.read()
        await self._run(self._is_gone if name == DELETE else self._is_completed)
        return (self.watch.read() - begun_at) / self.count

    async def _run(self, is_done: Callable[[], bool]) -> None:
        process = self.world.process
        while not is_done():
            process.deliver()
            if not await process.turn():
                raise RuntimeError("it came to rest before it was done")

    def _is_completed(self) -> bool:
        body = self.world.deployment()
        status = body.get("status", {})
        is_seen = status.get("observedGeneration") == body["metadata"]["generation"]
        return bool(is_seen and status["releaseStatus"]["progress"] == "Completed")

    def _is_gone(self) -> bool:
        return not any(item["metadata"]["name"] == NAME for item in self.world.api.list(MODULE_DEPLOYMENTS))


async def measure(count: int) -> dict[str, float]:
    """CPU seconds per module, by step."""
    family = Family(count)
    return {name: await family.step(name, number) for number, name in enumerate(STEPS, 1)}


async def count_calls(count: int) -> dict[str, float]:
    """Calls of functions per module, by step: the same on every machine, whatever else it does."""
    family = Family(count)
    calls: dict[str, float] = {}
    for number, name in enumerate(STEPS, 1):
        with cProfile.Profile() as profile:
            await family.step(name, number)
        calls[name] = sum(entry.callcount for entry in profile.getstats()) / count
    return calls


def rows(size: Size) -> Iterator[Row]:
    """The larger size beside the smaller; then what is counted."""
    collect_rarely()
    configure_logging(stream=io.StringIO())  # written as in production, and shown to nobody
    small, large = SIZES[size]
    reference = asyncio.run(measure(small))
    yield from _rows(small, reference, None)
    yield from _rows(large, asyncio.run(measure(large)), reference)
    few, many = COUNTED[size]
    before, after = asyncio.run(count_calls(few)), asyncio.run(count_calls(many))
    for name in STEPS:
        yield measured(
            what=f"reconcile, {name} (calls of functions a module)",
            size=f"{_spaced(many)} replicas beside {few}",
            ours=after[name],
            reference=before[name],
            target=GROWTH,
        )


def _rows(count: int, found: dict[str, float], reference: dict[str, float] | None) -> Iterator[Row]:
    for name, seconds in found.items():
        yield measured(
            what=f"reconcile, {name} [µs of CPU a module]",
            size=f"{_spaced(count)} replicas",
            ours=seconds * 1e6,
            reference=reference[name] * 1e6 if reference else None,
            target=GROWTH if reference else None,
            points=(Point(picture=PICTURE, curve=name, x=count, y=seconds * 1e6),),
        )


def _spaced(number: int) -> str:
    return f"{number:,}".replace(",", " ")
