"""Which base is next."""

from __future__ import annotations

from collections.abc import Collection, MutableMapping
from heapq import heappop
from typing import Final

import attrs

from moduledeploy.api.spec import SchedulingPolicy
from moduledeploy.placement.levels import Level, Tier
from moduledeploy.placement.marks import Marks
from moduledeploy.placement.roster import NAMELESS, Holders
from moduledeploy.placement.seats import Seat

_SCATTER: Final = SchedulingPolicy.SCATTER  # looking up an enum's member takes longer than pushing a base
_TOLERATED_ASIDE: Final = 64
_NOBODY: Final = Seat("", -1)  # what the key of a base that is gone stands for


@attrs.define(eq=False)
class Ranking:
    """The open bases in the order of placement: newest ReplicaSet, then number of modules, then name.

    Bases that hold the module asked for are set aside when they are met, and put back only when another module is asked
    for; so a call meets each of them once, and a series of calls for one module does too.
    """

    open: Marks = attrs.field(factory=Marks, init=False)  # the slots of the ranked bases
    _by_key: dict[str, Seat] = attrs.field(factory=dict, init=False)
    _newest: Tier = attrs.field(factory=Tier, init=False)
    _older: Tier = attrs.field(factory=Tier, init=False)
    _aside: list[Seat] = attrs.field(factory=list, init=False)  # some have left since: they are aside no more
    _aside_for: str = attrs.field(default="", init=False)

    def settle(self, seat: Seat) -> None:
        """Bring the base to the level where it belongs, whatever has changed of it or its modules."""
        level, old = self._rightful_level(seat), seat.level
        if level is old:
            return
        if old is None:
            self._by_key[seat.key] = seat
            self.open.add(seat.slot)
        elif seat.is_aside:
            seat.is_aside = False
            if len(self._aside) > 2 * len(self._by_key) + _TOLERATED_ASIDE:
                self._aside = list(dict.fromkeys(seat for seat in self._aside if seat.is_aside))
        else:
            old.stale += 1
        if level is None:
            self._close(seat)
        else:
            seat.level = level
            level.push(seat)
        if old is not None and old.is_littered():
            old.sweep(self._living_keys(old))

    def take(
        self,
        module_name: str,
        count: int,
        policy: SchedulingPolicy,
        exclude: Collection[str],
        holders: MutableMapping[Seat, Holders],
    ) -> list[str]:
        """The first `count` bases that are not among the holders, each of them made one by a nameless assumption."""
        if module_name != self._aside_for:
            self._put_back()
            self._aside_for = module_name
        chosen: list[str] = []
        left_out: list[tuple[Level, Seat]] = []
        while len(chosen) < count and (tier := self._newest if self._newest.filled else self._older).filled:
            filled = tier.filled
            level = tier.levels[(filled & -filled if policy is _SCATTER else filled).bit_length() - 1]
            self._take_from(level, count, chosen, exclude, left_out, holders)
        for level, seat in left_out:
            seat.is_aside = False
            level.push(seat)
        return chosen

    def check_invariants(self, seats: Collection[Seat]) -> None:
        """Raise AssertionError unless exactly the open ones of these seats are ranked, each where it belongs."""
        for seat in seats:
            level = self._rightful_level(seat)
            assert seat.level is level
            assert (seat.slot in self.open) == (level is not None)
            if level is not None:
                assert self._by_key[seat.key] is seat
                is_in = seat in level.run or seat.key in level.heap
                assert seat in self._aside if seat.is_aside else is_in
            assert level is not None or not seat.is_aside
        assert len(self.open) == len(self._by_key) == sum(seat.level is not None for seat in seats)
        assert len(self._aside) <= 2 * (len(self._by_key) + 1) + _TOLERATED_ASIDE
        for level in (*self._newest.levels, *self._older.levels):
            run = [seat.key for seat in level.run]
            assert run == sorted(set(run))
            assert level.stale == level.size() - len(self._living_keys(level))
            assert not level.size() or level.tier.filled >> level.number & 1

    def _take_from(
        self,
        level: Level,
        count: int,
        chosen: list[str],
        exclude: Collection[str],
        left_out: list[tuple[Level, Seat]],
        holders: MutableMapping[Seat, Holders],
    ) -> None:
        """Go through one level until enough are chosen or it is empty."""
        run, heap, by_key, aside = level.run, level.heap, self._by_key, self._aside
        above = level.above or level.add_above()
        while run or heap:
            is_run_next = run and not (heap and heap[0] < run[0].key)
            seat = run.popleft() if is_run_next else by_key.get(heappop(heap), _NOBODY)
            if level.stale and (seat.level is not level or seat.is_aside):
                level.stale -= 1
            elif seat in holders:
                seat.is_aside = True
                aside.append(seat)
            elif exclude and seat.uid in exclude:
                seat.is_aside = True
                left_out.append((level, seat))
            else:
                holders[seat] = NAMELESS
                chosen.append(seat.uid)
                seat.count = above.number
                if seat.cap > above.number:
                    seat.level = above
                    seat.is_aside = True  # it holds the module now
                    aside.append(seat)
                else:
                    self._close(seat)
                if len(chosen) == count:
                    return
        level.tier.filled &= ~(1 << level.number)

    def _close(self, seat: Seat) -> None:
        seat.level = None
        self.open.discard(seat.slot)
        del self._by_key[seat.key]

    def _put_back(self) -> None:
        """Return what was set aside to its levels."""
        for seat in self._aside:
            if seat.is_aside and seat.level is not None:
                seat.is_aside = False
                seat.level.push(seat)
        self._aside.clear()

    def _rightful_level(self, seat: Seat) -> Level | None:
        if seat.base is None or not seat.is_open:
            return None
        return (self._newest if seat.base.is_newest else self._older).level(seat.count)

    def _living_keys(self, level: Level) -> set[str]:
        """The keys of the bases that are in this level, each once."""
        by_key = self._by_key
        keys = {*level.heap, *(seat.key for seat in level.run)}
        return {key for key in keys if (seat := by_key.get(key, _NOBODY)).level is level and not seat.is_aside}
