"""How many replicas each batch of a rollout takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from moduledeploy.api.status import Release, ReleaseKind

if TYPE_CHECKING:
    from moduledeploy.api.spec import Strategy


def split(replicas: int, parts: int) -> tuple[int, ...]:
    """Sizes that sum to `replicas`, differ by at most 1, smaller first, none empty; fewer than `parts` when replicas are few."""
    if replicas <= 0:
        return ()
    parts = min(parts, replicas)
    size, bigger = divmod(replicas, parts)
    return (size,) * (parts - bigger) + (size + 1,) * bigger


def batches_left(replicas: int, strategy: Strategy, kind: ReleaseKind, opened: int) -> tuple[int, ...]:
    """Sizes of the batches that are still to open, when `opened` are and `replicas` are not yet in one of them.

    Since the sizes of a split grow by its end, splitting what is left over the batches that are left gives what the first
    split gave: the plan needs no memory beyond the sizes of opened batches.
    """
    if replicas <= 0:
        return ()
    parts = strategy.batch_count
    if kind is ReleaseKind.SCALE:
        return split(replicas, max(1, parts - opened)) if strategy.batch_scaling else (replicas,)
    if strategy.use_beta and opened == 0:
        return (1, *split(replicas - 1, max(1, parts - 1)))
    return split(replicas, max(1, parts - opened))


def resize(release: Release, strategy: Strategy, desired: int) -> Release:
    """The release with its unopened batches planned anew for the desired replicas; opened ones keep their sizes.

    Scaling at once is one batch of all, whose size follows.
    """
    opened = () if scales_at_once(release, strategy) else release.batches[: release.current_batch]
    left = desired - release.initial_updated - sum(opened)
    batches = opened + batches_left(left, strategy, release.kind, len(opened))
    if batches == release.batches:
        return release
    return attrs.evolve(release, batches=batches, current_batch=min(release.current_batch, len(batches)))


def scales_at_once(release: Release, strategy: Strategy) -> bool:
    """It changes the number of replicas of a completed revision, without batches."""
    return release.kind is ReleaseKind.SCALE and not strategy.batch_scaling
