"""Bases in the order of placement: a heap for every number of modules.

Nothing is ever searched for in a heap: a base that leaves a level just leaves its entry behind, and whoever pops an entry
asks whether it still stands for a base. Stale entries are swept out when an event leaves them in the majority, so a level
never grows beyond twice the bases it once held and every event costs O(log n) amortised.

Placement goes through a level in the order of names, and so the level above is filled in that order too, as is the first
one by a list. `run` is the lane for bases in order: appended and taken in O(1), where the heap would compare its way
through all of its height. A base that comes out of order goes to the heap, and the smaller one of the two is next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from heapq import heapify, heappush
from typing import Final

import attrs

from moduledeploy.placement.seats import Seat

# Below this a sweep costs more than the memory is worth.
_TOLERATED_STALE: Final = 32


@attrs.define(eq=False)
class Level:
    """The bases of one tier with equally many modules; `stale` counts the entries that stand for none.

    The heap holds keys, since strings compare in C. A base may have several entries; the first one popped counts.
    """

    tier: Tier
    number: int
    run: deque[Seat] = attrs.field(factory=deque)
    heap: list[str] = attrs.field(factory=list)
    stale: int = 0
    above: Level | None = None  # the next one, once it was needed

    def size(self) -> int:
        """How many entries there are, stale ones included."""
        return len(self.run) + len(self.heap)

    def add_above(self) -> Level:
        """The level of bases with one module more, made if there is none."""
        self.above = self.tier.level(self.number + 1)
        return self.above

    def push(self, seat: Seat) -> None:
        """Enter a base."""
        run = self.run
        if not run or run[-1].key < seat.key:
            run.append(seat)
        else:
            heappush(self.heap, seat.key)
        self.tier.filled |= 1 << self.number

    def is_littered(self) -> bool:
        """Whether stale entries have come to outnumber the others."""
        return 2 * self.stale > self.size() + _TOLERATED_STALE

    def sweep(self, kept: Iterable[str]) -> None:
        """Keep these keys and nothing else."""
        self.heap = list(kept)
        heapify(self.heap)
        self.run.clear()
        self.stale = 0


@attrs.define(eq=False)
class Tier:
    """The levels of the bases of one age; `filled` has bit k set when level k may have an entry."""

    levels: list[Level] = attrs.field(factory=list)
    filled: int = 0

    def level(self, number: int) -> Level:
        """The level of bases with that many modules."""
        while len(self.levels) <= number:
            self.levels.append(Level(self, len(self.levels)))
        return self.levels[number]
