"""What became of each revision: outcome, duration, and who confirmed which batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from moduledeploy.api.decode_status import decode_conditions
from moduledeploy.api.fields import DecodeError, Fields
from moduledeploy.api.status import Progress, ReleaseKind
from moduledeploy.cli.pictures.standing import Confirmation, confirmations
from moduledeploy.cli.reading.kinds import CHANGE_CAUSE_ANNOTATION
from moduledeploy.rollout.record import ENDINGS, ROLLED_OUT, STARTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moduledeploy.api.kinds import ModuleReplicaSet
    from moduledeploy.api.status import Release
    from moduledeploy.cli.reading.one import One
    from moduledeploy.rollout.view import Revision

WHOLE_S: Final = 1.0  # managedFields have whole seconds
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


def history(one: One, revisions: Sequence[tuple[Revision, ModuleReplicaSet]]) -> list[HistoryEntry]:
    """All revisions, the oldest first."""
    said = confirmations(one.deployment, one.status)
    return [_entry(one, revision, item, said.get(revision.name, {})) for revision, item in revisions]


def _entry(one: One, revision: Revision, item: ModuleReplicaSet, said: dict[int, Confirmation]) -> HistoryEntry:
    release = one.release
    is_current = revision.template == one.spec.template
    outcome, began, ended = _recorded(item)
    if release is not None and release.revision == revision.name and release.kind is ReleaseKind.DEPLOY:
        outcome, began, ended = _in_status(release)
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
        confirmed=tuple(
            BatchConfirmed(batch=batch, by=who.by, at=who.at)
            for batch, who in sorted(said.items())
            if began is None or who.at is None or who.at >= began - WHOLE_S
        ),
    )


def _recorded(item: ModuleReplicaSet) -> tuple[str, float | None, float | None]:
    """What the controller kept of its last rollout."""
    try:
        kept = {condition.type: condition for condition in decode_conditions(Fields.of("status", item.status))}
    except DecodeError:
        kept = {}
    started, ended = kept.get(STARTED), kept.get(ROLLED_OUT)
    return (
        ended.reason if ended else "Unknown",
        started.transition_at if started else None,
        ended.transition_at if ended else None,
    )


def _in_status(release: Release) -> tuple[str, float | None, float | None]:
    """What status says of the rollout that is under way or was the last."""
    if release.failure is not None:
        return ENDINGS[release.failure.decision], release.started_at, release.failure.at
    if release.progress is Progress.COMPLETED:
        return "Completed", release.started_at, release.transition_at
    return ("Progressing" if release.progress in _RUNNING else release.progress.value), release.started_at, None
