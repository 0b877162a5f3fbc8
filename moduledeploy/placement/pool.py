"""The bases of one base Deployment, and which of them takes the next module."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TypeAlias

import attrs

from moduledeploy.api.spec import SchedulingPolicy
from moduledeploy.placement.bases import Base, Obstacle
from moduledeploy.placement.decision import Placement, Reason, Refusal, unavailable
from moduledeploy.placement.journal import Journal
from moduledeploy.placement.ranking import Ranking
from moduledeploy.placement.roster import Roster
from moduledeploy.placement.seats import NO_CAP, Seat

# What `explain` says of a base; None is "could take it".
Verdict: TypeAlias = Reason | None
# How old, how many modules, name: compared in this order.
Rank: TypeAlias = tuple[int, int, str]


@attrs.define(eq=False)
class Pool:
    """Filters, scores and assumes: chooses as sorting all bases would, at O(log n) amortised per event.

    Bases and modules may be told in any order: modules on a base that is not known yet wait for it, and those on a base
    that is gone stay until they are removed themselves. A UID keeps its name, as pods do. Every method is synchronous,
    hence atomic between awaits.
    """

    _roster: Roster = attrs.field(factory=Roster, init=False)
    _ranking: Ranking = attrs.field(factory=Ranking, init=False)
    journal: Journal = attrs.field(factory=Journal, init=False)  # of bases whose ranks changed

    def __len__(self) -> int:
        return len(self._roster)

    def set_base(self, base: Base) -> None:
        """Make the base known, or take over what changed of it."""
        self._settle(self._roster.enter(base))

    def remove_base(self, uid: str) -> None:
        """Forget the base; what is said of modules there stays until it is taken back. Unknown is no error."""
        self._settle(self._roster.leave(uid))

    def add_module(self, uid: str, module_name: str, holder: str) -> None:
        """A Module object of that name exists; it takes the place of its assumption, or of a nameless one."""
        self._settle(self._roster.hold(uid, module_name, holder, is_seen=True))

    def remove_module(self, uid: str, module_name: str, holder: str) -> None:
        """The Module object is gone; the slot is free once no other version of the module is left. Unknown is no error."""
        self._settle(self._roster.let_go(uid, module_name, holder, is_seen=True))

    def assume(self, uid: str, module_name: str, holder: str) -> None:
        """Count a Module object that is about to be written; it takes the place of the nameless assumption of `place`."""
        self._settle(self._roster.hold(uid, module_name, holder, is_seen=False))

    def forget(self, uid: str, module_name: str, holder: str) -> None:
        """Take an assumption back, named or nameless. An object that was seen stays, so a late call does no harm."""
        self._settle(self._roster.let_go(uid, module_name, holder, is_seen=False))

    def count(self, uid: str) -> int:
        """How many distinct modules are on the base, assumed ones included; 0 if it is unknown."""
        seat = self._roster.find(uid)
        return 0 if seat is None else seat.count

    def place(
        self, module_name: str, count: int, policy: SchedulingPolicy, *, exclude: Collection[str] = frozenset()
    ) -> Placement:
        """The best `count` different bases that can take the module, each assumed to have it from now on.

        The order is: bases of the newest ReplicaSet first, then fewest modules (scatter) or most (stacking), then name.
        The assumption is nameless: `assume` or `add_module` gives it a name, `forget` takes it back.
        """
        if count <= 0:
            return Placement(())
        roster = self._roster
        holders = roster.holders.get(module_name) or roster.begin(module_name)
        chosen = self._ranking.take(module_name, count, policy, exclude, holders)
        self.journal.note(chosen)
        if module_name in roster.marks:
            roster.mark(module_name, chosen)
        if len(chosen) < count:
            roster.close(module_name)
            return Placement(tuple(chosen), count - len(chosen), roster.reasons(module_name, self._ranking.open))
        return Placement(tuple(chosen))

    def removal_rank(self, uid: str, policy: SchedulingPolicy) -> Rank:
        """Scaling down empties bases from the greatest rank on: the reverse of placing, unknown ones first."""
        seat = self._roster.find(uid)
        if seat is None or seat.base is None:
            return 2, 0, uid
        sign = 1 if policy is SchedulingPolicy.SCATTER else -1
        return 0 if seat.base.is_newest else 1, sign * seat.count, seat.key

    def replacement_rank(self, uid: str) -> Rank:
        """A batch replaces what is on bases from the least rank on: fewest modules, then name, unknown ones last."""
        seat = self._roster.find(uid)
        if seat is None or seat.base is None:
            return 1, 0, uid
        return 0, seat.count, seat.key

    def eligible_for(self, module_name: str) -> list[str]:
        """Every base that can take this module, by name; those that have it are not visited."""
        slots = self._ranking.open.minus(self._roster.marks_of(module_name))
        return [seat.uid for seat in sorted(map(self._roster.at, slots), key=_by_name)]

    def explain(self, module_name: str) -> Iterator[tuple[str, Verdict]]:
        """Every base by name, with what keeps it from taking the module; None if it can take it."""
        holders = self._roster.holders.get(module_name, ())
        for seat in sorted(self._roster.seats(), key=_by_name):
            if seat.base is not None:
                yield seat.base.name, _verdict(seat, is_holder=seat in holders)

    def obstacles(self, module_name: str) -> Mapping[Reason, int]:
        """How many bases can't take the module, by why; those that can count as EXCLUDED. No base is visited."""
        return self._roster.reasons(module_name, self._ranking.open)

    def lacking(self, module_name: str, own: int) -> str:
        """Why the module isn't on every base though nothing more is to come, in one sentence; empty where nothing lasts.

        `own` is how many bases hold it for the family that asks, further holders are others'. Bases that aren't Ready may
        yet become so.
        """
        reasons = self.obstacles(module_name)
        lasting: dict[Reason, int] = {
            reason: reasons.get(reason, 0) for reason in (Refusal.AT_CAP, Obstacle.BAD_CAP_LABEL)
        }
        lasting[Refusal.HAS_MODULE] = max(0, len(self._roster.holders.get(module_name, ())) - own)
        return unavailable(lasting) if any(lasting.values()) else ""

    def capacity(self) -> tuple[int, int | None]:
        """How many modules are on the known bases, and how many more fit; None where a base has no cap. Visits every base."""
        known = [seat for seat in self._roster.seats() if seat.base is not None]
        used = sum(seat.count for seat in known)
        if not known or any(seat.cap == NO_CAP for seat in known):
            return used, None
        return used, sum(max(0, seat.cap - seat.count) for seat in known)

    def check_invariants(self) -> None:
        """Raise AssertionError unless every derived fact is what the seats say; visits everything, for tests."""
        self._roster.check_invariants()
        self._ranking.check_invariants(list(self._roster.seats()))

    def _settle(self, seat: Seat | None) -> None:
        if seat is not None:
            self._ranking.settle(seat)
            self.journal.note((seat.uid,))


def _by_name(seat: Seat) -> str:
    return seat.key


def _verdict(seat: Seat, *, is_holder: bool) -> Verdict:
    if seat.base is not None and seat.base.obstacle is not None:
        return seat.base.obstacle
    if is_holder:
        return Refusal.HAS_MODULE
    return None if seat.is_open else Refusal.AT_CAP
