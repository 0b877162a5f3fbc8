"""Who is there, and what is on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Final

import attrs

from moduledeploy.placement.bases import Base, Obstacle
from moduledeploy.placement.decision import Reason, Refusal
from moduledeploy.placement.marks import Marks
from moduledeploy.placement.seats import Seat

# Who holds a module name on a base: Module objects by name, True once the object was seen, False while it is assumed.
# NAMELESS is the assumption that a placement leaves.
Holders = dict[str, bool] | None
NAMELESS: Final = None


@attrs.define(eq=False)
class Roster:
    """Every base and every module on one.

    A seat exists while its base is known or something is on it. The methods that change a seat return it, or None where
    nothing changed that placement depends on.
    """

    _seats: dict[str, Seat] = attrs.field(factory=dict, init=False)  # by UID
    _slots: list[Seat | None] = attrs.field(factory=list, init=False)
    _free_slots: list[int] = attrs.field(factory=list, init=False)
    holders: dict[str, dict[Seat, Holders]] = attrs.field(factory=dict, init=False)  # by module name
    marks: dict[str, Marks] = attrs.field(
        factory=dict, init=False
    )  # the slots of the holders, where `marks_of` made them
    _sound: Marks = attrs.field(factory=Marks, init=False)  # known bases without an obstacle of their own
    _obstacles: Counter[Obstacle] = attrs.field(factory=Counter, init=False)

    def __len__(self) -> int:
        return len(self._sound) + self._obstacles.total()

    def seats(self) -> Collection[Seat]:
        """All seats, in no particular order."""
        return self._seats.values()

    def find(self, uid: str) -> Seat | None:
        """The seat of that UID."""
        return self._seats.get(uid)

    def at(self, slot: int) -> Seat:
        """The seat with that slot number, which must be taken."""
        seat = self._slots[slot]
        assert seat is not None, "an empty slot is marked"
        return seat

    def enter(self, base: Base) -> Seat | None:
        """Make the base known, or take over what changed of it."""
        seat = self._seat(base.uid)
        if seat.base == base:
            return None
        self._unlist(seat)
        seat.describe(base)
        if base.obstacle is None:
            self._sound.add(seat.slot)
        else:
            self._obstacles[base.obstacle] += 1
        return seat

    def leave(self, uid: str) -> Seat | None:
        """Forget the base, but not what is on it."""
        seat = self._seats.get(uid)
        if seat is None or seat.base is None:
            return None
        self._unlist(seat)
        seat.base = None
        self._drop_if_idle(seat)
        return seat

    def hold(self, uid: str, module_name: str, holder: str, *, is_seen: bool) -> Seat | None:
        """Note a holder of the module; a nameless assumption gives way to it. None if the module was there already."""
        seat = self._seat(uid)
        holders = self.begin(module_name)
        there = holders.get(seat)
        if there is not None:
            there[holder] = is_seen or there.get(holder, False)
            return None
        is_new = seat not in holders
        holders[seat] = {holder: is_seen}
        if not is_new:
            return None
        seat.count += 1
        if module_name in self.marks:
            self.mark(module_name, (uid,))
        return seat

    def let_go(self, uid: str, module_name: str, holder: str, *, is_seen: bool) -> Seat | None:
        """Strike a holder: one that was seen only by `is_seen`, a nameless one only without. None if the module stays."""
        seat = self._seats.get(uid)
        holders = self.holders.get(module_name, {})
        if seat is None or seat not in holders:
            return None
        there = holders[seat]
        if there is None:
            if is_seen:
                return None
        else:
            if holder in there and is_seen >= there[holder]:
                del there[holder]
            if there:
                return None
        del holders[seat]
        seat.count -= 1
        if module_name in self.marks:
            self.marks[module_name].discard(seat.slot)
        self.close(module_name)
        self._drop_if_idle(seat)
        return seat

    def begin(self, module_name: str) -> dict[Seat, Holders]:
        """An entry in `holders`; one that stays empty is to be given up by `close`."""
        return self.holders.setdefault(module_name, {})

    def close(self, module_name: str) -> None:
        """Give the entry in `holders` up if it is empty."""
        if not self.holders.get(module_name, True):
            del self.holders[module_name]
            self.marks.pop(module_name, None)

    def mark(self, module_name: str, uids: Iterable[str]) -> None:
        """Add these bases, which have joined the holders, to `marks`."""
        for uid in uids:
            self.marks[module_name].add(self._seats[uid].slot)

    def marks_of(self, module_name: str) -> Marks:
        """The slots of the seats that have the module; made when first asked for, kept up to date from then on."""
        marks = self.marks.get(module_name)
        if marks is None:
            holders = self.holders.get(module_name, {})
            marks = Marks.of(seat.slot for seat in holders)
            if holders:
                self.marks[module_name] = marks
        return marks

    def reasons(self, module_name: str, open_bases: Marks) -> Mapping[Reason, int]:
        """Why each base can't take the module, the open ones being left out of the placement; no base is visited."""
        holders = self.marks_of(module_name)
        lacking = self._sound.count_minus(holders)
        left_out = open_bases.count_minus(holders)
        counts = Counter[Reason](self._obstacles)
        counts[Refusal.HAS_MODULE] = len(self._sound) - lacking
        counts[Refusal.AT_CAP] = lacking - left_out
        counts[Refusal.EXCLUDED] = left_out
        return {reason: number for reason, number in counts.items() if number}

    def check_invariants(self) -> None:
        """Raise AssertionError unless every derived fact is what the seats and their holders say."""
        for seat in self._seats.values():
            assert self.at(seat.slot) is seat
            assert seat.base is not None or seat.count, "an idle seat is kept"
            assert (seat.slot in self._sound) == (seat.base is not None and seat.base.obstacle is None)
            assert seat.count == sum(seat in holders for holders in self.holders.values())
        for name, holders in self.holders.items():
            assert holders, "a module without holders is kept"
            assert all(self.at(seat.slot) is seat for seat in holders)
            assert set(self.marks_of(name)) == {seat.slot for seat in holders}
        assert set(self.marks) <= set(self.holders)
        assert len(self) == sum(seat.base is not None for seat in self._seats.values())
        assert len(self._slots) == len(self._seats) + len(self._free_slots)

    def _seat(self, uid: str) -> Seat:
        """The seat of that UID, made if there is none."""
        seat = self._seats.get(uid)
        if seat is None:
            slot = self._free_slots.pop() if self._free_slots else len(self._slots)
            seat = self._seats[uid] = Seat(uid, slot)
            self._slots[slot : slot + 1] = [seat]
        return seat

    def _unlist(self, seat: Seat) -> None:
        if seat.base is not None and seat.base.obstacle is not None:
            self._obstacles[seat.base.obstacle] -= 1
        self._sound.discard(seat.slot)

    def _drop_if_idle(self, seat: Seat) -> None:
        if seat.base is None and not seat.count:
            del self._seats[seat.uid]
            self._slots[seat.slot] = None
            self._free_slots.append(seat.slot)
