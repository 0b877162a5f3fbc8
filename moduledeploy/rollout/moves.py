"""Which Modules to make and which to take away in one pass, within what the batch allows and the budget bears."""

from __future__ import annotations

from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING

import attrs

from moduledeploy.api.kinds import ModuleStatusWord
from moduledeploy.api.names import module_object_name
from moduledeploy.api.spec import UpgradePolicy
from moduledeploy.rollout.actions import CreateModule, DeleteModule
from moduledeploy.rollout.order import Last
from moduledeploy.rollout.slots import Mark, ModuleFacts, Slot

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from moduledeploy.rollout.budget import Budget
    from moduledeploy.rollout.order import Key
    from moduledeploy.rollout.view import Placer, Revision, View


@attrs.frozen(kw_only=True)
class Aim:
    """Where this pass goes.

    target: the revision that slots count for; fallback: the one for replicas that the opened batches have no room for.
    allowed: how many slots may be of the target, FOREVER without bound.
    may_create: nothing forbids new Modules (a conflict, a missing base Deployment).
    may_replace: nothing holds the replacement of replicas by the target (a pause, a failure).
    """

    target: Revision
    fallback: Revision | None
    desired: int
    allowed: float
    batch: str
    may_create: bool
    may_replace: bool


@attrs.define
class Moves:
    """The choices of one pass, made in the order: clean up, scale down, fill up, replace."""

    view: View
    pool: Placer
    aim: Aim
    budget: Budget
    chosen: list[CreateModule | DeleteModule] = attrs.field(factory=list)
    unplaced: str = ""
    blocked: int = 0
    _created: int = 0
    _named: dict[str, str] = attrs.field(factory=dict)

    def choose(self) -> None:
        """Fill `chosen`; `unplaced` says what has no base, `blocked` counts what the budget doesn't bear."""
        self._clear_lost()
        self._clear_overlap()
        if not self.view.parent.spec.is_peer:
            self._scale_down()
        if self.aim.may_create:
            self._fill_up()
            if self.aim.may_replace:
                self._replace()

    def _room(self) -> float:
        """How many more slots may become of the target."""
        return self.aim.allowed - self.view.slots.count(Mark.UPDATED) - self._created

    def _clear_lost(self) -> None:
        """A Module whose base is gone for good has nothing left to stand for."""
        for slot in self.view.slots.marked(Mark.GONE):
            self.chosen.extend(_delete(slot.live))

    def _clear_overlap(self) -> None:
        """Take away what stands beside a Module of the target, as soon as that costs nothing or is paid for.

        A slot that waits for the target keeps one version as well: the last one, once that is available.
        """
        for slot in self.view.slots.marked(Mark.OVERLAP):
            if slot.target is None:
                self.chosen.extend(_delete(slot.live[:-1]))
                continue
            others = [module for module in slot.live if module is not slot.target]
            self.chosen.extend(_delete(module for module in others if not module.is_started))
            started = [module for module in others if module.is_started]
            if not started:
                continue
            if self._is_stuck(slot.target):
                self.chosen.extend(_delete((slot.target,)))
            elif slot.has(Mark.UPDATED_AVAILABLE) or (
                slot.target.uninstall_first and self.aim.may_replace and self._pay(slot)
            ):
                self.chosen.extend(_delete(started))

    def _is_stuck(self, target: ModuleFacts) -> bool:
        """It failed beside the version that it was installed beside, and the policy has become to uninstall that first.

        It is made anew, by the policy, when the budget bears it; to uninstall the other one now would leave the base without
        a version for as long as the failed one is not tried again.
        """
        return (
            self.aim.may_replace
            and self.view.parent.spec.strategy.upgrade_policy is UpgradePolicy.UNINSTALL_THEN_INSTALL
            and target.status is ModuleStatusWord.FAILED
            and not target.uninstall_first
        )

    def _pay(self, slot: Slot) -> bool:
        """Take the slot's availability from the budget; slots that are unavailable anyway cost nothing."""
        if not slot.has(Mark.AVAILABLE) or self.budget.take():
            return True
        self.blocked += 1
        return False

    def _scale_down(self) -> None:
        """Take surplus slots away: unavailable ones first, then old ones, then in the reverse order of placing."""
        slots = self.view.slots
        surplus = slots.count(Mark.KEPT) - self.aim.desired
        if surplus <= 0:
            return
        old = slots.count(Mark.OLD)
        if self.view.parent.spec.strategy.upgrade_policy is UpgradePolicy.SCALEUP_THEN_SCALEDOWN and old:
            # Old replicas go only for as many new ones as are available; new ones only where they are too many alone.
            keep = max(0, self.aim.desired - slots.count(Mark.UPDATED_AVAILABLE))
            self._take_slots(Mark.OLD, min(surplus, max(0, old - keep)))
            self._take_slots(Mark.UPDATED, slots.count(Mark.UPDATED) - self.aim.desired)
        else:
            self._take_slots(Mark.KEPT, surplus)

    def _take_slots(self, mark: Mark, count: int) -> None:
        if count <= 0:
            return
        scheduling = self.view.parent.spec.scheduling

        def rank(slot: Slot) -> Key:
            last = Last(self.pool.removal_rank(slot.base.uid, scheduling))
            return slot.has(Mark.AVAILABLE), not slot.has(Mark.OLD), last

        with closing(self.view.slots.ordered(mark, rank, self.pool, by=("removal", scheduling))) as candidates:
            for slot in islice(candidates, count):
                if not self._pay(slot):
                    return
                self.chosen.extend(_delete(slot.live))

    def _fill_up(self) -> None:
        """Place what is missing: the target as far as the opened batches go, else the last completed revision."""
        if self.view.parent.spec.is_peer:
            self._fill_peers()
            return
        missing = max(0, self.aim.desired - self.view.slots.count(Mark.KEPT))
        new = int(min(missing, max(0, self._room())))
        if (
            self.view.parent.spec.strategy.upgrade_policy is UpgradePolicy.SCALEUP_THEN_SCALEDOWN
            and self.aim.may_replace
        ):
            surge = min(self._room() - new, self.view.slots.count(Mark.OLD) - self._surging())
            new += int(max(0, surge))
        self._place(self.aim.target, new)
        if self.aim.fallback is not None:
            self._place(self.aim.fallback, missing - min(missing, new))

    def _surging(self) -> int:
        """Replicas of the target beyond the desired ones that are on their way to take an old one's place."""
        return max(0, self.view.slots.count(Mark.KEPT) - self.aim.desired)

    def _place(self, revision: Revision, count: int) -> None:
        if count <= 0:
            return
        module = revision.template.module.name
        placed = self.pool.place(module, count, self.view.parent.spec.scheduling)
        for uid in placed.bases:
            self.pool.assume(uid, module, self._name(revision, uid))
            self._create(revision, uid)
        if placed.unplaced:
            self.unplaced = placed.message

    def _fill_peers(self) -> None:
        module, slots = self.aim.target.template.module.name, self.view.slots
        eligible = list(self.pool.eligible_for(module))
        for uid in eligible:
            revision = self.aim.target if self._room() > 0 else self.aim.fallback
            if revision is None:
                return
            self.pool.assume(uid, module, self._name(revision, uid))
            self._create(revision, uid)
        if self.aim.desired > slots.count(Mark.KEPT) + len(eligible):
            self.unplaced = self.pool.lacking(module, len(slots) + len(eligible))

    def _name(self, revision: Revision, uid: str) -> str:
        """A Module's name, which no Module of the revision on another base has, nor one that this pass makes."""
        name = module_object_name(revision.name, uid)
        there = self.view.slots.of_revision(revision.name).get(name)
        holder = self._named.setdefault(name, uid) if there is None else there.base_uid
        return name if holder == uid else module_object_name(revision.name, uid, digits=32)

    def _create(
        self, revision: Revision, uid: str, *, uninstall_first: bool = False, replaces: Iterable[ModuleFacts] = ()
    ) -> None:
        if revision is self.aim.target:
            self._created += 1
        self.chosen.append(
            CreateModule(
                name=self._name(revision, uid),
                revision=revision,
                base_uid=uid,
                batch=self.aim.batch if revision is self.aim.target else "",
                uninstall_first=uninstall_first,
                replaces=tuple(_delete(replaces)),
            )
        )

    def _replace(self) -> None:
        """Bring the target to slots that have another revision, on their bases."""
        policy = self.view.parent.spec.strategy.upgrade_policy
        if policy is UpgradePolicy.SCALEUP_THEN_SCALEDOWN or not self.view.slots.count(Mark.OLD) or self._room() < 1:
            return
        room = int(min(self._room(), self.view.slots.count(Mark.OLD)))
        with closing(self._replaceable()) as slots:
            for slot in islice(slots, room):
                uninstall_first = policy is UpgradePolicy.UNINSTALL_THEN_INSTALL or any(
                    module.source.identity == self.aim.target.template.module.identity for module in slot.live
                )
                if uninstall_first and not self._pay(slot):
                    return
                self._create(
                    self.aim.target,
                    slot.base.uid,
                    uninstall_first=uninstall_first,
                    replaces=slot.live if uninstall_first else (),
                )

    def _replaceable(self) -> Generator[Slot]:
        """Old slots: broken ones on Ready bases, then available ones by fewest modules and name, then those on NotReady bases."""
        target = self.aim.target.name

        def rank(slot: Slot) -> Key | None:
            if any(module.replica_set == target for module in slot.modules):
                return None  # the target's own former Module is still being taken away there; its name is free when it is gone
            order = 2 if slot.base.ready_since is None else 1 if slot.has(Mark.READY) else 0
            return order, self.pool.replacement_rank(slot.base.uid)

        return self.view.slots.ordered(Mark.OLD, rank, self.pool, by=("replacement", target))


def _delete(modules: Iterable[ModuleFacts]) -> Iterator[DeleteModule]:
    return (DeleteModule(module.name, module.uid) for module in modules)
