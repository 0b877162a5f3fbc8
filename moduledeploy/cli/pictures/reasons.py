"""Each thing that a rollout waits for, as a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from moduledeploy.api.kinds import ModuleStatusWord
from moduledeploy.api.status import Progress
from moduledeploy.cli.pictures.standing import message_of, overdue
from moduledeploy.cli.pictures.words import age
from moduledeploy.rollout.report import REPLICA_FAILURE
from moduledeploy.rollout.slots import Mark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moduledeploy.cli.reading.family import Family

SHOWN: Final = 10  # replicas that are named one by one


def reasons(family: Family, now: float) -> Iterator[str]:
    """What is awaited, the most decisive first; nothing where all is done."""
    view, parent = family.view, family.view.parent
    status = parent.status
    name = parent.name if parent.namespace == "default" else f"{parent.name} -n {parent.namespace}"
    if status.observed_generation < parent.generation:
        yield message_of(family.deployment, status, now)
    if late := overdue(family.deployment, status, now):
        yield late
    told = status.condition("Conflict")  # that about a Service is found by the controller alone
    conflict = view.conflict or (told.message if told is not None else "")
    if conflict:
        yield conflict
    if view.base_deployment is None:
        yield f"Deployment {parent.spec.base_deployment} is not in namespace {parent.namespace}"
    elif view.base_deployment.is_rolling:
        yield f"base Deployment {parent.spec.base_deployment} is rolling; no new batch opens meanwhile"
    release = status.release
    if release is not None:
        batch = f"batch {release.current_batch} of {len(release.batches)}"
        if release.failure is not None:
            decision = release.failure.decision.value
            yield f"it failed ({release.failure.reason}: {release.failure.message}) and onFailure is {decision}"
        elif release.progress is Progress.WAITING_FOR_CONFIRMATION:
            yield f"{batch} is done and needs a person: moduledeploy confirm {name} --batch {release.current_batch}"
        elif release.progress is Progress.PAUSED:
            yield f"a person paused it: moduledeploy resume {name}"
        if release.gray_until is not None and release.gray_until > now:
            yield f"the gray time after {batch} ends in {age(release.gray_until - now)}"
    yield from _of_conditions(family)
    yield from _of_replicas(family, now)


def _of_conditions(family: Family) -> Iterator[str]:
    """What keeps replicas from being made; of failed installs each replica tells itself."""
    status = family.view.parent.status
    for condition in status.conditions:
        told = condition.type == REPLICA_FAILURE and condition.reason != "InstallFailed"
        if told or (condition.type == "Available" and condition.status is False):
            yield condition.message


def _of_replicas(family: Family, now: float) -> Iterator[str]:
    """Replicas that aren't available, each with its base and why."""
    slots = family.view.slots
    slots.advance(now)
    waiting = [slot for slot in slots if not slot.has(Mark.AVAILABLE)]
    for slot in waiting[:SHOWN]:
        if slot.base.is_lost:
            yield f"base {slot.base.name} is lost"
        elif slot.base.ready_since is None:
            yield f"base {slot.base.name} is not Ready"
        else:
            module = slot.modules[-1]
            word = "is being uninstalled" if module.is_terminating else f"is {module.status.value}"
            why = f": {module.message or module.reason}" if module.message or module.reason else ""
            ready = slot.has(Mark.READY) and module.status is ModuleStatusWord.AVAILABLE
            yield f"{module.source.identity} on {slot.base.name} {'is up, and waits for minReadySeconds' if ready else word + why}"
    if len(waiting) > SHOWN:
        yield f"{len(waiting) - SHOWN} more replicas are not available"
