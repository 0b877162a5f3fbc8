"""The rollout controller: one key, one plan. Observes a family, plans a pass, carries it out, writes the status last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
import structlog

from moduledeploy.api import names
from moduledeploy.api.decode import decode_deployment_spec
from moduledeploy.api.decode_status import decode_deployment_status
from moduledeploy.api.fields import DecodeError
from moduledeploy.api.kinds import ModuleDeployment, ModuleReplicaSet, ModuleSource
from moduledeploy.api.spec import DeploymentSpec, Template
from moduledeploy.api.status import DeploymentStatus
from moduledeploy.api.traffic import service_name
from moduledeploy.controllers.claims import Claim, Claims
from moduledeploy.controllers.execute import MOST_AT_ONCE, Executor
from moduledeploy.controllers.facts import (
    FamilyKey,
    PoolKey,
    created_at,
    revision,
    service_facts,
    spec_of_replica_set,
)
from moduledeploy.controllers.labels import is_edited
from moduledeploy.controllers.resources import MODULE_DEPLOYMENTS, MODULE_REPLICA_SETS, MODULES, SERVICES
from moduledeploy.controllers.schemes import refusal_of
from moduledeploy.controllers.slowstart import SlowStart
from moduledeploy.kube.errors import Forbidden, Invalid
from moduledeploy.kube.resources import ObjectKey
from moduledeploy.kube.worker import Done, RequeueAfter
from moduledeploy.rollout.actions import AdoptModule, AdoptRevision, CreateModule
from moduledeploy.rollout.plan import Plan, plan
from moduledeploy.rollout.service import ServiceFacts
from moduledeploy.rollout.view import BaseDeployment, Parent, Placer, Revision, View

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from moduledeploy.api.cluster import Deployment
    from moduledeploy.api.meta import Metadata
    from moduledeploy.controllers.cluster import Cluster
    from moduledeploy.controllers.execute import Writer
    from moduledeploy.controllers.statuses import StatusWriter
    from moduledeploy.kube.consistency import Versioned, WrittenVersions
    from moduledeploy.kube.resources import Resource
    from moduledeploy.kube.store import Store
    from moduledeploy.placement.pool import Pool
    from moduledeploy.runtime.clock import Clock

_log: Final = structlog.get_logger()
STALE_RETRY_S: Final = 0.5  # the watch brings what was written long before; this is for the case that it doesn't


@attrs.define(kw_only=True)
class _Memory:
    """What a family's passes remember of each other; losing it costs a write or a look, never a decision."""

    creations: SlowStart
    decoded: tuple[str, DeploymentSpec, DeploymentStatus] | None = None
    assumed: list[tuple[PoolKey, str, str, str]] = attrs.field(factory=list)
    revisions: dict[str, tuple[str, Revision]] = attrs.field(factory=dict)  # by UID, with the version they were read at


@attrs.define(kw_only=True)
class RolloutController:
    """Brings each family to what its ModuleDeployment (or bare ModuleReplicaSet) asks for.

    placer: what the planner places on, given a pool; the place for measuring it.
    """

    cluster: Cluster
    writer: Writer
    statuses: StatusWriter
    written: WrittenVersions[FamilyKey]
    clock: Clock
    url_schemes: frozenset[str]
    placer: Callable[[Pool], Placer] = lambda pool: pool
    _claims: Claims = attrs.field(factory=Claims, init=False)
    _memories: dict[FamilyKey, _Memory] = attrs.field(factory=dict, init=False)

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
        memory = self._memories.setdefault(key, _Memory(creations=SlowStart(clock=self.clock, at_most=MOST_AT_ONCE)))
        self._take_back(memory)
        try:
            spec, status = self._decode(parent_object, memory)
        except DecodeError as error:
            await self.statuses.refuse(key, parent_object, error)
            return Done()
        now = round(self.clock.wall(), 6)  # times in status have microseconds
        view = self._view(key, parent_object, spec, status)
        pool_key = PoolKey(key.namespace, spec.base_deployment)
        made = plan(view, self.placer(self.cluster.pool(pool_key)), now)
        # Before anything is written: whatever fails, the next pass takes back what wasn't made.
        memory.assumed = [
            (pool_key, action.base_uid, action.revision.template.module.name, action.name)
            for action in made.actions
            if isinstance(action, CreateModule)
        ]
        self.statuses.warn_of_caps(pool_key)
        self._wait_for_bases(key, pool_key, waits=made.lacks_base)
        return await self._carry_out(key, parent_object, view, pool_key, made)

    def _find(self, key: FamilyKey) -> ModuleDeployment | ModuleReplicaSet | None:
        where = ObjectKey(key.namespace, key.name)
        if key.kind == names.MODULE_DEPLOYMENT:
            return self.cluster.stores.deployments.get(where)
        replica_set = self.cluster.stores.replica_sets.get(where)
        owner = replica_set.metadata.controller if replica_set else None
        return None if owner is not None and owner.kind == names.MODULE_DEPLOYMENT else replica_set

    def _take_back(self, memory: _Memory) -> None:
        """Forget what the last pass assumed: Modules that were made are in the pool by now on their own account."""
        for pool, uid, module, holder in memory.assumed:
            self.cluster.pool(pool).forget(uid, module, holder)
        memory.assumed.clear()

    def _forget(self, key: FamilyKey) -> None:
        slots = self.cluster.families.get(key)
        if slots is not None and not slots.module_count:
            del self.cluster.families[key]
        memory = self._memories.pop(key, None)
        if memory is not None:
            self._take_back(memory)
        self.statuses.forget(key)
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
                memory.decoded = (version, self._spec(parent), self._status(parent))
        return memory.decoded[1], memory.decoded[2]

    @staticmethod
    def _spec(parent: ModuleDeployment) -> DeploymentSpec:
        """The spec; of one that is going, even if it can't be read: what it left behind is uninstalled all the same."""
        try:
            return decode_deployment_spec(parent.spec)
        except DecodeError:
            if not parent.metadata.is_terminating:
                raise
            return DeploymentSpec(base_deployment="", template=Template(module=ModuleSource()))

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
        revisions = self._revisions_of(key, meta.uid, spec)
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
            revisions=revisions,
            slots=self.cluster.slots(key),
            base_deployment=_base_deployment(deployment),
            orphans=self._orphans(key, revisions),
            taken=_Names(self.cluster.stores.replica_sets, key.namespace),
            letting_go=self._letting_go(key),
            services=self._services(key, meta.uid, spec.template.module.name),
            conflict=self._conflict(spec, key, winner, revisions),
            refusal=refusal_of(spec.template.module.url, self.url_schemes),
        )

    def _orphans(self, key: FamilyKey, revisions: Mapping[str, Revision]) -> tuple[AdoptModule | AdoptRevision, ...]:
        """What was left behind without an owner: revisions of a ModuleDeployment of this name, Modules of these revisions."""
        stores = self.cluster.stores
        left = stores.replica_sets.by_index("orphan", str(ObjectKey(key.namespace, key.name)))
        found = [item.metadata.name for item in left] if key.kind == names.MODULE_DEPLOYMENT else []
        modules = [
            AdoptModule(name=module.metadata.name, version=module.metadata.resourceVersion, replica_set=revision.name)
            for revision in revisions.values()
            for module in stores.modules.by_index("orphan", str(ObjectKey(key.namespace, revision.name)))
            if module.spec.module == revision.template.module
        ]
        return (*map(AdoptRevision, sorted(found)), *sorted(modules, key=lambda action: action.name))

    def _letting_go(self, key: FamilyKey) -> frozenset[str]:
        """Names of ModuleReplicaSets from which the garbage collector takes their Modules before they go."""
        named = self.cluster.stores.replica_sets.by_index("deployment", str(ObjectKey(key.namespace, key.name)))
        going = (item.metadata for item in named if item.metadata.is_terminating)
        return frozenset(meta.name for meta in going if names.ORPHAN_FINALIZER in meta.finalizers)

    def _services(self, key: FamilyKey, uid: str, module_name: str) -> Mapping[str, ServiceFacts]:
        """Services that the family owns, and that of its module's name."""
        store = self.cluster.stores.services
        named = store.get(ObjectKey(key.namespace, service_name(module_name)))
        found = [service for service in store.by_index("owner", uid) if service.metadata.namespace == key.namespace]
        if named is not None:
            found.append(named)
        return {service.metadata.name: service_facts(service) for service in found}

    @staticmethod
    def _conflict(
        spec: DeploymentSpec, key: FamilyKey, winner: FamilyKey | None, revisions: Mapping[str, Revision]
    ) -> str | None:
        """Which other family acts; a revision of this one that was without an owner until now is no other."""
        if winner in (None, key) or (winner.kind == names.MODULE_REPLICA_SET and winner.name in revisions):
            return None
        return (
            f"{winner} is older and acts for module {spec.template.module.name} on Deployment {spec.base_deployment};"
            " nothing is started here until it is deleted or names another module"
        )

    def _revisions_of(self, key: FamilyKey, uid: str, spec: DeploymentSpec) -> Mapping[str, Revision]:
        """Not those of a namesake that is gone: they are about to be collected, with whatever is made for them."""
        stores = self.cluster.stores
        if key.kind == names.MODULE_REPLICA_SET:
            own = stores.replica_sets.get(ObjectKey(key.namespace, key.name))
            found = [own] if own is not None else []
        else:
            named = stores.replica_sets.by_index("deployment", f"{key.namespace}/{key.name}")
            found = [item for item in named if _is_kept(item.metadata, uid)]
        before = self._memories[key].revisions
        now = self._memories[key].revisions = {
            item.metadata.uid: (item.metadata.resourceVersion, made)
            for item in found
            if (made := self._revision(item, before.get(item.metadata.uid))) is not None
        }
        edited = {
            item.metadata.uid
            for item in found
            if key.kind == names.MODULE_DEPLOYMENT
            and item.metadata.uid in now
            and is_edited(item, now[item.metadata.uid][1], key.name, spec)
        }
        return {
            made.name: attrs.evolve(made, is_edited=True) if uid in edited else made for uid, (_, made) in now.items()
        }

    @staticmethod
    def _revision(replica_set: ModuleReplicaSet, known: tuple[str, Revision] | None) -> Revision | None:
        """The revision; decoded once for each version. One that can't be read counts as none: its template is unknown."""
        if known is not None and known[0] == replica_set.metadata.resourceVersion:
            return known[1]
        try:
            return revision(replica_set)
        except DecodeError as error:
            _log.warning("ModuleReplicaSet can't be read", name=replica_set.metadata.name, error=str(error))
            return None

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
            creations=self._memories[key].creations,
        )
        delay_s: float | None = None
        try:
            if made.status_first:
                await self.statuses.write(key, parent, view, made)
            await executor.run(made.actions)
            if not made.status_first and not executor.is_parent_gone:
                delay_s = await self.statuses.write(key, parent, view, made)
        except (Forbidden, Invalid) as refusal:
            await self.statuses.tell_refused_write(key, parent, view, made, refusal)
            raise
        return self._next(made, delay_s)

    def _next(self, made: Plan, delay_s: float | None) -> Done | RequeueAfter:
        delays = [] if delay_s is None else [delay_s]
        if made.wake_at is not None:
            delays.append(max(0.0, made.wake_at - self.clock.wall()) + 0.01)
        return RequeueAfter(min(delays)) if delays else Done()


@attrs.frozen
class _Names:
    """Names of all ModuleReplicaSets of a namespace."""

    store: Store[ModuleReplicaSet]
    namespace: str

    def __contains__(self, name: object) -> bool:
        return self.store.get(ObjectKey(self.namespace, str(name))) is not None


def _is_kept(meta: Metadata, uid: str) -> bool:
    """That very ModuleDeployment controls it, and nobody deletes it."""
    return meta.controller is not None and meta.controller.uid == uid and not meta.is_terminating


def _base_deployment(deployment: Deployment | None) -> BaseDeployment | None:
    if deployment is None:
        return None
    return BaseDeployment(replicas=deployment.spec.replicas, is_rolling=deployment.is_rolling)
