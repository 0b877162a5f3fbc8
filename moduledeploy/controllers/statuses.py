"""Status of families: written whole when it changed, counts alone at most once a second, with an event per transition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs
import structlog

from moduledeploy.api import names
from moduledeploy.api.decode_status import decode_conditions
from moduledeploy.api.encode import encode_deployment_status, encode_replica_set_status
from moduledeploy.api.fields import DecodeError, Fields
from moduledeploy.api.kinds import ModuleDeployment, ModuleReplicaSet
from moduledeploy.api.status import Condition, Deadline, DeploymentStatus, ReplicaSetStatus
from moduledeploy.api.times import encode_time
from moduledeploy.controllers.execute import without_nulls
from moduledeploy.controllers.facts import FamilyKey, PoolKey
from moduledeploy.controllers.refusals import REQUEST_REFUSED, refusal_told
from moduledeploy.controllers.resources import MODULE_DEPLOYMENTS, MODULE_REPLICA_SETS
from moduledeploy.kube.errors import NotFound
from moduledeploy.kube.events import EventType, Reference
from moduledeploy.kube.resources import ObjectKey
from moduledeploy.rollout.record import record
from moduledeploy.rollout.report import AVAILABLE, CONFLICT, OBSTACLES, REPLICA_FAILURE
from moduledeploy.rollout.slots import Mark
from moduledeploy.rollout.transitions import EventFact
from moduledeploy.runtime.text import one_line

if TYPE_CHECKING:
    from moduledeploy.controllers.cluster import Cluster
    from moduledeploy.controllers.execute import Writer
    from moduledeploy.kube.consistency import WrittenVersions
    from moduledeploy.kube.errors import ApiError
    from moduledeploy.kube.resources import Resource
    from moduledeploy.rollout.plan import Plan
    from moduledeploy.rollout.view import View
    from moduledeploy.runtime.clock import Clock

_log: Final = structlog.get_logger()
STATUS_INTERVAL_S: Final = 1.0  # status that only counts on is written at most this often
INVALID_SPEC: Final = "InvalidSpec"
REFUSAL_INTERVAL_S: Final = 10.0  # so long a refused write is told, before another that is refused takes its place
NEVER: Final = float("-inf")
_COUNTS_OF_ALL: Final = ("replicas", "readyReplicas", "availableReplicas")
_COUNTS_OF_A_GENERATION: Final = ("updatedReplicas", "updatedAvailableReplicas", "unavailableReplicas")


class Recorder(Protocol):
    """Where events go; never waits, never fails."""

    def event(
        self,
        *,
        regarding: Reference,
        type: EventType,  # noqa: A002  # the API's word
        reason: str,
        action: str,
        note: str,
    ) -> None: ...


class Counters(Protocol):
    """Metrics that passes move."""

    def observe_pass(self, before: DeploymentStatus, after: DeploymentStatus, now: float) -> None: ...


@attrs.define(kw_only=True)
class StatusWriter:
    """Writes what passes found out about families, and tells the events that go with it."""

    cluster: Cluster
    writer: Writer
    recorder: Recorder
    written: WrittenVersions[FamilyKey]
    counters: Counters
    clock: Clock
    _warned: set[tuple[str, str]] = attrs.field(factory=set, init=False)
    _written_at: dict[FamilyKey, float] = attrs.field(factory=dict, init=False)
    _refused_at: dict[FamilyKey, float] = attrs.field(factory=dict, init=False)

    def forget(self, key: FamilyKey) -> None:
        """The family is gone."""
        self._written_at.pop(key, None)
        self._refused_at.pop(key, None)

    def warn_of_caps(self, pool: PoolKey) -> None:
        """Say once of each base pod, for each value, that its label is no number and that it takes no new module."""
        for uid, (name, label) in self.cluster.bad_caps[pool].items():
            if (uid, label) in self._warned:
                continue
            self._warned.add((uid, label))
            self.recorder.event(
                regarding=Reference(api_version="v1", kind="Pod", namespace=pool.namespace, name=name, uid=uid),
                type="Warning",
                reason="InvalidModuleCap",
                action="Place",
                note=f"label {names.CAP_LABEL} is {label!r}, no number from 0: no new module comes here until it is mended",
            )

    async def write(
        self, key: FamilyKey, parent: ModuleDeployment | ModuleReplicaSet, view: View, made: Plan
    ) -> float | None:
        """Write the status if it changed; counts alone at most once a second: then returns after how many seconds.

        Those of the ModuleReplicaSets go first: while theirs aren't written, the ModuleDeployment's still differs, and whoever
        comes after a death writes all of them.
        """
        if isinstance(parent, ModuleReplicaSet):
            await self._write_replica_set_status(key, parent, _harmless(made.status))
            return None
        status = _harmless(made.status)
        before, now = view.parent.status, self.clock.monotonic()
        due_at = self._written_at.get(key, NEVER) + STATUS_INTERVAL_S
        are_counted = self._are_counted(key, view)
        if now < due_at and not (status == before and are_counted) and not _is_urgent(before, status):
            return due_at - now
        body = encode_deployment_status(status)
        is_told = without_nulls(body) == without_nulls(parent.status)
        if is_told and are_counted:
            return None
        self._written_at[key] = now
        await self._write_revisions_status(key, view, status)
        if is_told:
            return None
        try:
            await self._patch_status(key, MODULE_DEPLOYMENTS, key.name, body)
        except NotFound:
            return None  # deleted meanwhile; its deletion is a change of its own
        self.counters.observe_pass(before, status, self.clock.wall())
        self._emit(key, parent.metadata.uid, made.events)
        return None

    def _are_counted(self, key: FamilyKey, view: View) -> bool:
        """Every revision tells how many Modules it has; one that takes them over changes no count of the ModuleDeployment's."""
        found = (
            (name, self.cluster.stores.replica_sets.get(ObjectKey(key.namespace, name))) for name in view.revisions
        )
        return all(
            replica_set is None or replica_set.status.get("replicas") == len(view.slots.of_revision(name))
            for name, replica_set in found
        )

    async def _write_revisions_status(self, key: FamilyKey, view: View, after: DeploymentStatus) -> None:
        """Counts of the family's ModuleReplicaSets and what became of their rollouts, together with their ModuleDeployment's."""
        before = view.parent.status.release
        for revision_name in view.revisions:
            replica_set = self.cluster.stores.replica_sets.get(ObjectKey(key.namespace, revision_name))
            if replica_set is None:
                continue
            modules = view.slots.of_revision(revision_name).values()
            started = [module for module in modules if module.is_started]
            status = ReplicaSetStatus(
                observed_generation=replica_set.metadata.generation,
                replicas=len(modules),
                ready=len(started),
                available=sum(view.slots.is_marked(module.base_uid, Mark.AVAILABLE) for module in started),
                selector=f"{names.REPLICA_SET_LABEL}={revision_name}",
                conditions=record(revision_name, _conditions_of(replica_set), before, after.release),
            )
            await self._patch_replica_set(key, replica_set, status)

    async def _write_replica_set_status(
        self, key: FamilyKey, replica_set: ModuleReplicaSet, status: DeploymentStatus
    ) -> None:
        counts = status.counts
        await self._patch_replica_set(
            key,
            replica_set,
            ReplicaSetStatus(
                observed_generation=replica_set.metadata.generation,
                replicas=counts.replicas,
                ready=counts.ready,
                available=counts.available,
                selector=status.selector,
                conditions=_of_bare(status.conditions, _conditions_of(replica_set)),
            ),
        )

    async def _patch_replica_set(self, key: FamilyKey, replica_set: ModuleReplicaSet, status: ReplicaSetStatus) -> None:
        body = encode_replica_set_status(status)
        if without_nulls(body) != without_nulls(replica_set.status):
            try:
                await self._patch_status(key, MODULE_REPLICA_SETS, replica_set.metadata.name, body)
            except NotFound:
                return  # deleted meanwhile

    async def _patch_status(self, key: FamilyKey, resource: Resource, name: str, status: dict[str, Any]) -> None:
        where = ObjectKey(key.namespace, name)
        wrote = await self.writer.patch(resource, where, {"status": status}, subresource="status")
        self.written.wrote(key, resource, wrote.resource_version)

    async def refuse(self, key: FamilyKey, parent: ModuleDeployment | ModuleReplicaSet, error: DecodeError) -> None:
        """Say what is wrong with a spec that the CRD let through (or was not there to refuse); nothing else is touched."""
        now, said = round(self.clock.wall(), 6), one_line(error)
        condition = Condition(
            type="Progressing",
            status=False,
            reason=INVALID_SPEC,
            message=said,
            transition_at=now,
            observed_generation=parent.metadata.generation,
        )
        shown = parent.status.get("conditions") or []
        if any(item.get("reason") == INVALID_SPEC and item.get("message") == said for item in shown):
            return
        resource = MODULE_DEPLOYMENTS if isinstance(parent, ModuleDeployment) else MODULE_REPLICA_SETS
        status = encode_deployment_status(DeploymentStatus(conditions=(condition,), message=said))
        fields = {"conditions": status["conditions"]}
        if isinstance(parent, ModuleDeployment):
            fields["message"] = said
        await self._patch_status(key, resource, key.name, fields)
        fact = EventFact(reason=INVALID_SPEC, action="Decode", note=said, is_warning=True)
        self._emit(key, parent.metadata.uid, (fact,))

    async def tell_refused_write(
        self,
        key: FamilyKey,
        parent: ModuleDeployment | ModuleReplicaSet,
        view: View,
        made: Plan,
        refusal: ApiError,
    ) -> None:
        """Say that the server refuses a write (a right, a quota, a policy), and count what is there all the same.

        A pass that gets through takes it back. Tries that are refused differ in a name at least, so a text gives way to the
        next after a while only, and without another event. Where status is what can't be written, events alone tell.
        """
        now = self.clock.monotonic()
        if now < self._refused_at.get(key, NEVER) + REFUSAL_INTERVAL_S:
            return
        self._refused_at[key] = now
        shown = parent.status.get("conditions") or []
        told = next((item for item in shown if item.get("reason") == REQUEST_REFUSED), None)
        said = refusal_told(refusal)
        if told is None:
            fact = EventFact(reason=REQUEST_REFUSED, action="Write", note=said, is_warning=True)
            self._emit(key, parent.metadata.uid, (fact,))
        since = (told or {}).get("lastTransitionTime") or encode_time(round(self.clock.wall(), 6))
        fields = _refused_status(parent, _harmless(made.status), said, since)
        if any(parent.status.get(name) != value for name, value in fields.items()):
            resource = MODULE_DEPLOYMENTS if isinstance(parent, ModuleDeployment) else MODULE_REPLICA_SETS
            try:
                await self._patch_status(key, resource, key.name, fields)
            except NotFound:
                return  # deleted meanwhile
        if isinstance(parent, ModuleDeployment):
            await self._write_revisions_status(key, view, view.parent.status)

    def _emit(self, key: FamilyKey, uid: str, facts: tuple[EventFact, ...]) -> None:
        for fact in facts:
            log = _log.warning if fact.is_warning else _log.info
            log("rollout event", reason=fact.reason, note=fact.note)
            self.recorder.event(
                regarding=Reference(
                    api_version=names.API_VERSION, kind=key.kind, namespace=key.namespace, name=key.name, uid=uid
                ),
                type="Warning" if fact.is_warning else "Normal",
                reason=fact.reason,
                action=fact.action,
                note=fact.note,
            )


def _refused_status(
    parent: ModuleDeployment | ModuleReplicaSet, found: DeploymentStatus, said: str, since: str
) -> dict[str, Any]:
    """What a pass without its writes may tell: the refusal, and counts; those of a new generation come with its pass."""
    body = encode_deployment_status(found)
    is_seen = parent.status.get("observedGeneration") == parent.metadata.generation
    counted = is_seen and isinstance(parent, ModuleDeployment)
    fields = {name: body[name] for name in (*_COUNTS_OF_ALL, *(_COUNTS_OF_A_GENERATION if counted else ()))}
    refused = {
        "type": REPLICA_FAILURE,
        "status": "True",
        "reason": REQUEST_REFUSED,
        "message": said,
        "lastTransitionTime": since,
        "observedGeneration": parent.metadata.generation,
    }
    fresh = [item for item in body["conditions"] if counted and item["type"] == AVAILABLE]
    replaced = {REPLICA_FAILURE, *(item["type"] for item in fresh)}
    kept = [item for item in parent.status.get("conditions") or [] if item.get("type") not in replaced]
    fields["conditions"] = [*fresh, *kept, refused]
    if isinstance(parent, ModuleDeployment):
        fields["message"] = said
    return fields


def _conditions_of(replica_set: ModuleReplicaSet) -> tuple[Condition, ...]:
    """What its status says; nothing where others made it unreadable."""
    try:
        return decode_conditions(Fields.of("status", replica_set.status))
    except DecodeError:
        return ()


def _harmless(status: DeploymentStatus) -> DeploymentStatus:
    """Texts may repeat what bases, servers and users wrote; cleaned before comparing, so that rest costs no writes."""
    conditions = tuple(attrs.evolve(item, message=one_line(item.message)) for item in status.conditions)
    release = status.release
    if release is not None and release.failure is not None:
        failure = attrs.evolve(release.failure, message=one_line(release.failure.message))
        release = attrs.evolve(release, failure=failure)
    return attrs.evolve(status, message=one_line(status.message), conditions=conditions, release=release)


def _is_urgent(before: DeploymentStatus, after: DeploymentStatus) -> bool:
    """More than counts changed: where the rollout stands, a condition's status, or the generation that was seen."""

    def essence(status: DeploymentStatus) -> tuple[object, ...]:
        release = status.release
        shown = (
            None if release is None else attrs.evolve(release, deadline=Deadline(progressed_at=0.0), peak_available=0)
        )
        conditions = tuple((item.type, item.status, item.reason) for item in status.conditions)
        return shown, conditions, status.observed_generation, status.collision_count

    return essence(before) != essence(after)


def _of_bare(found: tuple[Condition, ...], kept: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """A bare ModuleReplicaSet shows no conditions of a rollout but what keeps it from acting, and since when."""
    since = {(item.type, item.status): item.transition_at for item in kept}
    return tuple(
        attrs.evolve(item, transition_at=since.get((item.type, item.status), item.transition_at))
        for item in found
        if item.type in (CONFLICT, REPLICA_FAILURE) or item.reason in OBSTACLES
    )
