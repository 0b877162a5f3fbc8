"""The rules that a pass keeps whatever happens, checked by counting of our own beside the planner's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from moduledeploy.api.status import ReleaseKind
from moduledeploy.rollout.actions import CreateModule, CreateRevision, WriteGate
from moduledeploy.rollout.gate import GateWrite, token

if TYPE_CHECKING:
    from moduledeploy.api.kinds import ModuleSource
    from moduledeploy.api.status import Release
    from moduledeploy.rollout.plan import Plan
    from moduledeploy.rollout.view import View
    from tests.rollout.world import World


@attrs.define
class Rules:
    """Told what people do and what each pass made of it.

    confirmed: gates that a person opened; due_at: when the gray time of the current batch is over, by our own clock.
    """

    confirmed: set[str] = attrs.field(factory=set)
    is_done: bool = False
    due_at: float = 0.0
    _updated: int = 0

    def person_edits(self, world: World, spec: dict[str, object]) -> None:
        """Before an edit: taking the controller's pause away confirms what it stands for."""
        if "pause" in spec and not spec["pause"] and world.spec.get("pause") and world.waiting:
            self.confirmed.add(world.waiting)

    def person_counts(self, world: World, number: int) -> None:
        """Before confirmBatchNum is written: it confirms up to that batch if it is another number than before."""
        if world.status.release is not None and world.spec.get("confirmBatchNum") != number:
            self.confirmed |= {token(world.status.release.revision, batch) for batch in range(number + 1)}

    def forget(self) -> None:
        """The object is deleted: what comes under its name begins anew."""
        self.confirmed.clear()
        self.is_done, self.due_at, self._updated = False, 0.0, 0

    def check(self, view: View, plan: Plan, world: World) -> None:
        """After the writes of a pass, before its status."""
        new = plan.status.release
        if new is None or any(isinstance(action, CreateRevision) for action in plan.actions):
            return  # nothing was decided: the newest template has no revision yet
        if view.parent.is_terminating:
            return  # whatever the batches, gates and budget
        old = view.parent.status.release
        self._check_pause(view, plan, old, new)
        self._check_sizes(view, old, new, world)
        self.due_at = min(self.due_at, world.now + view.parent.spec.strategy.gray_time_s)  # it can be made shorter
        if old is None or not _goes_on(old, new):
            self.is_done, self.due_at = False, 0.0
            self.confirmed = {gate for gate in self.confirmed if old is not None and old.revision == new.revision}
        elif old.current_batch < new.current_batch:
            self._check_opening(view, old, new, world)
            self.is_done, self.due_at = False, 0.0
        else:
            self._look_at_batch(view, new, world)

    def _check_opening(self, view: View, old: Release, new: Release, world: World) -> None:
        """A batch after the first begins when the one before is done, confirmed, and its gray time over."""
        assert new.current_batch == old.current_batch + 1
        assert not new.failure, "a batch begins after a failure"
        if old.current_batch == 0:
            return
        assert world.now >= self.due_at, f"the gray time ends at {self.due_at} and it is {world.now}"
        if view.parent.spec.strategy.need_confirm:
            gate = token(new.revision, old.current_batch)
            assert gate in self.confirmed, f"{gate} was not confirmed"

    def _look_at_batch(self, view: View, release: Release, world: World) -> None:
        done = self._is_batch_done(view, release, world)
        if done and not self.is_done and release.batch_done and not release.is_last_batch:
            self.due_at = world.now + view.parent.spec.strategy.gray_time_s
        if not done:
            assert not release.batch_done, f"a batch counts as done that isn't: {release}"
            self.due_at = 0.0
        self.is_done = done

    @staticmethod
    def _is_batch_done(view: View, release: Release, world: World) -> bool:
        """By the objects themselves, as the pass saw them."""
        source, spec = view.parent.spec.template.module, view.parent.spec
        live = [module for module in world.modules.values() if module.source == source]
        good, bad = 0, 0
        for module in live:
            jvm = world.jvms[module.base_uid]
            since = module.status.activeSince
            is_ready = since is not None and max(since.timestamp(), jvm.ready_since) + spec.min_ready_s <= world.now
            if jvm.gone:
                continue
            bad += module.status.status == "Failed"
            good += module.status.status == "Available" and jvm.ready and is_ready
        goal = min(release.opened, view.desired)
        return good >= goal - min(bad, spec.strategy.failure_threshold)

    @staticmethod
    def _check_pause(view: View, plan: Plan, old: Release | None, new: Release) -> None:
        """A pause holds what replaces a replica by a newer revision, and the next replicas of a first deployment."""
        taken_back = any(isinstance(a, WriteGate) and a.write is GateWrite.TAKE_BACK for a in plan.actions)
        if not view.parent.spec.pause or taken_back or new.failure is not None:
            return
        newest = view.parent.spec.template
        for action in plan.actions:
            if isinstance(action, CreateModule) and action.revision.template == newest:
                assert not action.replaces, f"{action.name} replaces while paused"
                assert not _has_another(view, action.base_uid, newest.module), f"{action.name} replaces while paused"
        if _goes_on(old, new) and old is not None and new.kind is ReleaseKind.DEPLOY:
            assert new.current_batch <= old.current_batch, "a batch begins while paused"

    def _check_sizes(self, view: View, old: Release | None, release: Release, world: World) -> None:
        """Never more replicas of the newest revision than the opened batches allow."""
        source = view.parent.spec.template.module
        bases = {m.base_uid for m in world.modules.values() if m.source == source and not m.terminating}
        updated = len({uid for uid in bases if not world.jvms[uid].gone})
        is_bound = _goes_on(old, release) and not release.is_last_batch and release.failure is None
        assert not is_bound or updated <= max(release.opened, self._updated), (
            f"{updated} are updated, {release.opened} may be"
        )
        self._updated = updated


def _goes_on(old: Release | None, new: Release) -> bool:
    """It is the same rollout still."""
    return old is not None and (old.revision, old.started_at) == (new.revision, new.started_at)


def _has_another(view: View, base_uid: str, newest: ModuleSource) -> bool:
    """The base serves with a replica of another revision that nobody took away."""
    slot = next((slot for slot in view.slots if slot.base.uid == base_uid), None)
    return slot is not None and any(m.is_started and m.source != newest for m in slot.live)
