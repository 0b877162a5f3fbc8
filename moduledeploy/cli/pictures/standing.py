"""What a ModuleDeployment's state means to whoever waits for it, and who confirmed what."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import attrs
import msgspec

from moduledeploy.api.names import WAITING_ANNOTATION
from moduledeploy.api.spec import DEFAULT_PROGRESS_DEADLINE_S
from moduledeploy.api.status import Progress
from moduledeploy.api.times import at
from moduledeploy.cli.pictures.words import age
from moduledeploy.cli.reading.kinds import CONFIRMATIONS_ANNOTATION, CONTROLLER
from moduledeploy.rollout.gate import token

if TYPE_CHECKING:
    from moduledeploy.api.status import DeploymentStatus, Release
    from moduledeploy.cli.reading.kinds import ReadDeployment

UNOBSERVED_AFTER_S: Final = 10.0  # a running controller looks at a change within a second


class Standing(StrEnum):
    """What a rollout's state means to somebody who waits for it."""

    HEALTHY = "healthy"
    PROGRESSING = "progressing"
    GATE = "gate"
    FAILED = "failed"


@attrs.frozen(kw_only=True)
class Confirmation:
    """Who confirmed a batch, as far as the object tells; `at` in seconds since the epoch."""

    by: str
    at: float | None


def standing_of(deployment: ReadDeployment, status: DeploymentStatus) -> Standing:
    """What the state means; a generation that nobody has seen yet is always progress to come."""
    release = status.release
    if any(
        item.type == "Progressing" and item.reason == "InvalidSpec" and item.status is False
        for item in status.conditions
    ):
        return Standing.FAILED
    if status.observed_generation < deployment.metadata.generation or release is None:
        return Standing.PROGRESSING
    match release.progress:
        case Progress.COMPLETED:
            return Standing.HEALTHY
        case Progress.FAILED | Progress.ABORTED | Progress.TERMINATING:
            return Standing.FAILED
        case Progress.WAITING_FOR_CONFIRMATION | Progress.PAUSED:
            return Standing.GATE
    progressing = status.condition("Progressing")
    return Standing.FAILED if progressing is not None and progressing.status is False else Standing.PROGRESSING


def phase_of(deployment: ReadDeployment, status: DeploymentStatus) -> str:
    """One word; Terminating as soon as deletion was asked for, and nothing is Completed that the controller hasn't seen."""
    if deployment.metadata.is_terminating:
        return Progress.TERMINATING
    phase = status.release.progress if status.release else Progress.INIT
    is_observed = status.observed_generation >= deployment.metadata.generation
    return Progress.INIT if phase is Progress.COMPLETED and not is_observed else phase


def message_of(deployment: ReadDeployment, status: DeploymentStatus, now: float) -> str:
    """What the controller says is awaited; where it hasn't looked yet, that."""
    generation = deployment.metadata.generation
    if status.observed_generation >= generation:
        return overdue(deployment, status, now) or status.message
    if any(item.reason == "InvalidSpec" for item in status.conditions) or _is_gate_alone(deployment, status):
        return status.message
    waited = now - deployment.spec_written_at
    if waited < UNOBSERVED_AFTER_S:
        return f"waiting for the controller to look at generation {generation}"
    return f"nobody has observed generation {generation} for {age(waited)}: is the controller running?"


def overdue(deployment: ReadDeployment, status: DeploymentStatus, now: float) -> str:
    """What a running controller would have done by now; empty where it owes nothing."""
    release = status.release
    if release is None or deployment.metadata.is_terminating:
        return ""
    what, since = "", math.inf
    if release.progress is Progress.GRAY_WAITING and release.gray_until is not None:
        what, since = "the gray time is over", release.gray_until
    elif release.progress is Progress.EXECUTING and release.deadline.held_at is None:
        condition = status.condition("Progressing")
        if condition is None or condition.status is not False:
            limit = deployment.spec.get("progressDeadlineSeconds", DEFAULT_PROGRESS_DEADLINE_S)
            what, since = "the progress deadline has passed", release.deadline.progressed_at + limit
    late = now - since
    return f"{what} for {age(late)} and nobody decided: is the controller running?" if late > UNOBSERVED_AFTER_S else ""


def _is_gate_alone(deployment: ReadDeployment, status: DeploymentStatus) -> bool:
    """What the controller hasn't looked at yet is its own pause at the end of a batch."""
    release, waiting = status.release, deployment.metadata.annotation(WAITING_ANNOTATION)
    is_its_pause = (
        status.observed_generation + 1 == deployment.metadata.generation
        and deployment.spec.get("pause") is True
        and deployment.spec_written_at <= deployment.gate_written_at
    )
    return is_its_pause and release is not None and waiting == token(release.revision, release.current_batch)


def confirmations(deployment: ReadDeployment, status: DeploymentStatus) -> dict[str, dict[int, Confirmation]]:
    """Who confirmed which batch of which revision: what this command line noted, else the field's last writer."""
    release = status.release
    found: dict[str, dict[int, Confirmation]] = {}
    for revision, batches in noted_confirmations(deployment).items():
        for number, entry in batches.items():
            noted = Confirmation(by=entry.by, at=entry.at)
            if release is None or revision != release.revision or noted.at is None or noted.at >= release.started_at:
                found.setdefault(revision, {})[int(number)] = noted
    if release is None or not release.confirmed_batch:
        return found
    of_this = found.setdefault(release.revision, {})
    if release.confirmed_batch not in of_this and (last := _last_writer(deployment, release)) is not None:
        of_this[release.confirmed_batch] = last
    return found


@attrs.frozen
class Note:
    """One entry of the annotation that `confirm` keeps."""

    by: str = ""
    at: float | None = None


def noted_confirmations(deployment: ReadDeployment) -> dict[str, dict[str, Note]]:
    """The annotation, by revision and batch; empty where there is none or somebody else wrote it."""
    text = deployment.metadata.annotation(CONFIRMATIONS_ANNOTATION) or "{}"
    try:
        noted = msgspec.json.decode(text, type=dict[str, dict[str, Note]])
    except msgspec.DecodeError:
        return {}
    return {name: {key: note for key, note in batches.items() if key.isdigit()} for name, batches in noted.items()}


def _last_writer(deployment: ReadDeployment, release: Release) -> Confirmation | None:
    """Who last wrote the field that confirms, in this rollout."""
    for entry in deployment.metadata.managedFields:
        confirms = entry.has("spec", "pause") or entry.has("spec", "confirmBatchNum")
        if confirms and entry.manager != CONTROLLER and not entry.subresource:
            moment = at(entry.time)
            if moment is not None and moment + 1.0 >= release.started_at:  # managedFields have whole seconds
                return Confirmation(by=entry.manager, at=moment)
    return None
