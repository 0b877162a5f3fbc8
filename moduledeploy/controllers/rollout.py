"""The rollout controller: one key, one plan. Observes a family, plans a pass, carries it out, writes the status last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

import attrs
import structlog

from moduledeploy.api import names
from moduledeploy.api.decode import decode_deployment_spec
from moduledeploy.api.decode_status import decode_deployment_status
from moduledeploy.api.encode import encode_deployment_status, encode_replica_set_status
from moduledeploy.api.fields import DecodeError
from moduledeploy.api.kinds import ModuleDeployment, ModuleReplicaSet
from moduledeploy.api.spec import DeploymentSpec
from moduledeploy.api.status import Condition, Deadline, DeploymentStatus, ReplicaSetStatus
from moduledeploy.api.traffic import service_name
from moduledeploy.controllers.claims import Claim, Claims
from moduledeploy.controllers.execute import Executor, without_nulls
from moduledeploy.controllers.facts import (
    FamilyKey,
    PoolKey,
    created_at,
    revision,
    service_facts,
    spec_of_replica_set,
)
from moduledeploy.controllers.resources import MODULE_DEPLOYMENTS, MODULE_REPLICA_SETS, MODULES, SERVICES
from moduledeploy.kube.errors import NotFound
from moduledeploy.kube.events import EventType, Reference
from moduledeploy.kube.resources import ObjectKey
from moduledeploy.kube.worker import Done, RequeueAfter
from moduledeploy.rollout.plan import Plan, plan
from moduledeploy.rollout.service import ServiceFacts
from moduledeploy.rollout.slots import Mark
from moduledeploy.rollout.transitions import EventFact
from moduledeploy.rollout.view import BaseDeployment, Parent, Revision, View

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moduledeploy.api.cluster import Deployment
    from moduledeploy.controllers.cluster import Cluster
    from moduledeploy.controllers.execute import Writer
    from moduledeploy.kube.consistency import Versioned, WrittenVersions
    from moduledeploy.kube.resources import Resource
    from moduledeploy.runtime.clock import Clock

_log: Final = structlog.get_logger()
STATUS_INTERVAL_S: Final = 1.0  # status that only counts on is written at most this often
STALE_RETRY_S: Final = 0.5  # the watch brings what was written long before; this is for the case that it doesn't
INVALID_SPEC: Final = "InvalidSpec"


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


@attrs.define
class _Memory:
    """What a family's passes remember of each other; losing it costs a write or a look, never a decision."""

    status_at: float = float("-inf")
    decoded: tuple[str, DeploymentSpec, DeploymentStatus] | None = None
    assumed: list[tuple[PoolKey, str, str, str]] = attrs.field(factory=list)


@attrs.define(kw_only=True)
class RolloutController:
    """Brings each family to what its ModuleDeployment (or bare ModuleReplicaSet) asks for."""

    cluster: Cluster
    writer: Writer
    recorder: Recorder
    written: WrittenVersions[FamilyKey]
    counters: Counters
    clock: Clock
    url_schemes: frozenset[str]
    _claims: Claims = attrs.field(factory=Claims, init=False)
    _memories: dict[FamilyKey, _Memory] = attrs.field(factory=dict, init=False)
    _revisions: dict[str, tuple[str, Revision]] = attrs.field(factory=dict, init=False)

    async def reconcile(self, key: FamilyKey) -> Done | RequeueAfter:
        """One pass over a family."""
        stores = self.cluster.stores
        parent_object = self._find(key)
        if parent_object is None:
            self._forget(key)
            return Done()
        fresh: dict[Resource, Versioned] = {
            MODULE_DEPLOYMENTS: stores.deployments,
            MODULE_REPLICA_SETS: stores.replica_sets,
            MODULES: stores.modules,
            SERVICES: stores.services,
        }
        if not self.written.is_ready(key, fresh):
            return RequeueAfter(STALE_RETRY_S)
        memory = self._memories.setdefault(key, _Memory())
        for pool, uid, module, holder in memory.assumed:
            self.cluster.pool(pool).forget(uid, module, holder)
        memory.assumed.clear()
        try:
            spec, status = self._decode(parent_object, memory)
        except DecodeError as error:
            return await self._refuse(key, parent_object, error)
        now = round(self.clock.wall(), 6)  # times in status have microseconds
        view = self._view(key, parent_object, spec, status)
        pool_key = PoolKey(key.namespace, spec.base_deployment)
        made = plan(view, self.cluster.pool(pool_key), now)
        self._wait_for_bases(key, pool_key, waits=made.lacks_base)
        return await self._carry_out(key, parent_object, view, pool_key, made, memory)

    def _find(self, key: FamilyKey) -> ModuleDeployment | ModuleReplicaSet | None:
        where = ObjectKey(key.namespace, key.name)
        if key.kind == names.MODULE_DEPLOYMENT:
            return self.cluster.stores.deployments.get(where)
        replica_set = self.cluster.stores.replica_sets.get(where)
        owner = replica_set.metadata.controller if replica_set else None
        return None if owner is not None and owner.kind == names.MODULE_DEPLOYMENT else replica_set

    def _forget(self, key: FamilyKey) -> None:
        slots = self.cluster.families.get(key)
        if slots is not None and not slots.module_count:
            del self.cluster.families[key]
        self._memories.pop(key, None)
        self.written.forget(key)
        self.cluster.follow(key, None)
        for rival in self._claims.drop(key):
            self.cluster.keys.family(rival)

    def _decode(
        self, parent: ModuleDeployment | ModuleReplicaSet, memory: _Memory
    ) -> tuple[DeploymentSpec, DeploymentStatus]:
        """Spec and status; decoded once for each version of the object."""
        version = parent.metadata.resourceVersion
        if memory.decoded is None or memory.decoded[0] != version:
            if isinstance(parent, ModuleReplicaSet):
                memory.decoded = (version, spec_of_replica_set(parent), DeploymentStatus())
            else:
                memory.decoded = (version, decode_deployment_spec(parent.spec), self._status(parent))
        return memory.decoded[1], memory.decoded[2]

    def _status(self, parent: ModuleDeployment) -> DeploymentStatus:
        try:
            return decode_deployment_status(parent.status)
        except DecodeError as error:
            # Somebody else wrote to status. The rollout begins anew from what is there, which takes nothing away.
            _log.warning("status can't be read and is written anew", error=str(error))
            return DeploymentStatus()

    def _view(
        self,
        key: FamilyKey,
        parent: ModuleDeployment | ModuleReplicaSet,
        spec: DeploymentSpec,
        status: DeploymentStatus,
    ) -> View:
        meta, pool = parent.metadata, PoolKey(key.namespace, spec.base_deployment)
        self.cluster.follow(key, pool)
        claim = Claim(created_at(meta), meta.uid, key)
        for rival in self._claims.claim(claim, pool, spec.template.module.name):
            self.cluster.keys.family(rival)
        winner = self._claims.winner(key)
        deployment = self.cluster.stores.base_deployments.get(ObjectKey(*pool))
        return View(
            parent=Parent(
                kind=key.kind,
                namespace=key.namespace,
                name=key.name,
                uid=meta.uid,
                generation=meta.generation,
                spec=spec,
                status=status,
                waiting=meta.annotation(names.WAITING_ANNOTATION),
                retry=meta.annotation(names.RETRY_ANNOTATION) or "",
                has_finalizer=names.FINALIZER in meta.finalizers,
                is_terminating=meta.is_terminating,
                is_orphaning=names.ORPHAN_FINALIZER in meta.finalizers,
            ),
            revisions=self._revisions_of(key),
            slots=self.cluster.slots(key),
            base_deployment=_base_deployment(deployment),
            orphans=self._orphans(key),
            services=self._services(key, meta.uid, spec.template.module.name),
            conflict=None if winner in (None, key) else self._conflict(spec, winner),
            refusal=self._refusal(spec.template.module.url),
        )

    def _orphans(self, key: FamilyKey) -> tuple[str, ...]:
        """ModuleReplicaSets that a ModuleDeployment of this name left behind."""
        if key.kind != names.MODULE_DEPLOYMENT:
            return ()
        found = self.cluster.stores.replica_sets.by_index("orphan", f"{key.namespace}/{key.name}")
        return tuple(sorted(item.metadata.name for item in found))

    def _services(self, key: FamilyKey, uid: str, module_name: str) -> Mapping[str, ServiceFacts]:
        """Services that the family owns, and that of its module's name."""
        store = self.cluster.stores.services
        named = store.get(ObjectKey(key.namespace, service_name(module_name)))
        found = [service for service in store.by_index("owner", uid) if service.metadata.namespace == key.namespace]
        if named is not None:
            found.append(named)
        return {service.metadata.name: service_facts(service) for service in found}

    @staticmethod
    def _conflict(spec: DeploymentSpec, winner: FamilyKey | None) -> str:
        return (
            f"{winner} is older and acts for module {spec.template.module.name} on Deployment {spec.base_deployment};"
            " nothing is started here until it is deleted or names another module"
        )

    def _refusal(self, url: str) -> str | None:
        scheme = urlsplit(url).scheme
        if scheme in self.url_schemes:
            return None
        allowed = ", ".join(sorted(self.url_schemes))
        return f"spec.template.spec.module.url: scheme {scheme!r} is not allowed, only {allowed} (flag --url-schemes)"

    def _revisions_of(self, key: FamilyKey) -> Mapping[str, Revision]:
        stores = self.cluster.stores
        if key.kind == names.MODULE_REPLICA_SET:
            own = stores.replica_sets.get(ObjectKey(key.namespace, key.name))
            found = [own] if own is not None else []
        else:
            found = stores.replica_sets.by_index("deployment", f"{key.namespace}/{key.name}")
        return {item.metadata.name: made for item in found if (made := self._revision(item)) is not None}

    def _revision(self, replica_set: ModuleReplicaSet) -> Revision | None:
        """The revision; decoded once for each version. One that can't be read counts as none: its template is unknown."""
        uid, version = replica_set.metadata.uid, replica_set.metadata.resourceVersion
        known = self._revisions.get(uid)
        if known is not None and known[0] == version:
            return known[1]
        try:
            made = revision(replica_set)
        except DecodeError as error:
            _log.warning("ModuleReplicaSet can't be read", name=replica_set.metadata.name, error=str(error))
            return None
        self._revisions[uid] = (version, made)
        return made

    def _wait_for_bases(self, key: FamilyKey, pool: PoolKey, *, waits: bool) -> None:
        if waits:
            self.cluster.waiting[pool].add(key)
        else:
            self.cluster.waiting[pool].discard(key)

    async def _carry_out(
        self,
        key: FamilyKey,
        parent: ModuleDeployment | ModuleReplicaSet,
        view: View,
        pool: PoolKey,
        made: Plan,
        memory: _Memory,
    ) -> Done | RequeueAfter:
        executor = Executor(
            view=view,
            pool=self.cluster.pool(pool),
            version=parent.metadata.resourceVersion,
            finalizers=parent.metadata.finalizers,
            pods=self.cluster.stores.pods,
            services=self.cluster.stores.services,
            replica_sets=self.cluster.stores.replica_sets,
            writer=self.writer,
            written=lambda resource, version: self.written.wrote(key, resource, version),
            assumed=lambda uid, module, holder: memory.assumed.append((pool, uid, module, holder)),
        )
        delay_s: float | None = None
        if made.status_first:
            await self._write_status(key, parent, view, made, memory)
        await executor.run(made.actions)
        if not made.status_first and not executor.is_parent_gone:
            delay_s = await self._write_status(key, parent, view, made, memory)
        return self._next(made, delay_s)

    def _next(self, made: Plan, delay_s: float | None) -> Done | RequeueAfter:
        delays = [] if delay_s is None else [delay_s]
        if made.wake_at is not None:
            delays.append(max(0.0, made.wake_at - self.clock.wall()) + 0.01)
        return RequeueAfter(min(delays)) if delays else Done()

    async def _write_status(
        self, key: FamilyKey, parent: ModuleDeployment | ModuleReplicaSet, view: View, made: Plan, memory: _Memory
    ) -> float | None:
        """Write the status if it changed; counts alone at most once a second: then returns after how many seconds."""
        if isinstance(parent, ModuleReplicaSet):
            await self._write_replica_set_status(key, parent, made.status)
            return None
        body = without_nulls(encode_deployment_status(made.status))
        if body == without_nulls(parent.status):
            return None
        now = self.clock.monotonic()
        if not _is_urgent(view.parent.status, made.status) and now < memory.status_at + STATUS_INTERVAL_S:
            return memory.status_at + STATUS_INTERVAL_S - now
        memory.status_at = now
        try:
            await self._patch_status(key, MODULE_DEPLOYMENTS, encode_deployment_status(made.status))
        except NotFound:
            return None  # deleted meanwhile; its deletion is a change of its own
        self.counters.observe_pass(view.parent.status, made.status, self.clock.wall())
        self._emit(key, parent.metadata.uid, made.events)
        await self._write_revisions_status(key, view)
        return None

    async def _write_revisions_status(self, key: FamilyKey, view: View) -> None:
        """Counts of the family's ModuleReplicaSets, together with those of their ModuleDeployment."""
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
                conditions=_without_times(status.conditions),
            ),
        )

    async def _patch_replica_set(self, key: FamilyKey, replica_set: ModuleReplicaSet, status: ReplicaSetStatus) -> None:
        body = encode_replica_set_status(status)
        if without_nulls(body) != without_nulls(replica_set.status):
            where = FamilyKey(names.MODULE_REPLICA_SET, key.namespace, replica_set.metadata.name)
            try:
                await self._patch_status(where, MODULE_REPLICA_SETS, body)
            except NotFound:
                return  # deleted meanwhile

    async def _patch_status(self, key: FamilyKey, resource: Resource, status: dict[str, Any]) -> None:
        where = ObjectKey(key.namespace, key.name)
        wrote = await self.writer.patch(resource, where, {"status": status}, subresource="status")
        self.written.wrote(key, resource, wrote.resource_version)

    async def _refuse(
        self, key: FamilyKey, parent: ModuleDeployment | ModuleReplicaSet, error: DecodeError
    ) -> Done | RequeueAfter:
        """Say what is wrong with a spec that the CRD let through (or was not there to refuse); nothing else is touched."""
        now = round(self.clock.wall(), 6)
        condition = Condition(
            type="Progressing",
            status=False,
            reason=INVALID_SPEC,
            message=str(error),
            transition_at=now,
            observed_generation=parent.metadata.generation,
        )
        shown = parent.status.get("conditions") or []
        if any(item.get("reason") == INVALID_SPEC and item.get("message") == str(error) for item in shown):
            return Done()
        resource = MODULE_DEPLOYMENTS if isinstance(parent, ModuleDeployment) else MODULE_REPLICA_SETS
        status = encode_deployment_status(DeploymentStatus(conditions=(condition,), message=str(error)))
        fields = {"conditions": status["conditions"]}
        if isinstance(parent, ModuleDeployment):
            fields["message"] = str(error)
        await self._patch_status(key, resource, fields)
        fact = EventFact(reason=INVALID_SPEC, action="Decode", note=str(error), is_warning=True)
        self._emit(key, parent.metadata.uid, (fact,))
        return Done()

    def _emit(self, key: FamilyKey, uid: str, facts: tuple[EventFact, ...]) -> None:
        for fact in facts:
            _log.info("rollout event", reason=fact.reason, note=fact.note)
            self.recorder.event(
                regarding=Reference(
                    api_version=names.API_VERSION, kind=key.kind, namespace=key.namespace, name=key.name, uid=uid
                ),
                type="Warning" if fact.is_warning else "Normal",
                reason=fact.reason,
                action=fact.action,
                note=fact.note,
            )


def _base_deployment(deployment: Deployment | None) -> BaseDeployment | None:
    if deployment is None:
        return None
    return BaseDeployment(replicas=deployment.spec.replicas, is_rolling=deployment.is_rolling)


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


def _without_times(conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """A bare ModuleReplicaSet shows no conditions of a rollout but what keeps it from acting."""
    return tuple(
        attrs.evolve(item, transition_at=0.0) for item in conditions if item.type in ("Conflict", "ReplicaFailure")
    )
