"""Bases in the order of placement: a heap for every number of modules.

A base is represented by a string key that sorts as its name does. Nothing is ever searched for in a heap: a base that
leaves a level just leaves its key behind, and whoever pops a key asks whether the base still belongs there. Stale keys
are swept out when an event leaves them in the majority, so a level never grows beyond twice the bases it once held and
every event costs O(log n) amortised.

Placement goes through a level in the order of names, and so the level above is filled in that order too. `run` is the
lane for such keys: appended and taken in O(1), where the heap would compare its way through all of its height. A key
that comes out of order goes to the heap, and the smaller one of the two is next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from heapq import heapify, heappush
from typing import Final

import attrs

# Below this a sweep costs more than the memory is worth.
_TOLERATED_STALE: Final = 32


@attrs.define(eq=False)
class Level:
    """The bases of one tier with equally many modules; `stale` counts the keys here that stand for no base."""

    tier: Tier
    number: int
    run: deque[str] = attrs.field(factory=deque)
    heap: list[str] = attrs.field(factory=list)
    stale: int = 0
    above: Level | None = None  # the next one, once it was needed

    def add_above(self) -> Level:
        """The level of bases with one module more, made if there is none."""
        self.above = self.tier.level(self.number + 1)
        return self.above

    def push(self, key: str) -> None:
        """Add a key."""
        run = self.run
        if not run or key > run[-1]:
            run.append(key)
        else:
            heappush(self.heap, key)
        self.tier.filled |= 1 << self.number

    def is_littered(self) -> bool:
        """Whether stale keys have come to outnumber the others."""
        return 2 * self.stale > len(self.run) + len(self.heap) + _TOLERATED_STALE

    def sweep(self, kept: Iterable[str]) -> None:
        """Keep these keys and no others."""
        self.heap = list(kept)
        heapify(self.heap)
        self.run.clear()
        self.stale = 0


@attrs.define(eq=False)
class Tier:
    """The levels of the bases of one age; `filled` has bit k set when level k may hold a key."""

    levels: list[Level] = attrs.field(factory=list)
    filled: int = 0

    def level(self, number: int) -> Level:
        """The level of bases with that many modules."""
        while len(self.levels) <= number:
            self.levels.append(Level(self, len(self.levels)))
        return self.levels[number]
