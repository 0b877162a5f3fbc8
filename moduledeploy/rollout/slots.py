"""A family's slots: one per base with at least one of its Modules; kept up to date change by change.

`Slots` is what makes a pass cost what it does and not what there is: a change of one Module or one base reclassifies one slot,
and the counts and sets that the planner reads are adjusted by the difference.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator, Hashable, Iterator, Mapping
from contextlib import closing
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import attrs

from moduledeploy.api.kinds import FailureClass, ModuleSource, ModuleStatusWord
from moduledeploy.rollout.module_status import (
    BUSY,
    HELD,
    INSTALLING,
    UNINSTALL_FAILED,
    UNINSTALLING,
    UNREACHABLE,
    WAITING_FOR_ENDPOINTS,
)
from moduledeploy.rollout.order import Key, Order

if TYPE_CHECKING:
    from moduledeploy.rollout.view import Placer

FOREVER: Final = float("inf")
# Why a Module that is to go is still there.
_OBSTACLES: Final = frozenset(
    {BUSY, HELD, INSTALLING, UNINSTALLING, UNINSTALL_FAILED, UNREACHABLE, WAITING_FOR_ENDPOINTS}
)
Ranking = Callable[["Slot"], Key | None]


@attrs.frozen(kw_only=True)
class BaseFacts:
    """What the planner knows of a base that a Module is on.

    is_lost: it is gone, going, or has ended; nothing on it counts.
    ready_since: since when it is Ready, in seconds since the epoch; None while it isn't.
    """

    uid: str
    name: str
    is_gone: bool = False
    is_lost: bool = False
    ready_since: float | None = None


@attrs.frozen(kw_only=True)
class ModuleFacts:
    """What the planner knows of one Module of the family.

    draining_since: since when it waits, without traffic, to be uninstalled; retry_at: when a failed install is tried again.
    """

    name: str
    uid: str
    replica_set: str
    order: tuple[float, int, str]
    base_uid: str
    base_name: str
    source: ModuleSource
    status: ModuleStatusWord = ModuleStatusWord.PENDING
    reason: str = ""
    message: str = ""
    failure_class: FailureClass | None = None
    is_terminating: bool = False
    active_since: float | None = None
    slot_active_since: float | None = None
    batch: str | None = None
    uninstall_first: bool = False
    draining_since: float | None = None
    retry_at: float | None = None

    @property
    def is_started(self) -> bool:
        """It runs on its base and nobody has asked to take it away."""
        return self.status is ModuleStatusWord.AVAILABLE and not self.is_terminating

    @property
    def is_starting(self) -> bool:
        """It is neither started nor has it failed."""
        return self.status in (ModuleStatusWord.PENDING, ModuleStatusWord.UPGRADING)

    @property
    def is_unanswered(self) -> bool:
        """It is yet to start, and its base doesn't answer."""
        return self.is_starting and self.reason == UNREACHABLE

    @property
    def is_stuck(self) -> bool:
        """Somebody asked to take it away, and something keeps it."""
        return self.is_terminating and self.status is ModuleStatusWord.TERMINATING and self.reason in _OBSTACLES

    @property
    def has_failed_for_good(self) -> bool:
        """Its install failed in a way that trying again alone won't mend."""
        return self.status is ModuleStatusWord.FAILED and self.failure_class is FailureClass.PERMANENT


class Mark(StrEnum):
    """What a slot counts for; a slot has several marks."""

    KEPT = "kept"  # a Module that nobody asked to take away, on a base that isn't lost
    LOST = "lost"  # the base is lost
    GONE = "gone"  # it is so for good, and there are Modules that nobody asked to take away
    LEAVING = "leaving"  # all its Modules are terminating
    READY = "ready"  # an active version on a Ready base
    AVAILABLE = "available"  # ready for minReadySeconds
    UPDATED = "updated"  # kept, with a Module of the target revision
    UPDATED_AVAILABLE = "updated available"  # that Module is started and its base Ready, both for minReadySeconds
    FAILED = "failed"  # updated, and that Module failed permanently
    FAILING = "failing"  # updated, and that Module failed in whatever way
    OLD = "old"  # kept, without a Module of the target revision
    OVERLAP = "overlap"  # kept, with live Modules beside the one that stays, which it may be time to take away
    NOT_READY = "not ready"  # kept, on a base that isn't Ready
    INSTALLING = "installing"  # kept, with a Module that is yet to start, on a Ready base where nothing drains
    UNANSWERED = "unanswered"  # the same, but that base doesn't answer
    DRAINING = "draining"  # a version there gets no more traffic and is uninstalled after drainSeconds
    STUCK = "stuck"  # a Module there is to go and can't, and says why


@attrs.frozen
class Slot:
    """One base with the family's Modules on it, the last created one last, and what it counts for now.

    changes_at: when time alone will change its marks.
    """

    base: BaseFacts
    modules: tuple[ModuleFacts, ...]
    target: ModuleFacts | None = None
    marks: frozenset[Mark] = frozenset()
    available_at: float = FOREVER
    updated_at: float = FOREVER

    @property
    def live(self) -> tuple[ModuleFacts, ...]:
        """Modules that nobody asked to take away."""
        return tuple(module for module in self.modules if not module.is_terminating)

    @property
    def is_refused_for_capacity(self) -> bool:
        """Its base has no room for the target, which is nobody's fault."""
        return self.target is not None and self.target.failure_class is FailureClass.CAPACITY

    def has(self, mark: Mark) -> bool:
        """It counts for that."""
        return mark in self.marks

    def named(self, name: str) -> ModuleFacts | None:
        """The Module of that object name."""
        return next((module for module in self.modules if module.name == name), None)


def classify(base: BaseFacts, modules: Mapping[str, ModuleFacts], target: str, min_ready_s: float, now: float) -> Slot:
    """The slot with its marks at `now`, for the target revision (a ModuleReplicaSet's name)."""
    ordered = tuple(sorted(modules.values(), key=lambda module: module.order))
    live = [module for module in ordered if not module.is_terminating]
    new = next((module for module in live if module.replica_set == target), None)
    # What waits for the target stays at the version that was made last, as if that were still the newest.
    available_at, updated_at = _ready_times(base, live, new or (live[-1] if live else None), min_ready_s)
    marks = set[Mark]()
    if not base.is_lost and any(module.draining_since is not None for module in ordered):
        marks.add(Mark.DRAINING)
    if any(module.is_stuck for module in ordered):
        marks.add(Mark.STUCK)
    if base.is_lost:
        marks.add(Mark.LOST)
        if base.is_gone and live:
            marks.add(Mark.GONE)
    elif not live:
        marks.add(Mark.LEAVING)
    else:
        marks.add(Mark.KEPT)
        marks |= _revision_marks(live, new, is_available=updated_at <= now)
        if base.ready_since is None:
            marks.add(Mark.NOT_READY)
        elif Mark.DRAINING not in marks and any(module.is_starting for module in live):
            marks.add(Mark.UNANSWERED if any(module.is_unanswered for module in live) else Mark.INSTALLING)
        if available_at < FOREVER:
            marks.add(Mark.READY)
        if available_at <= now:
            marks.add(Mark.AVAILABLE)
        if new is not None and updated_at <= now:
            marks.add(Mark.UPDATED_AVAILABLE)
    return Slot(base, ordered, new, frozenset(marks), available_at, updated_at)


def _ready_times(
    base: BaseFacts, live: list[ModuleFacts], last: ModuleFacts | None, min_ready_s: float
) -> tuple[float, float]:
    """When the slot and when that Module of it is (or was first) available; FOREVER while that is not in sight."""
    started = [module for module in live if module.is_started]
    if base.is_lost or base.ready_since is None or not started:
        return FOREVER, FOREVER
    active = [since for module in started if (since := module.slot_active_since) is not None]
    slot_at = max(base.ready_since, min(active, default=0.0)) + min_ready_s
    if last is None or not last.is_started:
        return slot_at, FOREVER
    return slot_at, max(base.ready_since, last.active_since or 0.0) + min_ready_s


def _revision_marks(live: list[ModuleFacts], new: ModuleFacts | None, *, is_available: bool) -> set[Mark]:
    if new is None:
        return {Mark.OLD, Mark.OVERLAP} if len(live) > 1 and is_available else {Mark.OLD}
    marks = {Mark.UPDATED}
    if len(live) > 1 and (
        is_available
        or new.uninstall_first
        or new.status is ModuleStatusWord.FAILED
        or not all(module.is_started for module in live if module is not new)
    ):
        marks.add(Mark.OVERLAP)
    if new.status is ModuleStatusWord.FAILED:
        marks.add(Mark.FAILING)
    if new.has_failed_for_good:
        marks.add(Mark.FAILED)
    return marks


@attrs.define
class Slots:
    """All slots of one family, with a count and a set for every mark.

    Readers get read-only views; only `set_*`, `drop_*`, `aim` and `advance` change anything.
    """

    _target: str = ""
    _min_ready_s: float = 0.0
    _now: float = 0.0
    _slots: dict[str, Slot] = attrs.field(factory=dict)
    _modules: dict[str, dict[str, ModuleFacts]] = attrs.field(factory=dict)
    _bases: dict[str, BaseFacts] = attrs.field(factory=dict)
    _marked: dict[Mark, dict[str, None]] = attrs.field(factory=lambda: {mark: {} for mark in Mark})
    _by_revision: dict[str, dict[str, ModuleFacts]] = attrs.field(factory=dict)
    _batch_available: dict[str, int] = attrs.field(factory=dict)
    _timers: list[tuple[float, str]] = attrs.field(factory=list)
    _orders: dict[Hashable, Order] = attrs.field(factory=dict)
    module_count: int = 0

    def __len__(self) -> int:
        return len(self._slots)

    def __iter__(self) -> Iterator[Slot]:
        return iter(self._slots.values())

    def __getitem__(self, base_uid: str) -> Slot:
        return self._slots[base_uid]

    def count(self, mark: Mark) -> int:
        """How many slots have the mark."""
        return len(self._marked[mark])

    def marked(self, mark: Mark) -> Iterator[Slot]:
        """The slots that have the mark, in the order in which they got it; safe against changes made while iterating."""
        marked = self._marked[mark]
        return (self._slots[uid] for uid in list(marked)) if marked else iter(())

    def ordered(self, mark: Mark, rank: Ranking, pool: Placer, *, by: Hashable) -> Generator[Slot]:
        """The slots that have the mark, in the order of `rank`; costs what is taken and what changed since the last time.

        by: names the ranking: equal names rank alike. The iterator must be at its end or closed before anything changes.
        """
        if not self._marked[mark]:
            self._orders.pop((mark, by), None)
            return
        order = self._orders.get((mark, by))
        if order is None:
            self._orders[mark, by] = order = Order()

        def key(uid: str) -> Key | None:
            return rank(self._slots[uid]) if uid in self._marked[mark] else None

        with closing(order.first(key, self._marked[mark], pool.journal)) as uids:
            for uid in uids:
                yield self._slots[uid]

    def is_marked(self, base_uid: str, mark: Mark) -> bool:
        """The slot on that base has the mark."""
        return base_uid in self._marked[mark]

    def of_revision(self, replica_set: str) -> Mapping[str, ModuleFacts]:
        """Modules of a ModuleReplicaSet by object name."""
        return self._by_revision.get(replica_set, {})

    def revisions(self) -> Iterator[str]:
        """Names of the ModuleReplicaSets that have Modules."""
        return iter(list(self._by_revision))

    def available_in_batch(self, batch: str) -> int:
        """Updated and available slots whose target Module was made for that batch."""
        return self._batch_available.get(batch, 0)

    def set_base(self, base: BaseFacts) -> bool:
        """Take note of a base with a Module on it; whether that changed anything."""
        if base.uid not in self._modules or self._bases.get(base.uid) == base:
            return False
        self._bases[base.uid] = base
        self._reclassify(base.uid)
        return True

    def set_module(self, module: ModuleFacts, base: BaseFacts) -> None:
        """Add or replace a Module, with what is known of its base."""
        self._take_out(module.base_uid, module.name)
        self._modules.setdefault(module.base_uid, {})[module.name] = module
        self._by_revision.setdefault(module.replica_set, {})[module.name] = module
        self._bases[module.base_uid] = base
        self.module_count += 1
        self._reclassify(module.base_uid)

    def drop_module(self, base_uid: str, name: str) -> None:
        """Forget a Module; with its last one the slot is gone."""
        self._take_out(base_uid, name)
        self._reclassify(base_uid)

    def aim(self, target: str, min_ready_s: float) -> None:
        """Count for this revision from now on; costs a pass over all slots when something changed."""
        if (target, min_ready_s) != (self._target, self._min_ready_s):
            self._target, self._min_ready_s = target, min_ready_s
            self._timers.clear()
            self._orders.clear()
            for uid in list(self._modules):
                self._reclassify(uid)

    def advance(self, now: float) -> None:
        """Let time pass: slots whose minReadySeconds are over become available."""
        self._now = max(self._now, now)
        while self._timers and self._timers[0][0] <= self._now:
            self._reclassify(heapq.heappop(self._timers)[1])

    @property
    def next_change_at(self) -> float | None:
        """When time alone will change a count next; possibly earlier than that, never later."""
        return self._timers[0][0] if self._timers else None

    def _take_out(self, base_uid: str, name: str) -> None:
        modules = self._modules.get(base_uid, {})
        old = modules.pop(name, None)
        if old is None:
            return
        self.module_count -= 1
        siblings = self._by_revision[old.replica_set]
        del siblings[name]
        if not siblings:
            del self._by_revision[old.replica_set]

    def _reclassify(self, uid: str) -> None:
        for order in self._orders.values():
            order.touch(uid)
        old = self._slots.pop(uid, None)
        modules = self._modules.get(uid)
        if not modules:
            self._modules.pop(uid, None)
            self._bases.pop(uid, None)
            self._adjust(uid, old, None)
            return
        new = classify(self._bases[uid], modules, self._target, self._min_ready_s, self._now)
        self._slots[uid] = new
        self._adjust(uid, old, new)
        for moment in {new.available_at, new.updated_at}:
            if self._now < moment < FOREVER:
                heapq.heappush(self._timers, (moment, uid))

    def _adjust(self, uid: str, old: Slot | None, new: Slot | None) -> None:
        before = old.marks if old else frozenset[Mark]()
        after = new.marks if new else frozenset[Mark]()
        for mark in before - after:
            del self._marked[mark][uid]
        for mark in after - before:
            self._marked[mark][uid] = None
        for slot, step in ((old, -1), (new, 1)):
            if slot is not None and slot.target is not None and slot.has(Mark.UPDATED_AVAILABLE):
                batch = slot.target.batch or ""
                self._batch_available[batch] = self._batch_available.get(batch, 0) + step
                if not self._batch_available[batch]:
                    del self._batch_available[batch]

    def check_invariants(self) -> None:
        """Raise AssertionError unless the counts are those of slots classified from scratch."""
        for mark in Mark:
            assert set(self._marked[mark]) == {uid for uid, slot in self._slots.items() if mark in slot.marks}, mark
        for uid, slot in self._slots.items():
            fresh = classify(self._bases[uid], self._modules[uid], self._target, self._min_ready_s, self._now)
            assert fresh == slot, uid
        assert self.module_count == sum(len(modules) for modules in self._modules.values())
