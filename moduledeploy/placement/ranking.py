"""Which base is next."""

from __future__ import annotations

from collections.abc import Collection
from heapq import heappop
from typing import Final

import attrs

from moduledeploy.placement.decision import Policy
from moduledeploy.placement.levels import Level, Tier
from moduledeploy.placement.marks import Marks
from moduledeploy.placement.seats import Seat

_SCATTER: Final = Policy.SCATTER  # looking up an enum's member takes longer than pushing a key


@attrs.define(eq=False)
class Ranking:
    """The open bases in the order of placement: newest ReplicaSet, then number of modules, then name.

    Bases that hold the module asked for are set aside when they are met, and put back only when another module is asked
    for; so a call meets each of them once, and a series of calls for one module does too.
    """

    open: Marks = attrs.field(factory=Marks, init=False)
    _by_key: dict[str, Seat] = attrs.field(factory=dict, init=False)
    _newest: Tier = attrs.field(factory=Tier, init=False)
    _older: Tier = attrs.field(factory=Tier, init=False)
    _aside: dict[Seat, None] = attrs.field(factory=dict, init=False)  # a set that keeps its order
    _aside_for: str = attrs.field(default="", init=False)

    def settle(self, seat: Seat) -> None:
        """Bring the base to the level where it belongs, whatever has changed of it or its modules."""
        level, old = self._rightful_level(seat), seat.level
        if level is old:
            return
        if old is None:
            self._by_key[seat.key] = seat
            self.open.add(seat.mark)
        elif seat in self._aside:
            del self._aside[seat]
        else:
            old.stale += 1
        if level is None:
            self._close(seat)
        else:
            seat.level = level
            level.push(seat.key)
        if old is not None and old.is_littered():
            old.sweep(self._living_keys(old))

    def take(self, module_name: str, count: int, policy: Policy, exclude: Collection[str], holders: Marks) -> list[str]:
        """The first `count` bases without the module; each is given it by a nameless assumption and added to `holders`."""
        if module_name != self._aside_for:
            self._put_back()
            self._aside_for = module_name
        chosen: list[str] = []
        left_out: list[Seat] = []
        while len(chosen) < count and (tier := self._newest if self._newest.filled else self._older).filled:
            filled = tier.filled
            level = tier.levels[(filled & -filled if policy is _SCATTER else filled).bit_length() - 1]
            self._take_from(level, count, chosen, exclude, left_out, holders.blocks)
        for seat in left_out:
            del self._aside[seat]
            if seat.level is not None:
                seat.level.push(seat.key)
        return chosen

    def check_invariants(self, seats: Collection[Seat]) -> None:
        """Raise AssertionError unless exactly the open ones of these seats are ranked, each where it belongs."""
        for seat in seats:
            level = self._rightful_level(seat)
            assert seat.level is level
            assert self.open.has(seat.mark) == (level is not None)
            if level is not None:
                assert self._by_key[seat.key] is seat
                assert (seat in self._aside) != (seat.key in {*level.run, *level.heap}), "in its level or aside"
        assert len(self.open) == len(self._by_key) == sum(seat.level is not None for seat in seats)
        for seat in self._aside:
            assert seat.level is not None
            assert self._aside_for in seat.names
        for level in (*self._newest.levels, *self._older.levels):
            assert list(level.run) == sorted(set(level.run))
            keys = len(level.run) + len(level.heap)
            assert level.stale == keys - len(self._living_keys(level))
            assert not keys or level.tier.filled >> level.number & 1

    def _take_from(
        self,
        level: Level,
        count: int,
        chosen: list[str],
        exclude: Collection[str],
        left_out: list[Seat],
        held: dict[int, int],
    ) -> None:
        """Go through one level until enough are chosen or it is empty."""
        run, heap, by_key, aside, module_name = level.run, level.heap, self._by_key, self._aside, self._aside_for
        above = level.above or level.add_above()
        while run or heap:
            key = run.popleft() if run and not (heap and heap[0] < run[0]) else heappop(heap)
            if level.stale and not self._is_living(key, level):
                level.stale -= 1
                continue
            seat = by_key[key]
            if module_name in seat.names:
                aside[seat] = None
                continue
            if exclude and seat.uid in exclude:
                aside[seat] = None
                left_out.append(seat)
                continue
            seat.names[module_name] = None
            mark = seat.mark
            held[mark.block] |= mark.bit
            chosen.append(seat.uid)
            if seat.cap > above.number:
                seat.level = above
                aside[seat] = None  # it holds the module now
            else:
                self._close(seat)
            if len(chosen) == count:
                return
        level.tier.filled &= ~(1 << level.number)

    def _close(self, seat: Seat) -> None:
        seat.level = None
        self.open.discard(seat.mark)
        del self._by_key[seat.key]

    def _put_back(self) -> None:
        """Return what was set aside to its levels."""
        for seat in self._aside:
            level = seat.level
            if level is not None:
                level.push(seat.key)
        self._aside.clear()

    def _is_living(self, key: str, level: Level) -> bool:
        """Whether the key, found in that level, stands for a base; of several equal ones the first does."""
        seat = self._by_key.get(key)
        return seat is not None and seat.level is level and seat not in self._aside

    def _rightful_level(self, seat: Seat) -> Level | None:
        if seat.base is None or not seat.is_open:
            return None
        return (self._newest if seat.base.is_newest else self._older).level(len(seat.names))

    def _living_keys(self, level: Level) -> set[str]:
        """The keys in a level that stand for a base, each once."""
        return {key for key in (*level.run, *level.heap) if self._is_living(key, level)}
