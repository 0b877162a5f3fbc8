"""ModuleDeployment.status as a value: what the controller remembers of a rollout and what it shows."""

from __future__ import annotations

from enum import StrEnum

import attrs

from moduledeploy.api.spec import OnFailure


class Progress(StrEnum):
    """Where a rollout stands; the same words in status, metrics, logs and alerts."""

    INIT = "Init"
    EXECUTING = "Executing"
    WAITING_FOR_CONFIRMATION = "WaitingForConfirmation"
    GRAY_WAITING = "GrayWaiting"
    PAUSED = "Paused"
    COMPLETED = "Completed"
    FAILED = "Failed"
    ABORTED = "Aborted"
    TERMINATING = "Terminating"


class ReleaseKind(StrEnum):
    """What a rollout does: bring a revision, or change the number of replicas of one that completed."""

    DEPLOY = "Deploy"
    SCALE = "Scale"


@attrs.frozen(kw_only=True)
class Condition:
    """A condition; transition_at moves only when its status changes."""

    type: str
    status: bool | None
    reason: str
    message: str
    transition_at: float
    observed_generation: int = 0


@attrs.frozen(kw_only=True)
class Failure:
    """What was decided when a batch of this revision failed.

    It stands until the template or the retry annotation changes: `retry` is the annotation's value at the decision.
    """

    revision: str
    decision: OnFailure
    reason: str
    message: str
    at: float
    retry: str = ""


@attrs.frozen(kw_only=True)
class Deadline:
    """The progress deadline's clock.

    high_water: the most replicas of the new revision that were available at once; only more counts as progress.
    progressed_at: when that was reached, moved on by the time in which the clock stood still.
    held_at: since when the clock stands still; None while it runs.
    """

    high_water: int = 0
    progressed_at: float
    held_at: float | None = None


@attrs.frozen(kw_only=True)
class Release:
    """One rollout: of a revision, or of a number of replicas.

    batches: planned sizes, of which the first `current_batch` are opened.
    initial_updated: replicas that were of this revision already when it began.
    gray_until: when the gray time after the current batch ends; None before that batch is done or without gray time.
    confirm_num_seen: spec.confirmBatchNum when the revision began, which confirms nothing; None once it was changed.
    """

    revision: str
    kind: ReleaseKind = ReleaseKind.DEPLOY
    completed_revision: str = ""
    batches: tuple[int, ...] = ()
    current_batch: int = 0
    initial_updated: int = 0
    progress: Progress = Progress.INIT
    batch_done: bool = False
    confirmed_batch: int = 0
    confirm_num_seen: int | None = None
    gray_until: float | None = None
    transition_at: float
    started_at: float
    peak_available: int = 0
    failure: Failure | None = None
    deadline: Deadline

    @property
    def opened(self) -> int:
        """Replicas that the opened batches allow to be of this revision."""
        return self.initial_updated + sum(self.batches[: self.current_batch])

    @property
    def is_last_batch(self) -> bool:
        """No batch is left to open."""
        return self.current_batch >= len(self.batches)


@attrs.frozen(kw_only=True)
class Counts:
    """How many slots; see the fields of status of the same names."""

    replicas: int = 0
    desired: int = 0
    updated: int = 0
    ready: int = 0
    available: int = 0
    updated_available: int = 0

    @property
    def unavailable(self) -> int:
        """Desired slots that are not available."""
        return max(0, self.desired - self.available)


@attrs.frozen(kw_only=True)
class DeploymentStatus:
    """ModuleDeployment.status."""

    observed_generation: int = 0
    collision_count: int = 0
    counts: Counts = Counts()
    max_unavailable: int = 0
    selector: str = ""
    message: str = ""
    conditions: tuple[Condition, ...] = ()
    release: Release | None = None

    def condition(self, kind: str) -> Condition | None:
        """The condition of a type, if it is set."""
        return next((condition for condition in self.conditions if condition.type == kind), None)


@attrs.frozen(kw_only=True)
class ReplicaSetStatus:
    """ModuleReplicaSet.status."""

    observed_generation: int = 0
    replicas: int = 0
    ready: int = 0
    available: int = 0
    selector: str = ""
    conditions: tuple[Condition, ...] = ()
