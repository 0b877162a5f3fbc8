"""What became of each revision: outcome, duration, and who confirmed which batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from moduledeploy.api.status import Progress
from moduledeploy.cli.pictures.standing import Confirmation, confirmations
from moduledeploy.cli.reading.kinds import CHANGE_CAUSE_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moduledeploy.api.status import Release
    from moduledeploy.cli.reading.events import Told
    from moduledeploy.cli.reading.one import One
    from moduledeploy.rollout.view import Revision

_ENDINGS: Final = {
    "RolloutCompleted": "Completed",
    "RolloutSuperseded": "Superseded",
    "InstallFailed": "Failed",
    "ProgressDeadlineExceeded": "Failed",
}
_RUNNING: Final = frozenset({Progress.INIT, Progress.EXECUTING, Progress.PAUSED, Progress.GRAY_WAITING})


@attrs.frozen(kw_only=True)
class BatchConfirmed:
    """One confirmation."""

    batch: int
    by: str
    at: float | None


@attrs.frozen(kw_only=True)
class HistoryEntry:
    """One revision; what is unknown is None. Instants are seconds since the epoch."""

    revision: int
    name: str
    module: str
    version: str
    url: str
    md5: str
    change_cause: str
    is_current: bool
    outcome: str
    started_at: float | None
    ended_at: float | None
    duration_s: float | None
    confirmed: tuple[BatchConfirmed, ...]


def history(one: One, revisions: Sequence[Revision], events: Sequence[Told]) -> list[HistoryEntry]:
    """All revisions, the oldest first."""
    said = confirmations(one.deployment, one.status)
    return [_entry(one, revision, events, said.get(revision.name, {})) for revision in revisions]


def _entry(one: One, revision: Revision, events: Sequence[Told], said: dict[int, Confirmation]) -> HistoryEntry:
    release = one.release
    is_current = revision.template == one.spec.template
    outcome, started, ended = _told(revision, events)
    if release is not None and release.revision == revision.name:
        outcome, started, ended = _in_status(release, started, ended)
    elif outcome == "Unknown" and release is not None and release.completed_revision == revision.name:
        outcome = "Completed"
    began = started if started is not None else revision.created_at or None
    module = revision.template.module
    cause = revision.template.annotations.get(CHANGE_CAUSE_ANNOTATION, "")
    if is_current and not cause:
        cause = one.deployment.metadata.annotation(CHANGE_CAUSE_ANNOTATION) or ""
    return HistoryEntry(
        revision=revision.number,
        name=revision.name,
        module=module.name,
        version=module.version,
        url=module.url,
        md5=module.md5,
        change_cause=cause,
        is_current=is_current,
        outcome=outcome,
        started_at=began,
        ended_at=ended,
        duration_s=None if began is None or ended is None else max(0.0, ended - began),
        confirmed=tuple(BatchConfirmed(batch=batch, by=who.by, at=who.at) for batch, who in sorted(said.items())),
    )


def _told(revision: Revision, events: Sequence[Told]) -> tuple[str, float | None, float | None]:
    """What Events tell of its last rollout."""
    outcome, started, ended, is_under_way = "Unknown", None, None, False
    for event in events:
        if event.reason == "RolloutStarted":
            is_under_way = revision.name in event.note
            if is_under_way:
                outcome, started, ended = "Unknown", event.at, None
            continue
        # A failure's note tells of bases and causes, not of the revision: it is that of the rollout under way.
        loser = event.note.partition(" gives way to ")[0]
        is_own = revision.name in loser if event.reason in ("RolloutCompleted", "RolloutSuperseded") else is_under_way
        if is_own and event.reason in _ENDINGS and outcome != "Failed":
            outcome, ended = _ENDINGS[event.reason], event.at
    return outcome, started, ended


def _in_status(release: Release, started: float | None, ended: float | None) -> tuple[str, float | None, float | None]:
    """What status says of the rollout that is under way or was the last; scaling after it doesn't begin it anew."""
    began = started if release.kind.value == "Scale" and started is not None else release.started_at
    if release.failure is not None:
        word = {"pause": "Failed", "abort": "Aborted", "rollback": "RolledBack"}[release.failure.decision.value]
        return word, began, release.failure.at
    if release.progress is Progress.COMPLETED:
        return "Completed", began, ended if ended is not None and ended >= began else release.transition_at
    return ("Progressing" if release.progress in _RUNNING else release.progress.value), began, None
