"""Metrics that rollouts move, told from the status before and after a pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from moduledeploy.api.spec import OnFailure
from moduledeploy.api.status import DeploymentStatus, Progress, Release

if TYPE_CHECKING:
    from moduledeploy.runtime.metrics import RolloutMetrics

_WAITS: Final = {
    Progress.WAITING_FOR_CONFIRMATION: "confirmation",
    Progress.PAUSED: "paused",
    Progress.GRAY_WAITING: "interval",
}
_DECISIONS: Final = {OnFailure.PAUSE: "failed", OnFailure.ABORT: "aborted", OnFailure.ROLLBACK: "rolled_back"}


@attrs.frozen
class RolloutCounters:
    """Counts rollouts, batches and waits as they end."""

    metrics: RolloutMetrics

    def observe_pass(self, before: DeploymentStatus, after: DeploymentStatus, now: float) -> None:
        """Move what ended between two statuses of one ModuleDeployment; `now` is in seconds since the epoch."""
        old, new = before.release, after.release
        if old is None or new is None:
            return
        wait = _WAITS.get(old.progress)
        if wait is not None and new.progress is not old.progress:
            self.metrics.wait_duration.labels(wait).observe(max(0.0, now - old.transition_at))
        result = _result(old, new)
        if result is not None:
            self.metrics.rollouts.labels(result).inc()
            self.metrics.duration.labels(result).observe(max(0.0, now - old.started_at))
        if _is_same(old, new) and new.batch_done and not old.batch_done:
            self.metrics.batch_duration.labels("completed").observe(max(0.0, now - old.transition_at))


def _is_same(old: Release, new: Release) -> bool:
    return (old.revision, old.started_at) == (new.revision, new.started_at)


def _result(old: Release, new: Release) -> str | None:
    """What a rollout came to in this step, None while it goes on."""
    if not _is_same(old, new):
        return "superseded" if old.progress not in (Progress.COMPLETED, Progress.FAILED, Progress.ABORTED) else None
    if new.progress is Progress.COMPLETED and old.progress is not Progress.COMPLETED:
        return "completed"
    if new.failure is not None and old.failure is None:
        return _DECISIONS[new.failure.decision]
    return None
