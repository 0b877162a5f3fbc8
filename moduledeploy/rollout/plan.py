"""One pass over a family: from what is there to what is to be written, without any I/O.

The order of a pass: which revision, where its rollout stands, whether the current batch is done, whether somebody or some time
is awaited, whether it failed, whether the next batch opens; then which Modules to make and to take away; then the status.
Whatever decides over later passes (an opened batch, a confirmation, a failure's decision) goes to status before anything is
done about it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from moduledeploy.api.revision import revision_hash
from moduledeploy.api.spec import OnFailure, UpgradePolicy
from moduledeploy.api.status import DeploymentStatus, Progress, Release, ReleaseKind
from moduledeploy.rollout import actions
from moduledeploy.rollout.batches import scales_at_once
from moduledeploy.rollout.budget import Budget, resolve_max_unavailable
from moduledeploy.rollout.failure import deadline_at, find_drained_at, judge, run_clock
from moduledeploy.rollout.gate import Gate, GateWrite, give_up, read_gate, token
from moduledeploy.rollout.moves import Aim, Moves
from moduledeploy.rollout.numbers import number_all
from moduledeploy.rollout.release import allowed, batch_key, complete, is_batch_done, is_complete, next_release
from moduledeploy.rollout.report import Findings, report
from moduledeploy.rollout.service import plan_service
from moduledeploy.rollout.slots import Mark
from moduledeploy.rollout.transitions import EventFact, transitions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from moduledeploy.rollout.view import Placer, Revision, View


@attrs.frozen(kw_only=True)
class Plan:
    """What one pass wants.

    actions: in the order in which they are carried out; status_first: the status goes before them.
    wake_at: when to look again though nothing happened, in seconds since the epoch.
    lacks_base: a replica found no base; look again when a base can take more than before.
    """

    actions: tuple[actions.Action, ...] = ()
    status: DeploymentStatus
    status_first: bool = False
    events: tuple[EventFact, ...] = ()
    wake_at: float | None = None
    lacks_base: bool = False


def plan(view: View, pool: Placer, now: float) -> Plan:
    """The plan of one pass at `now` (seconds since the epoch). What it places is assumed in the pool at once."""
    parent = view.parent
    if parent.is_terminating:
        return _plan_deletion(view, now)
    if parent.is_deployment and not parent.has_finalizer:
        return Plan(actions=(actions.AddFinalizer(),), status=parent.status)
    if view.orphans:
        return Plan(actions=view.orphans, status=parent.status)
    services = plan_service(parent, view.services)
    if services.conflict and not view.conflict:
        view = attrs.evolve(view, conflict=services.conflict)
    target = find_revision(view)
    if target is None:
        return _plan_revision(view, now)
    numbers = number_all(view.revisions, target) if parent.is_deployment else {target.name: target.number}
    target = attrs.evolve(target, number=numbers[target.name])
    made = _Pass(view=view, pool=pool, now=now, target=target, numbers=numbers).run()
    return attrs.evolve(made, actions=(*services.actions, *made.actions))


def find_revision(view: View) -> Revision | None:
    """The revision of the newest template: the oldest ModuleReplicaSet that holds an equal one."""
    if not view.parent.is_deployment:
        return view.revisions.get(view.parent.name)
    template = view.parent.spec.template
    equal = [revision for revision in view.revisions.values() if revision.template == template]
    return min(equal, key=lambda revision: (revision.created_at, revision.name), default=None)


def _plan_revision(view: View, now: float) -> Plan:
    """Make the ModuleReplicaSet of a new template; where its name is taken by another template, count one collision up.

    One that is being deleted without its Modules is made again under its name, by which they are taken over.
    """
    parent, status = view.parent, view.parent.status
    name = f"{parent.name}-{revision_hash(parent.spec.template, status.collision_count)}"
    if name in view.letting_go:
        return Plan(status=status)
    if name in view.revisions or name in view.taken:
        return Plan(status=attrs.evolve(status, collision_count=status.collision_count + 1), wake_at=now)
    number = max((revision.number for revision in view.revisions.values()), default=0) + 1
    create = actions.CreateRevision(name=name, number=number, template=parent.spec.template, replicas=0)
    return Plan(actions=(create,), status=status)


def _plan_deletion(view: View, now: float) -> Plan:
    """Take everything away, whatever the pause, gates and budget; then let the parent go."""
    parent, slots = view.parent, view.slots
    slots.advance(now)
    chosen: list[actions.Action] = []
    gate = give_up(parent)
    if gate.write is not None:
        chosen.append(actions.WriteGate(gate.write, token=""))
    if not parent.is_orphaning:
        for mark in (Mark.KEPT, Mark.LOST):
            for slot in slots.marked(mark):
                chosen.extend(actions.DeleteModule(module.name, module.uid) for module in slot.live)
    is_over = parent.is_orphaning or not slots.module_count
    if parent.is_deployment and parent.has_finalizer and is_over and gate.write is None:
        chosen.append(actions.RemoveFinalizer())
    limit = parent.status.max_unavailable
    status = report(view, Findings(release=parent.status.release, limit=limit, is_terminating=True), now)
    return Plan(actions=tuple(chosen), status=status, events=transitions(parent, status, terminating=True))


@attrs.define(kw_only=True)
class _Pass:
    """The steps of one pass, each of which reads what those before it found."""

    view: View
    pool: Placer
    now: float
    target: Revision
    numbers: Mapping[str, int]

    def run(self) -> Plan:
        view, slots, now = self.view, self.view.slots, self.now
        old = self._standing(view.parent.status.release)
        aimed = self._rolled_back_to(old) or self.target
        slots.advance(now)
        slots.aim(aimed.name, view.parent.spec.min_ready_s)
        release = next_release(
            old, target=self.target.name, desired=view.desired, slots=slots, spec=view.parent.spec, now=now
        )
        if not view.parent.is_deployment:
            release = attrs.evolve(release, kind=ReleaseKind.SCALE)  # it has one size and no gates
        if aimed is not self.target:
            return self._finish(release, aimed, give_up(view.parent), awaits="")
        if release.failure is None and old is not None and _was_lifted(view.parent.status.release, old):
            return self._try_again(release)
        release = self._look_at_batch(release)
        gate = read_gate(view.parent, release, is_done=release.batch_done)
        if gate.confirms:
            release = attrs.evolve(release, confirmed_batch=release.current_batch)
        if release.failure is None:
            release = attrs.evolve(release, failure=judge(view.parent, release, slots, now))
        awaits = self._held_by(release, gate)
        if not awaits and not release.is_last_batch:
            release = attrs.evolve(release, current_batch=release.current_batch + 1, batch_done=False, gray_until=None)
        return self._finish(release, self.target, gate, awaits)

    def _standing(self, release: Release | None) -> Release | None:
        """The release with its failure's decision, unless the retry annotation lifted it."""
        if release is None or release.failure is None or release.failure.retry == self.view.parent.retry:
            return release
        if release.failure.decision is OnFailure.ROLLBACK:
            return attrs.evolve(release, revision="", failure=None)  # begins anew: its replicas have gone back
        clock = attrs.evolve(release.deadline, progressed_at=self.now, held_at=None)
        return attrs.evolve(release, failure=None, deadline=clock, progress=Progress.EXECUTING, transition_at=self.now)

    def _try_again(self, release: Release) -> Plan:
        """The pass that lifts a failure's decision: failed Modules go, so that they are made and tried anew."""
        slots = self.view.slots
        failing = [slot.target for slot in slots.marked(Mark.FAILING) if slot.target is not None]
        limit = self.view.parent.status.max_unavailable
        status = report(self.view, Findings(release=release, limit=limit, aimed=self.target), self.now)
        return Plan(
            actions=tuple(actions.DeleteModule(module.name, module.uid) for module in failing),
            status=status,
            events=transitions(self.view.parent, status),
            wake_at=self.now,
        )

    def _rolled_back_to(self, release: Release | None) -> Revision | None:
        """The revision to go back to, when that was decided and there is one."""
        if release is None or release.revision != self.target.name or release.failure is None:
            return None
        if release.failure.decision is not OnFailure.ROLLBACK or release.completed_revision == self.target.name:
            return None
        return self.view.revisions.get(release.completed_revision)

    def _look_at_batch(self, release: Release) -> Release:
        """Whether the opened batch is done now, and the gray time that begins when it becomes so.

        A gray time that is made shorter meanwhile ends as if it began with that.
        """
        strategy = self.view.parent.spec.strategy
        key = batch_key(self.target.number, release.current_batch)
        done = release.current_batch > 0 and is_batch_done(
            release, self.view.slots, desired=self.view.desired, threshold=strategy.failure_threshold, key=key
        )
        if done == release.batch_done:
            at_most = self.now + strategy.gray_time_s
            return release if (release.gray_until or 0) <= at_most else attrs.evolve(release, gray_until=at_most)
        gray = done and not release.is_last_batch and strategy.gray_time_s > 0
        return attrs.evolve(release, batch_done=done, gray_until=self.now + strategy.gray_time_s if gray else None)

    def _held_by(self, release: Release, gate: Gate) -> str:
        """What the next batch waits for, in words; empty when it may open or none is left."""
        parent = self.view.parent
        if release.is_last_batch:
            return ""
        if release.failure is not None and not scales_at_once(release, parent.spec.strategy):
            return "a person: the rollout has failed"
        if self.view.conflict or self.view.refusal or self.view.base_deployment is None:
            return "the obstacle to go"
        if release.current_batch > 0 and not release.batch_done:
            return "its replicas"
        if release.kind is ReleaseKind.DEPLOY and gate.is_user_paused:
            return "the pause to end: set spec.pause to false"
        if gate.is_waiting:
            return "confirmation: set spec.pause to false"
        if release.gray_until is not None and self.now < release.gray_until:
            return "the gray time to end"
        if self.view.base_deployment.is_rolling and release.kind is ReleaseKind.DEPLOY:
            return f"base Deployment {parent.spec.base_deployment}, which is rolling"
        return ""

    def _finish(self, release: Release, aimed: Revision, gate: Gate, awaits: str) -> Plan:
        view, slots, parent = self.view, self.view.slots, self.view.parent
        limit = resolve_max_unavailable(
            parent.spec.max_unavailable,
            view.desired,
            takes_away=self._takes_away(aimed),
        )
        budget = Budget(desired=view.desired, max_unavailable=limit, available=slots.count(Mark.AVAILABLE))
        moves = Moves(view=view, pool=self.pool, aim=self._aim(release, aimed, gate), budget=budget)
        moves.choose()
        if is_complete(release, slots, desired=view.desired) and not moves.chosen and aimed is self.target:
            release = complete(release, view.desired, self.now)
        drained_at = find_drained_at(slots, parent.spec.strategy.drain_s)
        release = run_clock(
            self._with_progress(release, gate), slots, self.now, desired=view.desired, drained_at=drained_at
        )
        findings = Findings(
            release=release,
            limit=limit,
            awaits=awaits,
            aimed=aimed,
            unplaced=moves.unplaced,
            blocked=moves.blocked,
            is_own_pause=gate.is_waiting,
            drained_at=drained_at,
        )
        status = report(view, findings, self.now)
        return Plan(
            actions=(
                *self._gate_write(gate, release),
                *self._revisions(release, aimed),
                *moves.chosen,
                *self._history(release),
            ),
            status=status,
            status_first=_decides(parent.status.release, release),
            events=transitions(parent, status),
            wake_at=self._wake_at(release, drained_at),
            lacks_base=bool(moves.unplaced) or parent.spec.is_peer,
        )

    def _takes_away(self, aimed: Revision) -> bool:
        """Replacing uninstalls first: by the policy, or since Arklet can't have one name and version twice."""
        policy = self.view.parent.spec.strategy.upgrade_policy
        if policy is not UpgradePolicy.INSTALL_THEN_UNINSTALL:
            return policy is UpgradePolicy.UNINSTALL_THEN_INSTALL
        slots, identity = self.view.slots, aimed.template.module.identity
        others = (slots.of_revision(name).values() for name in slots.revisions() if name != aimed.name)
        return any(next(iter(modules)).source.identity == identity for modules in others)

    def _aim(self, release: Release, aimed: Revision, gate: Gate) -> Aim:
        parent, failure = self.view.parent, release.failure
        rolled_back = aimed is not self.target
        failed_again = self.view.slots.count(Mark.FAILED) > parent.spec.strategy.failure_threshold
        paused = bool(parent.spec.pause) and gate.write is not GateWrite.TAKE_BACK
        fallback = self.view.revisions.get(release.completed_revision)
        aborted = failure is not None and failure.decision is OnFailure.ABORT
        return Aim(
            target=aimed,
            fallback=None if release.completed_revision == aimed.name else fallback,
            desired=self.view.desired,
            allowed=float("inf") if rolled_back else self._aborted_size(release) if aborted else allowed(release),
            batch=batch_key(aimed.number, release.current_batch),
            may_create=not (self.view.conflict or self.view.refusal or self.view.base_deployment is None),
            may_replace=not failed_again if rolled_back else failure is None and not paused,
        )

    def _aborted_size(self, release: Release) -> float:
        """After an abort the target keeps the replicas that it had: as many as its ModuleReplicaSet was cut down to.

        Whatever somebody else writes there is bounded by what there is and by what the opened batches allow.
        Without another revision to fall back on it takes all.
        """
        if release.completed_revision == release.revision:
            return allowed(release)
        was = self.view.parent.status.release
        decided = was is not None and was.failure is not None and was.revision == release.revision
        updated = self.view.slots.count(Mark.UPDATED)
        return min(max(self.target.replicas, updated), release.opened) if decided else updated

    def _with_progress(self, release: Release, gate: Gate) -> Release:
        progress = self._progress(release, gate)
        if progress is release.progress:
            return release
        return attrs.evolve(release, progress=progress, transition_at=self.now)

    def _progress(self, release: Release, gate: Gate) -> Progress:
        if release.failure is not None:
            return Progress.ABORTED if release.failure.decision is OnFailure.ABORT else Progress.FAILED
        if release.progress is Progress.COMPLETED:
            return Progress.COMPLETED
        if gate.is_user_paused and release.kind is ReleaseKind.DEPLOY:
            return Progress.PAUSED
        if release.batch_done and not release.is_last_batch:
            if gate.is_waiting:
                return Progress.WAITING_FOR_CONFIRMATION
            if release.gray_until is not None and self.now < release.gray_until:
                return Progress.GRAY_WAITING
        return Progress.EXECUTING if release.current_batch or release.is_last_batch else Progress.INIT

    def _gate_write(self, gate: Gate, release: Release) -> Iterator[actions.Action]:
        if gate.write is not None:
            yield actions.WriteGate(gate.write, token(release.revision, release.current_batch))

    def _revisions(self, release: Release, aimed: Revision) -> Iterator[actions.Action]:
        """Every revision with its number and the replicas it is to have now."""
        if not self.view.parent.is_deployment:
            return
        sizes = self._sizes(release, aimed)
        for revision in self.view.revisions.values():
            number, replicas = self.numbers[revision.name], sizes.get(revision.name, 0)
            if revision.is_edited or (number, replicas) != (revision.number, revision.replicas):
                yield actions.AdjustRevision(name=revision.name, number=number, replicas=replicas)

    def _sizes(self, release: Release, aimed: Revision) -> dict[str, int]:
        desired = self.view.desired
        if aimed is not self.target:
            return {aimed.name: desired}
        aborted = release.failure is not None and release.failure.decision is OnFailure.ABORT
        bound = self._aborted_size(release) if aborted else allowed(release)
        new = int(min(desired, bound))
        return {release.completed_revision: desired - new, self.target.name: new}

    def _history(self, release: Release) -> Iterator[actions.Action]:
        """Old revisions without replicas beyond the history limit go, once the rollout is complete."""
        if release.progress is not Progress.COMPLETED or not self.view.parent.is_deployment:
            return
        unused = [
            revision
            for revision in self.view.revisions.values()
            if revision.name not in (self.target.name, release.completed_revision)
            and not revision.replicas
            and not self.view.slots.of_revision(revision.name)
        ]
        unused.sort(key=lambda revision: revision.number, reverse=True)
        for revision in unused[self.view.parent.spec.revision_history_limit :]:
            yield actions.DeleteRevision(revision.name, revision.uid)

    def _wake_at(self, release: Release, drained_at: float) -> float | None:
        moments = [self.view.slots.next_change_at, release.gray_until, drained_at]
        if release.progress is not Progress.COMPLETED:
            moments.append(deadline_at(release, self.view.parent.spec.progress_deadline_s))
        return min((moment for moment in moments if moment is not None and moment > self.now), default=None)


def _was_lifted(before: Release | None, after: Release) -> bool:
    """There was a decision that no longer stands for the same rollout."""
    return (
        before is not None
        and before.failure is not None
        and after.failure is None
        and before.revision == after.revision
    )


def _decides(before: Release | None, after: Release) -> bool:
    """Something changed by which later passes go; it must be in status before anything is done about it."""
    if before is None:
        return True

    def memory(release: Release) -> tuple[object, ...]:
        return (
            release.revision,
            release.kind,
            release.current_batch,
            release.confirmed_batch,
            release.failure,
            release.batches,
        )

    return memory(before) != memory(after)
