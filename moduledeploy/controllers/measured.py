"""What the controllers do, measured where it happens: placements, and the way of each Module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from moduledeploy.api.kinds import ModuleStatusWord
from moduledeploy.api.times import at

if TYPE_CHECKING:
    from collections.abc import Callable

    from moduledeploy.api.kinds import Module
    from moduledeploy.api.spec import SchedulingPolicy
    from moduledeploy.kube.informer import Change
    from moduledeploy.placement.decision import Placement
    from moduledeploy.placement.journal import Journal
    from moduledeploy.placement.pool import Pool, Rank
    from moduledeploy.runtime.clock import Clock
    from moduledeploy.runtime.metrics import PlacementMetrics, RolloutMetrics

PLACED: Final = "placed"
UNSCHEDULABLE: Final = "unschedulable"


@attrs.frozen
class MeasuredPool:
    """A pool as the planner uses it; its placements are counted and timed."""

    pool: Pool
    metrics: PlacementMetrics
    clock: Clock

    def place(self, module_name: str, count: int, policy: SchedulingPolicy) -> Placement:
        """As `Pool.place`."""
        began_at = self.clock.monotonic()
        placed = self.pool.place(module_name, count, policy)
        self.metrics.duration.labels(policy.value).observe(self.clock.monotonic() - began_at)
        self.metrics.decisions.labels(policy.value, PLACED).inc(len(placed.bases))
        self.metrics.decisions.labels(policy.value, UNSCHEDULABLE).inc(placed.unplaced)
        return placed

    def eligible_for(self, module_name: str) -> list[str]:
        """As `Pool.eligible_for`."""
        return self.pool.eligible_for(module_name)

    def lacking(self, module_name: str, own: int) -> str:
        """As `Pool.lacking`."""
        return self.pool.lacking(module_name, own)

    def assume(self, uid: str, module_name: str, holder: str) -> None:
        """As `Pool.assume`."""
        self.pool.assume(uid, module_name, holder)

    def removal_rank(self, uid: str, policy: SchedulingPolicy) -> Rank:
        """As `Pool.removal_rank`."""
        return self.pool.removal_rank(uid, policy)

    def replacement_rank(self, uid: str) -> Rank:
        """As `Pool.replacement_rank`."""
        return self.pool.replacement_rank(uid)

    @property
    def journal(self) -> Journal:
        """As `Pool.journal`."""
        return self.pool.journal


@attrs.frozen
class ModuleDurations:
    """Observes how long each Module took from its creation to its first Available, and from its deletion to its end.

    Creation and deletion are known to the second. Only who leads observes: two would count everything twice.
    """

    metrics: RolloutMetrics
    clock: Clock
    is_leading: Callable[[], bool]

    def on_module(self, change: Change[Module]) -> None:
        """A Module came, changed or went."""
        if change.old is None or not self.is_leading():
            return
        if change.new is None:
            self._observe("uninstall", at(change.old.metadata.deletionTimestamp), self.clock.wall())
        elif change.old.status.activeSince is None and change.new.status.status == ModuleStatusWord.AVAILABLE:
            status = change.new.status
            active = at(status.activeSince)
            was_served = status.slotActiveSince is not None and status.slotActiveSince != status.activeSince
            self._observe("replace" if was_served else "install", at(change.new.metadata.creationTimestamp), active)

    def _observe(self, operation: str, begin: float | None, end: float | None) -> None:
        if begin is not None and end is not None:
            self.metrics.module_ready_duration.labels(operation).observe(max(0.0, end - begin))
