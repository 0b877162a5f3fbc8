"""What is kept of a revision's last rollout: two conditions of its ModuleReplicaSet, which live as long as the revision does.

RolloutStarted says since when; RolledOut is True when it completed and False, with how it ended, when it didn't. They tell
what status of the ModuleDeployment forgets with the next rollout, and are written together with the ModuleReplicaSet's counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from moduledeploy.api.spec import OnFailure
from moduledeploy.api.status import Condition, Progress, Release, ReleaseKind

if TYPE_CHECKING:
    from collections.abc import Sequence

STARTED: Final = "RolloutStarted"
ROLLED_OUT: Final = "RolledOut"
SUPERSEDED: Final = "Superseded"
ENDINGS: Final = {OnFailure.PAUSE: "Failed", OnFailure.ABORT: "Aborted", OnFailure.ROLLBACK: "RolledBack"}


def record(
    revision: str, kept: Sequence[Condition], before: Release | None, after: Release | None
) -> tuple[Condition, ...]:
    """The conditions of a revision's ModuleReplicaSet, by the rollout that a pass found and the one that it left.

    Scaling a revision is no rollout of it, and one that neither rollout is about keeps what was written.
    """
    if after is not None and _is_about(after, revision):
        return _of(after)
    if before is None or not _is_about(before, revision):
        return tuple(kept)
    found = _of(before)
    if after is None or after.revision == revision or found[-1].type == ROLLED_OUT:
        return found
    return (*found, _condition(ROLLED_OUT, False, SUPERSEDED, after.started_at))


def _is_about(release: Release, revision: str) -> bool:
    return release.revision == revision and release.kind is ReleaseKind.DEPLOY


def _of(release: Release) -> tuple[Condition, ...]:
    started = _condition(STARTED, True, "NewRevision", release.started_at)
    if release.failure is not None:
        word, failure = ENDINGS[release.failure.decision], release.failure
        return started, _condition(ROLLED_OUT, False, word, failure.at, failure.message)
    if release.progress is Progress.COMPLETED:
        return started, _condition(ROLLED_OUT, True, "Completed", release.transition_at)
    return (started,)


def _condition(kind: str, status: bool, reason: str, at: float, message: str = "") -> Condition:
    return Condition(type=kind, status=status, reason=reason, message=message, transition_at=at)
