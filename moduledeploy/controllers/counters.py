"""Metrics that rollouts move, told from the status before and after a pass."""

from __future__ import annotations

from collections import OrderedDict
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


_REMEMBERED: Final = 10_000  # rollouts under way whose waits are known
_Rollout = tuple[str, str, float]  # selector of the family, revision, begin


@attrs.frozen
class RolloutCounters:
    """Counts rollouts, batches and waits as they end.

    What a rollout waited is known since this process leads; earlier waits count as active time.
    """

    metrics: RolloutMetrics
    _waited_s: OrderedDict[_Rollout, float] = attrs.field(factory=OrderedDict, init=False)

    def observe_pass(self, before: DeploymentStatus, after: DeploymentStatus, now: float) -> None:
        """Move what ended between two statuses of one ModuleDeployment; `now` is in seconds since the epoch."""
        old, new = before.release, after.release
        if old is None or new is None:
            return
        rollout = (before.selector, old.revision, old.started_at)
        in_phase_s = max(0.0, now - old.transition_at)
        wait = _WAITS.get(old.progress)
        if wait is not None and (new.progress is not old.progress or not _is_same(old, new)):
            self.metrics.wait_duration.labels(wait).observe(in_phase_s)
            self._note_wait(rollout, in_phase_s)
        result = _result(old, new)
        if result is not None:
            whole_s = max(0.0, now - old.started_at)
            self.metrics.rollouts.labels(result).inc()
            self.metrics.duration.labels(result).observe(whole_s)
            self.metrics.active_duration.labels(result).observe(max(0.0, whole_s - self._waited_s.pop(rollout, 0.0)))
        batch = _batch_result(old, new)
        if batch is not None:
            self.metrics.batch_duration.labels(batch).observe(in_phase_s)

    def _note_wait(self, rollout: _Rollout, seconds: float) -> None:
        self._waited_s[rollout] = self._waited_s.get(rollout, 0.0) + seconds
        if len(self._waited_s) > _REMEMBERED:
            self._waited_s.popitem(last=False)


def _is_same(old: Release, new: Release) -> bool:
    return (old.revision, old.started_at) == (new.revision, new.started_at)


def _batch_result(old: Release, new: Release) -> str | None:
    """What the batch under way came to in this step, None while it goes on."""
    if not _is_same(old, new):
        return "superseded" if old.progress is Progress.EXECUTING and not old.batch_done else None
    if old.current_batch and not old.batch_done and (new.batch_done or new.current_batch > old.current_batch):
        return "completed"  # it is done, or was in the very pass in which the next one opened
    return "failed" if new.failure is not None and old.failure is None else None


def _result(old: Release, new: Release) -> str | None:
    """What a rollout came to in this step, None while it goes on."""
    if not _is_same(old, new):
        return "superseded" if old.progress not in (Progress.COMPLETED, Progress.FAILED, Progress.ABORTED) else None
    if new.progress is Progress.COMPLETED and old.progress is not Progress.COMPLETED:
        return "completed"
    if new.failure is not None and old.failure is None:
        return _DECISIONS[new.failure.decision]
    return None
