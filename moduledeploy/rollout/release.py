"""The batch cursor: when a rollout begins, which batches are opened, when one is done, when all is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from moduledeploy.api.status import Deadline, Progress, Release, ReleaseKind
from moduledeploy.rollout.batches import resize
from moduledeploy.rollout.slots import FOREVER, Mark, Slots

if TYPE_CHECKING:
    from moduledeploy.api.spec import DeploymentSpec


def next_release(
    old: Release | None, *, target: str, desired: int, slots: Slots, spec: DeploymentSpec, now: float
) -> Release:
    """The release for the target revision and the desired replicas: the old one carried on, or a new one.

    `slots` count for the target. A new template begins a new rollout in which replicas that are of that revision already
    need no batch; another number of replicas of a completed revision begins a rollout that scales.
    """
    if old is None or old.revision != target:
        updated = min(slots.count(Mark.UPDATED), desired)
        return resize(_begin(old, target, ReleaseKind.DEPLOY, updated, slots, spec, now), spec.strategy, desired)
    if old.progress is Progress.COMPLETED and desired != old.initial_updated + sum(old.batches):
        return _rescale(old, desired, slots, spec, now)
    if spec.confirm_batch_num != old.confirm_num_seen:
        old = attrs.evolve(old, confirm_num_seen=None)
    return resize(old, spec.strategy, desired)


def _begin(
    old: Release | None, target: str, kind: ReleaseKind, updated: int, slots: Slots, spec: DeploymentSpec, now: float
) -> Release:
    return Release(
        revision=target,
        kind=kind,
        completed_revision=old.completed_revision if old else "",
        initial_updated=updated,
        confirm_num_seen=spec.confirm_batch_num,
        transition_at=now,
        started_at=now,
        peak_available=old.peak_available if old else 0,
        deadline=Deadline(high_water=slots.count(Mark.UPDATED_AVAILABLE), progressed_at=now),
    )


def _rescale(old: Release, desired: int, slots: Slots, spec: DeploymentSpec, now: float) -> Release:
    """A release that scales; growth of a revision that never completed with a replica is a first deployment."""
    planned = old.initial_updated + sum(old.batches)
    kind = ReleaseKind.SCALE if old.completed_revision == old.revision else ReleaseKind.DEPLOY
    return resize(_begin(old, old.revision, kind, min(planned, desired), slots, spec, now), spec.strategy, desired)


def allowed(release: Release) -> float:
    """How many replicas may be of the new revision; no bound once every batch is opened (bases that join take it too)."""
    return FOREVER if release.is_last_batch else release.opened


def batch_key(number: int, batch: int) -> str:
    """What a Module carries that was made for this batch of this revision number."""
    return f"{number}/{batch}"


def is_batch_done(release: Release, slots: Slots, *, desired: int, threshold: int, key: str) -> bool:
    """All replicas that the opened batches allow are updated and available, less failed ones up to the threshold.

    Where the threshold is made use of, at least one of the batch's own must be available: a batch of which nothing came up
    is never done.
    """
    goal = min(release.opened, desired)
    available = slots.count(Mark.UPDATED_AVAILABLE)
    if available >= goal:
        return True
    forgiven = min(slots.count(Mark.FAILING), threshold)
    return available >= goal - forgiven and slots.available_in_batch(key) >= 1


def is_complete(release: Release, slots: Slots, *, desired: int) -> bool:
    """Every batch is opened, the desired replicas of the new revision are available, and there is nothing else."""
    return (
        release.is_last_batch
        and slots.count(Mark.UPDATED_AVAILABLE) >= desired
        and slots.count(Mark.UPDATED) == len(slots) == slots.module_count
    )


def complete(release: Release, desired: int, now: float) -> Release:
    """The release after it completed; only with a replica does its revision become the one to fall back on."""
    if release.progress is not Progress.COMPLETED:
        release = attrs.evolve(release, transition_at=now)
    return attrs.evolve(
        release,
        progress=Progress.COMPLETED,
        batch_done=True,
        gray_until=None,
        completed_revision=release.revision if desired > 0 else release.completed_revision,
    )
