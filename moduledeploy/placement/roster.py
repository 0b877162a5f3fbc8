"""Who is there, and what is on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import attrs

from moduledeploy.placement.bases import Base, Obstacle
from moduledeploy.placement.decision import Reason, Refusal
from moduledeploy.placement.marks import Mark, Marks
from moduledeploy.placement.seats import Seat


@attrs.define(eq=False)
class Roster:
    """Every base and every module on one, with the sets that answer "who lacks it" without visiting those who have it.

    A seat exists while its base is known or something is on it. The methods that change a seat return it, or None where
    nothing changed that placement depends on.
    """

    _seats: dict[str, Seat] = attrs.field(factory=dict, init=False)  # by UID
    _slots: list[Seat | None] = attrs.field(factory=list, init=False)
    _free_slots: list[int] = attrs.field(factory=list, init=False)
    _sound: Marks = attrs.field(factory=Marks, init=False)  # known bases without an obstacle of their own
    _holders: dict[str, Marks] = attrs.field(factory=dict, init=False)  # by module name, unknown bases included
    _obstacles: Counter[Obstacle] = attrs.field(factory=Counter, init=False)

    def __len__(self) -> int:
        return len(self._sound) + self._obstacles.total()

    def seats(self) -> Iterable[Seat]:
        """All seats, in no particular order."""
        return self._seats.values()

    def find(self, uid: str) -> Seat | None:
        """The seat of that UID."""
        return self._seats.get(uid)

    def enter(self, base: Base) -> Seat | None:
        """Make the base known, or take over what changed of it."""
        seat = self._seat(base.uid)
        if seat.base == base:
            return None
        self._unlist(seat)
        seat.describe(base)
        if base.obstacle is None:
            self._sound.add(seat.mark)
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
        """Note a holder of the module; the nameless assumption gives way to it. None if the module was there already."""
        seat = self._seat(uid)
        holders = seat.names.get(module_name)
        if holders is not None:
            holders[holder] = is_seen or holders.get(holder, False)
            return None
        is_new = module_name not in seat.names
        seat.names[module_name] = {holder: is_seen}
        if not is_new:
            return None
        self._holders.setdefault(module_name, Marks()).add(seat.mark)
        return seat

    def let_go(self, uid: str, module_name: str, holder: str, *, is_seen: bool) -> Seat | None:
        """Strike a holder: one that was seen only by `is_seen`, a nameless assumption only without. None if others stay."""
        seat = self._seats.get(uid)
        if seat is None or module_name not in seat.names:
            return None
        holders = seat.names[module_name]
        if holders is None:
            if is_seen:
                return None
        elif holder not in holders or (holders[holder] and not is_seen):
            return None
        else:
            del holders[holder]
            if holders:
                return None
        del seat.names[module_name]
        marks = self._holders[module_name]
        marks.discard(seat.mark)
        if not marks.blocks:
            del self._holders[module_name]
        self._drop_if_idle(seat)
        return seat

    def holders(self, module_name: str) -> Marks:
        """The bases that have the module, unknown ones included; a new set if there are none."""
        found = self._holders.get(module_name)
        return Marks() if found is None else found

    def note_holders(self, module_name: str, holders: Marks) -> None:
        """Keep what `holders` gave, grown by bases that were given the module."""
        self._holders[module_name] = holders

    def at(self, slot: int) -> Seat:
        """The seat with that slot number, which must be taken."""
        seat = self._slots[slot]
        assert seat is not None, "an empty slot is marked"
        return seat

    def reasons(self, module_name: str, open_bases: Marks) -> Mapping[Reason, int]:
        """Why each base can't take the module, the open ones being left out of the placement; no base is visited."""
        holders = self.holders(module_name)
        lacking = self._sound.count_minus(holders)
        left_out = open_bases.count_minus(holders)
        counts = Counter[Reason](self._obstacles)
        counts[Refusal.HAS_MODULE] = len(self._sound) - lacking
        counts[Refusal.AT_CAP] = lacking - left_out
        counts[Refusal.EXCLUDED] = left_out
        return {reason: number for reason, number in counts.items() if number}

    def check_invariants(self) -> None:
        """Raise AssertionError unless every set says what the seats say."""
        for seat in self._seats.values():
            assert self.at(seat.slot) is seat
            assert seat.base is not None or seat.names, "an idle seat is kept"
            assert self._sound.has(seat.mark) == (seat.base is not None and seat.base.obstacle is None)
            assert all(self._holders[name].has(seat.mark) for name in seat.names)
        assert sum(map(len, self._holders.values())) == sum(len(seat.names) for seat in self._seats.values())
        assert len(self) == sum(seat.base is not None for seat in self._seats.values())
        assert len(self._slots) == len(self._seats) + len(self._free_slots)

    def _seat(self, uid: str) -> Seat:
        """The seat of that UID, made if there is none."""
        seat = self._seats.get(uid)
        if seat is None:
            slot = self._free_slots.pop() if self._free_slots else len(self._slots)
            seat = self._seats[uid] = Seat(uid=uid, slot=slot, mark=Mark.at(slot))
            self._slots[slot : slot + 1] = [seat]
        return seat

    def _unlist(self, seat: Seat) -> None:
        if seat.base is not None and seat.base.obstacle is not None:
            self._obstacles[seat.base.obstacle] -= 1
        self._sound.discard(seat.mark)

    def _drop_if_idle(self, seat: Seat) -> None:
        if seat.base is None and not seat.names:
            del self._seats[seat.uid]
            self._slots[seat.slot] = None
            self._free_slots.append(seat.slot)
