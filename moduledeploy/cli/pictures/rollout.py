"""One rollout as a person asks for it: revisions, batches, replicas, what is awaited and what moves it on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from moduledeploy.api.kinds import ModuleStatusWord
from moduledeploy.api.spec import PEER
from moduledeploy.api.status import Progress
from moduledeploy.api.times import at
from moduledeploy.cli.pictures.standing import Confirmation, Standing, confirmations, message_of, phase_of, standing_of
from moduledeploy.cli.pictures.words import age
from moduledeploy.rollout.gate import token
from moduledeploy.rollout.plan import find_revision
from moduledeploy.rollout.release import batch_key
from moduledeploy.rollout.slots import Mark

if TYPE_CHECKING:
    from moduledeploy.api.status import Release
    from moduledeploy.cli.reading.family import Family
    from moduledeploy.rollout.slots import ModuleFacts, Slot
    from moduledeploy.rollout.view import Revision


RESOLUTION_S: Final = 1.0  # the API server tells creation in whole seconds


@attrs.frozen(kw_only=True)
class ReplicaPicture:
    """One Module on one base."""

    name: str
    base: str
    version: str
    status: str
    reason: str
    message: str
    age_s: float | None
    base_ready: bool
    modules_on_base: int


@attrs.frozen(kw_only=True)
class BatchPicture:
    """One batch: its size, how many of it are available, and its replicas."""

    number: int
    size: int
    available: int
    state: str
    confirmed: Confirmation | None = None
    replicas: tuple[ReplicaPicture, ...] = ()


@attrs.frozen(kw_only=True)
class RevisionPicture:
    """One ModuleReplicaSet; `batches` where it is the one that is rolled out, `replicas` those of no batch of it."""

    number: int
    name: str
    version: str
    role: str
    age_s: float | None
    batches: tuple[BatchPicture, ...] = ()
    replicas: tuple[ReplicaPicture, ...] = ()


@attrs.frozen(kw_only=True)
class RolloutPicture:
    """A ModuleDeployment at one moment."""

    name: str
    namespace: str
    module: str
    version: str
    base_deployment: str
    bases: int
    phase: str
    standing: Standing
    message: str
    generation: int
    observed_generation: int
    strategy: str
    replicas: int
    desired: int
    updated: int
    ready: int
    available: int
    max_unavailable: int
    batch: int
    batch_count: int
    age_s: float | None
    revision: str
    revisions: tuple[RevisionPicture, ...] = ()
    awaits: str = ""
    until_s: float | None = None
    commands: tuple[str, ...] = ()


def rollout_picture(family: Family, now: float) -> RolloutPicture:
    """The whole picture at `now` (seconds since the epoch)."""
    parent, view = family.view.parent, family.view
    status, release, meta = parent.status, parent.status.release, family.deployment.metadata
    standing = standing_of(family.deployment, status)
    awaits, until, commands = _awaited(family, now)
    counts = status.counts
    return RolloutPicture(
        name=parent.name,
        namespace=parent.namespace,
        module=parent.spec.template.module.name,
        version=parent.spec.template.module.version,
        base_deployment=parent.spec.base_deployment,
        bases=len(family.pool),
        phase=phase_of(family.deployment, status),
        standing=standing,
        message=message_of(family.deployment, status, now),
        generation=meta.generation,
        observed_generation=status.observed_generation,
        strategy=_strategy(family),
        replicas=counts.replicas,
        desired=view.desired,
        updated=counts.updated,
        ready=counts.ready,
        available=counts.available,
        max_unavailable=status.max_unavailable,
        batch=release.current_batch if release else 0,
        batch_count=len(release.batches) if release else 0,
        age_s=_since(at(meta.creationTimestamp), now),
        revision=release.revision if release else "",
        revisions=_revisions(family, now),
        awaits=awaits,
        until_s=until,
        commands=commands,
    )


def _since(moment: float | None, now: float) -> float | None:
    return None if moment is None else max(0.0, now - moment)


def _strategy(family: Family) -> str:
    spec = family.view.parent.spec
    strategy = spec.strategy
    parts = [f"{strategy.batch_count} batches" if strategy.batch_count > 1 else "1 batch"]
    if strategy.use_beta:
        parts.append("the first a beta of one base")
    parts.append(strategy.upgrade_policy.value)
    if strategy.need_confirm:
        parts.append("confirmed by a person")
    if strategy.gray_time_s:
        parts.append(f"{age(strategy.gray_time_s)} gray time")
    parts.append("one on every base" if spec.replicas == PEER else spec.scheduling.value)
    return ", ".join(parts)


def _awaited(family: Family, now: float) -> tuple[str, float | None, tuple[str, ...]]:
    """What is awaited, for how long yet, and the commands that move it on."""
    parent = family.view.parent
    release = parent.status.release
    name = parent.name if parent.namespace == "default" else f"{parent.name} -n {parent.namespace}"
    if parent.is_terminating:
        return "its Modules to be uninstalled", None, ()
    if release is None or parent.status.observed_generation < parent.generation:
        return "the controller", None, ()
    batch = release.current_batch
    if parent.spec.pause and parent.waiting == token(release.revision, batch):
        fell_back = "" if release.batch_done else ", which fell back meanwhile"
        return f"confirmation of batch {batch}{fell_back}", None, (f"moduledeploy confirm {name} --batch {batch}",)
    match release.progress:
        case Progress.GRAY_WAITING if release.gray_until is not None:
            return "the end of the gray time", max(0.0, release.gray_until - now), ()
        case Progress.PAUSED:
            return "the end of the pause", None, (f"moduledeploy resume {name}",)
        case Progress.FAILED | Progress.ABORTED:
            return "a decision", None, (f"moduledeploy undo {name}", f"moduledeploy retry {name}")
    failure = parent.status.condition("ReplicaFailure")
    if failure is not None and failure.status and failure.reason == "FailedPlacement":
        return "a base for every replica", None, (f"moduledeploy why {name}",)
    return "", None, ()


def _revisions(family: Family, now: float) -> tuple[RevisionPicture, ...]:
    view = family.view
    view.slots.advance(now)
    target = find_revision(view)
    view.slots.aim(target.name if target else "", view.parent.spec.min_ready_s)
    ordered = sorted(view.revisions.values(), key=lambda revision: revision.number, reverse=True)
    release = view.parent.status.release
    shown = []
    for revision in ordered:
        modules = list(view.slots.of_revision(revision.name).values())
        is_target = revision is target
        if not modules and not is_target and (release is None or revision.name != release.completed_revision):
            continue
        batches = _batches(family, revision, now) if is_target else ()
        in_batches = {replica.name for batch in batches for replica in batch.replicas}
        rest = [module for module in modules if module.name not in in_batches]
        shown.append(
            RevisionPicture(
                number=revision.number,
                name=revision.name,
                version=revision.template.module.version,
                role=_role(revision, target, release),
                age_s=_since(revision.created_at, now),
                batches=batches,
                replicas=tuple(_replica(family, module, now) for module in _in_order(rest)),
            )
        )
    return tuple(shown)


def _role(revision: Revision, target: Revision | None, release: Release | None) -> str:
    if release is None:
        return "new"
    if revision is target and release.revision == revision.name:
        if release.failure is not None:
            return "failed"
        return "stable" if release.progress is Progress.COMPLETED else "updating"
    return "stable" if revision.name == release.completed_revision else "superseded"


def _in_order(modules: list[ModuleFacts]) -> list[ModuleFacts]:
    return sorted(modules, key=lambda module: (module.base_name, module.name))


def _replica(family: Family, module: ModuleFacts, now: float) -> ReplicaPicture:
    slot: Slot = family.view.slots[module.base_uid]
    is_outdated = module.is_terminating and module.status is ModuleStatusWord.AVAILABLE  # how it was before
    return ReplicaPicture(
        name=module.name,
        base=module.base_name,
        version=module.source.version,
        status="Terminating" if module.is_terminating else module.status.value,
        reason="" if is_outdated else module.reason,
        message=module.message,
        age_s=_since(module.order[0] or None, now),
        base_ready=slot.base.ready_since is not None and not slot.base.is_lost,
        modules_on_base=family.pool.count(module.base_uid),
    )


def _batches(family: Family, revision: Revision, now: float) -> tuple[BatchPicture, ...]:
    """The batches of the rollout that is under way or was the last; a Module carries the batch it was made for."""
    view, release = family.view, family.view.parent.status.release
    if release is None or release.revision != revision.name:
        return ()
    said = confirmations(family.deployment, view.parent.status).get(revision.name, {})
    left = max(0, view.slots.count(Mark.UPDATED_AVAILABLE) - release.initial_updated)
    by_batch: dict[str, list[ModuleFacts]] = {}
    for module in view.slots.of_revision(revision.name).values():
        if (
            module.order[0] + RESOLUTION_S >= release.started_at
        ):  # an earlier rollout of this revision counted its own batches
            by_batch.setdefault(module.batch or "", []).append(module)
    batches = []
    for number, size in enumerate(release.batches, start=1):
        available = min(left, size)
        left -= available
        modules = _in_order(by_batch.get(batch_key(revision.number, number), []))
        confirmed = said.get(number)
        if confirmed is None and number <= release.confirmed_batch:
            confirmed = Confirmation(by="", at=None)
        batches.append(
            BatchPicture(
                number=number,
                size=size,
                available=available,
                state=_batch_state(release, number),
                confirmed=confirmed,
                replicas=tuple(_replica(family, module, now) for module in modules),
            )
        )
    return tuple(batches)


def _batch_state(release: Release, number: int) -> str:
    if number < release.current_batch or release.progress is Progress.COMPLETED:
        return Progress.COMPLETED
    if number > release.current_batch:
        return "NotOpened"
    return release.progress
