"""Status: counts, conditions with Kubernetes' reasons, and for people what is awaited and until when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from moduledeploy.api import names
from moduledeploy.api.spec import OnFailure
from moduledeploy.api.status import Condition, Counts, DeploymentStatus, Progress, Release, ReleaseKind
from moduledeploy.api.times import encode_time
from moduledeploy.rollout.failure import DEADLINE_EXCEEDED, deadline_at, first_failure, next_try
from moduledeploy.rollout.slots import Mark, Slots

if TYPE_CHECKING:
    from moduledeploy.rollout.view import Revision, View

AVAILABLE: Final = "Available"
PROGRESSING: Final = "Progressing"
REPLICA_FAILURE: Final = "ReplicaFailure"
CONFLICT: Final = "Conflict"
INVALID_TEMPLATE: Final = "InvalidTemplate"
NO_BASE_DEPLOYMENT: Final = "BaseDeploymentNotFound"
OBSTACLES: Final = frozenset({INVALID_TEMPLATE, NO_BASE_DEPLOYMENT})  # nothing is started while one of them stands


@attrs.frozen(kw_only=True)
class Findings:
    """What a pass found out that status tells.

    limit: resolved maxUnavailable; awaits: what the next batch waits for; unplaced: why replicas have no base;
    blocked: how many replacements the budget doesn't bear now; is_own_pause: spec.pause is the controller's;
    drained_at: when the last version that drains now has drained, 0 where none does.
    """

    release: Release | None
    limit: int
    awaits: str = ""
    aimed: Revision | None = None
    unplaced: str = ""
    blocked: int = 0
    is_own_pause: bool = False
    drained_at: float = 0.0
    is_terminating: bool = False

    @property
    def rolled_back_to(self) -> str | None:
        """The revision that is brought in the place of the release's, which failed."""
        if self.release is None or self.aimed is None or self.aimed.name == self.release.revision:
            return None
        return self.aimed.name


def report(view: View, findings: Findings, now: float) -> DeploymentStatus:
    """The status after a pass; a condition keeps its transition time unless its status changes."""
    parent = view.parent
    release = findings.release
    if findings.is_terminating and release is not None and release.progress is not Progress.TERMINATING:
        release = attrs.evolve(release, progress=Progress.TERMINATING, transition_at=now)
    findings = attrs.evolve(findings, release=release)
    counts = _counts(view)
    found = _conditions(view, findings, counts, now)
    return DeploymentStatus(
        observed_generation=parent.generation,
        collision_count=parent.status.collision_count,
        counts=counts,
        max_unavailable=findings.limit,
        selector=f"{names.DEPLOYMENT_LABEL}={parent.name}"
        if parent.is_deployment
        else f"{names.REPLICA_SET_LABEL}={parent.name}",
        message=_message(view, findings, now),
        conditions=tuple(_kept(parent.status.condition(new.type), new) for new in found),
        release=release,
    )


def _counts(view: View) -> Counts:
    slots = view.slots
    return Counts(
        replicas=slots.count(Mark.KEPT),
        desired=view.desired,
        updated=slots.count(Mark.UPDATED),
        ready=slots.count(Mark.READY),
        available=slots.count(Mark.AVAILABLE),
        updated_available=slots.count(Mark.UPDATED_AVAILABLE),
    )


def _kept(old: Condition | None, new: Condition) -> Condition:
    if old is None or old.status != new.status:
        return new
    return attrs.evolve(new, transition_at=old.transition_at)


def _conditions(view: View, findings: Findings, counts: Counts, now: float) -> list[Condition]:
    generation = view.parent.generation

    def condition(kind: str, status: bool | None, reason: str, message: str) -> Condition:
        return Condition(
            type=kind, status=status, reason=reason, message=message, transition_at=now, observed_generation=generation
        )

    conditions = [
        condition(AVAILABLE, *_available(findings, counts)),
        condition(PROGRESSING, *_progressing(view, findings, now)),
    ]
    failing = first_failure(view.slots)
    if failing:
        conditions.append(condition(REPLICA_FAILURE, True, "InstallFailed", failing))
    elif findings.unplaced:
        conditions.append(condition(REPLICA_FAILURE, True, "FailedPlacement", findings.unplaced))
    if view.conflict:
        conditions.append(condition(CONFLICT, True, "OlderFamilyActs", view.conflict))
    return conditions


def _available(findings: Findings, counts: Counts) -> tuple[bool, str, str]:
    floor = counts.desired - findings.limit
    if counts.available >= floor:
        return True, "MinimumReplicasAvailable", f"{counts.available} of {counts.desired} replicas are available"
    numbers = f"{counts.available} of {counts.desired} replicas are available, at least {floor} should be"
    peak = min(findings.release.peak_available, counts.desired) if findings.release else 0
    if peak - counts.available > findings.limit and not findings.is_terminating:
        return (
            False,
            "MaxUnavailableExceeded",
            (
                f"{numbers}: {peak - counts.available} that were available are missing and maxUnavailable is {findings.limit};"
                " nothing is taken away meanwhile"
            ),
        )
    return False, "MinimumReplicasUnavailable", numbers


def _progressing(view: View, findings: Findings, now: float) -> tuple[bool | None, str, str]:
    release = findings.release
    if view.refusal:
        return False, INVALID_TEMPLATE, view.refusal
    if view.base_deployment is None and not findings.is_terminating:
        name = view.parent.spec.base_deployment
        return (
            False,
            NO_BASE_DEPLOYMENT,
            (
                f"Deployment {name} is not in namespace {view.parent.namespace}; create it, or delete this object and name another"
            ),
        )
    if release is None:
        return True, "NewReplicaSetCreated", "the first pass is to come"
    if release.failure is not None:
        return False, release.failure.reason, release.failure.message
    if release.progress is Progress.COMPLETED:
        return True, "NewReplicaSetAvailable", f"ModuleReplicaSet {release.revision} has all replicas available"
    if release.progress is Progress.PAUSED:
        return None, "DeploymentPaused", "paused by spec.pause"
    if _is_overdue(view, release, now):
        return False, DEADLINE_EXCEEDED, f"no progress for {view.parent.spec.progress_deadline_s} s"
    if release.current_batch == 0:
        return True, "NewReplicaSetCreated", f"ModuleReplicaSet {release.revision} is there"
    return True, "ReplicaSetUpdated", f"ModuleReplicaSet {release.revision} is progressing"


def _is_overdue(view: View, release: Release, now: float) -> bool:
    """It is executing, and the progress deadline is over."""
    deadline = deadline_at(release, view.parent.spec.progress_deadline_s)
    return release.failure is None and deadline is not None and now >= deadline


def _message(view: View, findings: Findings, now: float) -> str:
    """What is awaited, and until when."""
    release, slots = findings.release, view.slots
    if findings.is_terminating:
        return _going(slots)
    for obstacle in (view.refusal, view.conflict):
        if obstacle:
            return obstacle
    if view.base_deployment is None:
        return f"waiting for Deployment {view.parent.spec.base_deployment} to be created in namespace {view.parent.namespace}"
    if release is None:
        return ""
    return "; ".join(part for part in (_headline(view, findings, release), *_notes(view, findings, now)) if part)


def _headline(view: View, findings: Findings, release: Release) -> str:
    batch = f"batch {release.current_batch} of {len(release.batches)}"
    available = view.slots.count(Mark.UPDATED_AVAILABLE)
    done = _tally(available, min(release.opened, view.desired), f"replicas of {release.revision}")
    if release.failure is not None:
        return _verdict(view, findings, release)
    match release.progress:
        case Progress.COMPLETED:
            return f"{available} of {view.desired} replicas of {release.revision} are available"
        case Progress.WAITING_FOR_CONFIRMATION:
            return f"{batch} is done; waiting for confirmation: set spec.pause to false"
        case Progress.GRAY_WAITING if release.gray_until is not None:
            return f"{batch} is done; the next one begins at {encode_time(release.gray_until)}"
        case Progress.PAUSED:
            return (
                f"paused by spec.pause until that is false; {done if release.current_batch else 'no batch is open yet'}"
            )
        case _ if release.batch_done and findings.awaits:
            return f"{batch} is done; waiting for {findings.awaits}"
        case _ if release.current_batch == 0 and findings.awaits:
            return f"waiting for {findings.awaits}"
        case _ if release.kind is ReleaseKind.SCALE:
            return f"scaling: {_tally(available, view.desired, 'replicas')}"
        case _ if release.current_batch == 0:
            return "no batch is open yet"
        case _:
            return f"{batch}: {done}"


def _tally(available: int, goal: int, what: str) -> str:
    """How far it is; in the middle of a rollout that is scaled down there are too many."""
    if available > goal:
        return f"{available} {what} are available and {goal} are to stay"
    return f"{available} of {goal} {what} are available"


def _verdict(view: View, findings: Findings, release: Release) -> str:
    failure = release.failure
    if failure is None:
        return ""
    until = f"until the template or annotation {names.RETRY_ANNOTATION} changes"
    if failure.decision is OnFailure.ABORT:
        return f"aborted, every replica stays at its revision {until}: {failure.message}"
    if findings.rolled_back_to is not None:
        done = f"{view.slots.count(Mark.UPDATED_AVAILABLE)} of {view.desired} replicas are available"
        if view.slots.count(Mark.FAILED) > view.parent.spec.strategy.failure_threshold:
            back = f"rolling back to {findings.rolled_back_to}"
            return f"failed, and so did {back}, nothing more is replaced {until}, {done}: {failure.message}"
        return f"rolled back to {findings.rolled_back_to} {until}, {done}: {failure.message}"
    stands = f"failed, nothing more is replaced {until}"
    if failure.decision is not OnFailure.ROLLBACK:
        return f"{stands}: {failure.message}"
    if release.completed_revision == release.revision or release.completed_revision not in view.revisions:
        return f"{stands}, for there is no completed revision to go back to: {failure.message}"
    return f"failed, rolling back to {release.completed_revision} {until}: {failure.message}"


def _going(slots: Slots) -> str:
    """What still keeps the object; what a person may do about it the Module says."""
    if not slots.module_count:
        return "going"
    text = f"waiting for {slots.module_count} Modules to be uninstalled"
    for slot in slots.marked(Mark.STUCK):
        module = next(module for module in slot.modules if module.is_stuck)
        return f"{text}; Module {module.name} on {slot.base.name}: {module.message or module.reason}"
    return text


def _notes(view: View, findings: Findings, now: float) -> list[str]:
    notes, slots = list[str](), view.slots
    release = findings.release
    is_told = release is None or (release.failure is not None and findings.rolled_back_to is None)
    if not is_told and (failing := first_failure(slots)):
        notes.append(f"{slots.count(Mark.FAILING)} fail, {failing}{next_try(slots)}")
    if release is not None and _is_overdue(view, release, now):
        notes.append(f"no progress for {view.parent.spec.progress_deadline_s} s")
    if installing := slots.count(Mark.INSTALLING):
        notes.append(f"{installing} {'is' if installing == 1 else 'are'} being installed")
    if unanswered := slots.count(Mark.UNANSWERED):
        base = next(slots.marked(Mark.UNANSWERED)).base.name
        notes.append(
            f"1 waits for base {base}, which doesn't answer"
            if unanswered == 1
            else f"{unanswered} wait for bases that don't answer, such as {base}"
        )
    if not_ready := slots.count(Mark.NOT_READY):
        notes.append(f"{not_ready} are on bases that aren't Ready")
    if view.parent.spec.min_ready_s and (next_at := slots.next_change_at) is not None:
        notes.append(f"minReadySeconds are over for the next one at {encode_time(next_at)}")
    if findings.is_own_pause and release is not None and not release.batch_done:
        notes.append(
            "spec.pause is the controller's own: nothing more is replaced until the batch is done again and confirmed"
        )
    if findings.blocked:
        notes.append(
            f"{findings.blocked} wait for available replicas: at most {findings.limit} of {view.desired} may be unavailable"
        )
    if findings.unplaced:
        notes.append(f"waiting for a base that can take more: {findings.unplaced}")
    if findings.drained_at > now:
        notes.append(f"{slots.count(Mark.DRAINING)} drain until {encode_time(findings.drained_at)}")
    if leaving := slots.count(Mark.LEAVING):
        notes.append(f"{leaving} are being uninstalled")
    return notes
