"""The cluster as the controllers see it: pools and families kept up to date by the informers' changes.

Handlers are plain functions: each takes one change, adjusts what it touches and says which keys are to be looked at. They can
be told in any order; what refers to something not yet known is completed when that comes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Protocol

import attrs

from moduledeploy.api import names
from moduledeploy.api.cluster import Deployment, EndpointSlice, Pod, ReplicaSet, Service
from moduledeploy.api.kinds import Module, ModuleDeployment, ModuleReplicaSet
from moduledeploy.api.traffic import Traffic, labelled_modules, service_name, traffic_of
from moduledeploy.controllers.facts import (
    BaseKey,
    FamilyKey,
    PoolKey,
    base_facts,
    base_key,
    family_of,
    family_of_replica_set,
    module_facts,
    placement_base,
)
from moduledeploy.controllers.indexes import endpoint, orphans_by_replica_set, replica_sets_by_owner
from moduledeploy.kube.resources import ObjectKey
from moduledeploy.placement.bases import Base, Obstacle
from moduledeploy.placement.pool import Pool
from moduledeploy.rollout.converge import Route
from moduledeploy.rollout.slots import BaseFacts, Slots

if TYPE_CHECKING:
    from moduledeploy.kube.informer import Change
    from moduledeploy.kube.store import Store


NO_TRAFFIC: Final = Traffic()


class Keys(Protocol):
    """Where keys go that are to be looked at."""

    def family(self, key: FamilyKey) -> None: ...
    def base(self, key: BaseKey) -> None: ...


@attrs.frozen(kw_only=True)
class Stores:
    """Everything that was read of the cluster."""

    deployments: Store[ModuleDeployment]
    replica_sets: Store[ModuleReplicaSet]
    modules: Store[Module]
    pods: Store[Pod]
    base_deployments: Store[Deployment]
    base_replica_sets: Store[ReplicaSet]
    services: Store[Service]
    endpoint_slices: Store[EndpointSlice]


@attrs.define
class Cluster:
    """Pools by base Deployment and slots by family.

    `waiting` are families that a new or freed base would help; `followers` those that name a base Deployment; `bad_caps` are
    pods by UID, with name and label, whose label max-module-count is no number.
    """

    stores: Stores
    keys: Keys
    families: dict[FamilyKey, Slots] = attrs.field(factory=dict)
    pools: dict[PoolKey, Pool] = attrs.field(factory=dict)
    waiting: defaultdict[PoolKey, set[FamilyKey]] = attrs.field(factory=lambda: defaultdict(set))
    followers: defaultdict[PoolKey, set[FamilyKey]] = attrs.field(factory=lambda: defaultdict(set))
    bad_caps: defaultdict[PoolKey, dict[str, tuple[str, str]]] = attrs.field(factory=lambda: defaultdict(dict))
    _seats: dict[str, tuple[PoolKey, Base]] = attrs.field(factory=dict)
    _homes: dict[str, FamilyKey] = attrs.field(factory=dict)
    _followed: dict[FamilyKey, PoolKey] = attrs.field(factory=dict)

    def pool(self, key: PoolKey) -> Pool:
        """The pool of a base Deployment, made when it is first asked for."""
        if key not in self.pools:
            self.pools[key] = Pool()
        return self.pools[key]

    def slots(self, key: FamilyKey) -> Slots:
        """The slots of a family, made when they are first asked for."""
        if key not in self.families:
            self.families[key] = Slots()
        return self.families[key]

    def pool_of(self, base_uid: str) -> PoolKey | None:
        """The base Deployment that a pod belongs to."""
        seat = self._seats.get(base_uid)
        return seat[0] if seat else None

    def follow(self, family: FamilyKey, pool: PoolKey | None) -> None:
        """Note which base Deployment a family names; None when the family is gone."""
        old = self._followed.pop(family, None)
        if old is not None:
            self.followers[old].discard(family)
            self.waiting[old].discard(family)
        if pool is not None:
            self._followed[family] = pool
            self.followers[pool].add(family)

    def family_of(self, module: Module) -> FamilyKey | None:
        """The family that a Module belongs to, by way of its ModuleReplicaSet; while that isn't known, by its labels."""
        owner = module.metadata.controller
        if owner is None:
            return None
        replica_set = self.stores.replica_sets.get(ObjectKey(module.metadata.namespace, owner.name))
        if replica_set is None or replica_set.metadata.uid != owner.uid:
            return family_of(module)
        return family_of_replica_set(replica_set)

    def pod(self, key: BaseKey) -> Pod | None:
        """The pod that is that very base."""
        pod = self.stores.pods.get(ObjectKey(key.namespace, key.name))
        return pod if pod is not None and pod.metadata.uid == key.uid else None

    def traffic(self, family: FamilyKey | None) -> Traffic:
        """What a family asks for; without a ModuleDeployment no Service."""
        if family is None or family.kind != names.MODULE_DEPLOYMENT:
            return NO_TRAFFIC
        deployment = self.stores.deployments.get(ObjectKey(family.namespace, family.name))
        return traffic_of(deployment.spec) if deployment else NO_TRAFFIC

    def routes(self, key: BaseKey, pod: Pod, modules: Iterable[Module]) -> dict[str, Route]:
        """How traffic comes to each module on a base; endpoints count as long as they last, whoever still asks for a Service."""
        labelled = labelled_modules(pod.metadata.labels)
        asked: dict[str, list[Traffic]] = {name: [] for name in labelled}
        for module in modules:
            asked.setdefault(module.spec.module.name, []).append(self.traffic(self._homes.get(module.metadata.uid)))
        routes = {}
        for name, traffics in asked.items():
            drain_s = max((traffic.drain_s for traffic in traffics), default=0)
            is_wanted = any(traffic.has_service for traffic in traffics)
            is_endpoint = self._is_endpoint(key, name)
            if is_wanted or drain_s or name in labelled or is_endpoint:
                routes[name] = Route(
                    is_wanted=is_wanted, is_labelled=name in labelled, is_endpoint=is_endpoint, drain_s=drain_s
                )
        return routes

    def _is_endpoint(self, key: BaseKey, module_name: str) -> bool:
        where = endpoint(key.namespace, service_name(module_name), key.uid)
        return bool(self.stores.endpoint_slices.by_index("endpoint", where))

    def on_deployment(self, change: Change[ModuleDeployment]) -> None:
        """A ModuleDeployment came, changed or went."""
        family = FamilyKey(names.MODULE_DEPLOYMENT, *change.key)
        self.keys.family(family)
        if (
            change.old is not None
            and change.new is not None
            and traffic_of(change.old.spec) != traffic_of(change.new.spec)
        ):
            for slot in self.slots(family):
                self.keys.base(BaseKey(family.namespace, slot.base.name, slot.base.uid))

    def on_service(self, change: Change[Service]) -> None:
        """A Service came, changed or went: its owners look after it, and others may have waited for that."""
        concerned = {
            owner.name
            for service in (change.old, change.new)
            for owner in (service.metadata.ownerReferences if service is not None else ())
            if owner.kind == names.MODULE_DEPLOYMENT
        }
        asking = self.stores.deployments.by_index("service", str(change.key))
        for name in concerned.union(deployment.metadata.name for deployment in asking):
            self.keys.family(FamilyKey(names.MODULE_DEPLOYMENT, change.key.namespace, name))

    def on_endpoint_slice(self, change: Change[EndpointSlice]) -> None:
        """Endpoints of a Service changed: bases that are no endpoint any more may go on."""
        before = set(change.old.ready_pods()) if change.old else set[str]()
        after = set(change.new.ready_pods()) if change.new else set[str]()
        for uid in before - after:
            for module in self.stores.modules.by_index("base", uid):
                self.keys.base(base_key(module))

    def on_replica_set(self, change: Change[ModuleReplicaSet]) -> None:
        """A ModuleReplicaSet came, changed or went; orphaned or adopted, it takes its Modules to another family."""
        families = [family_of_replica_set(item) if item is not None else None for item in (change.old, change.new)]
        for family in families:
            if family is not None:
                self.keys.family(family)
        if families[0] == families[1]:
            return
        for module in self.stores.modules.by_index("replica set", str(change.key)):
            if self._homes.get(module.metadata.uid) != self.family_of(module):
                self._leave_home(module)
                self._note_module(module)

    def on_module(self, change: Change[Module]) -> None:
        """A Module came, changed or went: its slot, its place in the pool, its base."""
        old, new = change.old, change.new
        if old is not None and (new is None or self._homes.get(old.metadata.uid) != self.family_of(new)):
            self._leave_home(old)
        if new is not None:
            self._note_module(new)
        elif old is not None:
            self._free_place(old)
        module = new or old
        if module is not None:
            self.keys.base(base_key(module))

    def _note_module(self, module: Module) -> None:
        key, uid = base_key(module), module.spec.base.uid
        family = self.family_of(module)
        if family is not None:
            self._homes[module.metadata.uid] = family
            self.slots(family).set_module(module_facts(module), self._base_facts(key))
            self.keys.family(family)
        for left in orphans_by_replica_set(module):
            replica_set = self.stores.replica_sets.get(ObjectKey(*left.split("/")))
            if replica_set is not None:
                self.keys.family(family_of_replica_set(replica_set))
        pool = self.pool_of(uid)
        if pool is not None:
            self.pool(pool).add_module(uid, module.spec.module.name, module.metadata.name)

    def _leave_home(self, module: Module) -> None:
        """Take a Module out of the slots of the family that it was in."""
        family = self._homes.pop(module.metadata.uid, None)
        if family is not None and family in self.families:
            self.families[family].drop_module(module.spec.base.uid, module.metadata.name)
            self.keys.family(family)

    def _free_place(self, module: Module) -> None:
        """A Module is gone: what it took in the pool is free."""
        uid, pool = module.spec.base.uid, self.pool_of(module.spec.base.uid)
        if pool is not None:
            self.pool(pool).remove_module(uid, module.spec.module.name, module.metadata.name)
            self._wake(pool)

    def on_pod(self, change: Change[Pod]) -> None:
        """A pod came, changed or went: its seat in the pool, the slots on it."""
        if change.old is not None and change.new is None:
            self._unseat(change.old)
        elif change.new is not None:
            self._seat(change.new)
        pod = change.new or change.old
        if pod is not None:
            self._tell_base(pod, changed=change.old is None or change.new is None or _matters(change.old, change.new))

    def on_base_deployment(self, change: Change[Deployment]) -> None:
        """A base Deployment came, changed or went: the default cap of its pods, peers and gates that look at it."""
        key = PoolKey(*change.key)
        old_cap = change.old.metadata.label(names.CAP_LABEL) if change.old else None
        new_cap = change.new.metadata.label(names.CAP_LABEL) if change.new else None
        if old_cap != new_cap:
            self._reseat(key)
        if change.old is None or change.new is None or _rolls(change.old) != _rolls(change.new):
            for family in list(self.followers[key]):
                self.keys.family(family)

    def on_base_replica_set(self, change: Change[ReplicaSet]) -> None:
        """A ReplicaSet came, changed or went: which pods are of which base Deployment, and which are its newest."""
        for replica_set in (change.old, change.new):
            owner = next(iter(replica_sets_by_owner(replica_set)), None) if replica_set else None
            if owner is None or replica_set is None:
                continue
            if change.old is None or change.new is None or change.old.revision != change.new.revision:
                namespace, _, deployment = owner.partition("/")
                self._reseat(PoolKey(namespace, deployment))

    def _reseat(self, key: PoolKey) -> None:
        for replica_set in self.stores.base_replica_sets.by_index("owner", f"{key.namespace}/{key.deployment}"):
            for pod in self.stores.pods.by_index("owner", replica_set.metadata.uid):
                self._seat(pod)

    def _seat(self, pod: Pod) -> None:
        """Tell the pool what the pod is like now."""
        meta = pod.metadata
        key, is_newest = self._belongs_to(pod)
        old = self._seats.get(meta.uid)
        if key is None or pod.has_ended:
            self._unseat(pod)
            return
        pool = self.pool(key)
        if old is None:
            for module in self.stores.modules.by_index("base", meta.uid):
                pool.add_module(meta.uid, module.spec.module.name, module.metadata.name)
        deployment = self.stores.base_deployments.get(ObjectKey(*key))
        default_cap = deployment.metadata.label(names.CAP_LABEL) if deployment else None
        label = meta.label(names.CAP_LABEL)
        base = placement_base(pod, default_cap, is_newest=is_newest)
        if old != (key, base):
            self._seats[meta.uid] = (key, base)
            if base.obstacle is Obstacle.BAD_CAP_LABEL:
                self.bad_caps[key][meta.uid] = (meta.name, (default_cap if label is None else label) or "")
            else:
                self.bad_caps[key].pop(meta.uid, None)
            pool.set_base(base)
            self._wake(key)

    def _unseat(self, pod: Pod) -> None:
        uid = pod.metadata.uid
        seat = self._seats.pop(uid, None)
        if seat is None:
            return
        self.bad_caps[seat[0]].pop(uid, None)
        pool = self.pool(seat[0])
        pool.remove_base(uid)
        for module in self.stores.modules.by_index("base", uid):
            pool.remove_module(uid, module.spec.module.name, module.metadata.name)
        self._wake(seat[0])

    def _belongs_to(self, pod: Pod) -> tuple[PoolKey | None, bool]:
        """The base Deployment of a pod, by way of its ReplicaSet, and whether that is the newest one."""
        owner = pod.metadata.controller
        if owner is None or owner.kind != "ReplicaSet":
            return None, False
        replica_set = self.stores.base_replica_sets.get(ObjectKey(pod.metadata.namespace, owner.name))
        if replica_set is None or replica_set.metadata.uid != owner.uid:
            return None, False
        deployment = replica_set.metadata.controller
        if deployment is None or deployment.kind != "Deployment":
            return None, False
        siblings = self.stores.base_replica_sets.by_index("owner", f"{pod.metadata.namespace}/{deployment.name}")
        newest = max(sibling.revision for sibling in siblings)
        return PoolKey(pod.metadata.namespace, deployment.name), replica_set.revision == newest

    def _tell_base(self, pod: Pod, *, changed: bool) -> None:
        """Tell the families with Modules on the base what it is like now."""
        meta = pod.metadata
        modules = self.stores.modules.by_index("base", meta.uid)
        key = BaseKey(meta.namespace, meta.name, meta.uid)
        if not modules:
            if changed and labelled_modules(meta.labels):  # traffic is led to a module that isn't there
                self.keys.base(key)
            return
        facts = self._base_facts(key)
        for family in {self.family_of(module) for module in modules} - {None}:
            if family is not None and self.slots(family).set_base(facts):
                self.keys.family(family)
        if changed:
            self.keys.base(key)

    def _base_facts(self, key: BaseKey) -> BaseFacts:
        return base_facts(key.uid, key.name, self.stores.pods.get(ObjectKey(key.namespace, key.name)))

    def _wake(self, pool: PoolKey) -> None:
        """Something changed that may help families that wait for a base."""
        for family in list(self.waiting[pool]):
            self.keys.family(family)


def _matters(old: Pod, new: Pod) -> bool:
    """Something changed that convergence looks at."""

    def facts(pod: Pod) -> tuple[object, ...]:
        status, meta = pod.status, pod.metadata
        labelled = labelled_modules(meta.labels)
        return status.podIP, status.phase, pod.arklet_container, meta.deletionTimestamp, pod.is_ready, labelled

    return facts(old) != facts(new)


def _rolls(deployment: Deployment) -> tuple[int, bool]:
    return deployment.spec.replicas, deployment.is_rolling
