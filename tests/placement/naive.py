"""The placer that sorts all bases for every placement: slow, and evidently right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Literal

import attrs

from moduledeploy.api.spec import SchedulingPolicy
from moduledeploy.placement import Base, Obstacle, Placement, Reason, Refusal, Verdict

NAMELESS = None


@attrs.define
class NaivePool:
    bases: dict[str, Base] = attrs.field(factory=dict)
    # (uid, module name) -> who says so, and whether the Module object was seen
    held: dict[tuple[str, str], dict[str | None, Literal["seen", "assumed"]]] = attrs.field(factory=dict)

    def set_base(self, base: Base) -> None:
        self.bases[base.uid] = base

    def remove_base(self, uid: str) -> None:
        self.bases.pop(uid, None)

    def add_module(self, uid: str, module_name: str, holder: str) -> None:
        holders = self.held.setdefault((uid, module_name), {})
        holders.pop(NAMELESS, None)
        holders[holder] = "seen"

    def assume(self, uid: str, module_name: str, holder: str) -> None:
        holders = self.held.setdefault((uid, module_name), {})
        holders.pop(NAMELESS, None)
        holders.setdefault(holder, "assumed")

    def remove_module(self, uid: str, module_name: str, holder: str) -> None:
        self._strike(uid, module_name, holder)

    def forget(self, uid: str, module_name: str, holder: str) -> None:
        holders = self.held.get((uid, module_name), {})
        if NAMELESS in holders:
            self._strike(uid, module_name, NAMELESS)
        elif holders.get(holder) == "assumed":
            self._strike(uid, module_name, holder)

    def _strike(self, uid: str, module_name: str, holder: str | None) -> None:
        holders = self.held.get((uid, module_name), {})
        holders.pop(holder, None)
        if not holders:
            self.held.pop((uid, module_name), None)

    def count(self, uid: str) -> int:
        return sum(held_uid == uid for held_uid, _ in self.held)

    def verdict(self, base: Base, module_name: str, exclude: Collection[str] = ()) -> Verdict:
        if base.obstacle is not None:
            return base.obstacle
        if (base.uid, module_name) in self.held:
            return Refusal.HAS_MODULE
        if base.cap is not None and self.count(base.uid) >= base.cap:
            return Refusal.AT_CAP
        return Refusal.EXCLUDED if base.uid in exclude else None

    def rank(self, base: Base, policy: SchedulingPolicy) -> tuple[bool, int, str, str]:
        sign = 1 if policy is SchedulingPolicy.SCATTER else -1
        return not base.is_newest, sign * self.count(base.uid), base.name, base.uid

    def place(self, module_name: str, count: int, policy: SchedulingPolicy, *, exclude: Collection[str]) -> Placement:
        able = [base for base in self.bases.values() if self.verdict(base, module_name, exclude) is None]
        chosen = sorted(able, key=lambda base: self.rank(base, policy))[: max(count, 0)]
        for base in chosen:
            self.held[base.uid, module_name] = {NAMELESS: "assumed"}
        unplaced = max(count - len(chosen), 0)
        reasons: Counter[Reason] = Counter()
        for base in self.bases.values() if unplaced else ():
            verdict = self.verdict(base, module_name, exclude)
            assert verdict is not None
            reasons[verdict] += 1
        return Placement(tuple(base.uid for base in chosen), unplaced, reasons)

    def removal_order(self, uids: Iterable[str], policy: SchedulingPolicy) -> list[str]:
        unknown = sorted((uid for uid in uids if uid not in self.bases), reverse=True)
        known = [self.bases[uid] for uid in uids if uid in self.bases]
        known.sort(key=lambda base: self.rank(base, policy), reverse=True)
        return [*unknown, *(base.uid for base in known)]

    def replacement_order(self, uids: Iterable[str]) -> list[str]:
        known = [self.bases[uid] for uid in uids if uid in self.bases]
        known.sort(key=lambda base: (self.count(base.uid), base.name, base.uid))
        return [*(base.uid for base in known), *sorted(uid for uid in uids if uid not in self.bases)]

    def eligible_for(self, module_name: str) -> list[str]:
        able = [base for base in self.bases.values() if self.verdict(base, module_name) is None]
        return [base.uid for base in sorted(able, key=lambda base: (base.name, base.uid))]

    def explain(self, module_name: str) -> list[tuple[str, Verdict]]:
        ordered = sorted(self.bases.values(), key=lambda base: (base.name, base.uid))
        return [(base.name, self.verdict(base, module_name)) for base in ordered]


OBSTACLES: tuple[Obstacle | None, ...] = (None, None, None, None, *Obstacle)
