"""From objects of the API to the facts that the planner and the placement read."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from moduledeploy.api import names
from moduledeploy.api.cluster import Pod, Service
from moduledeploy.api.decode import decode_replica_set_spec
from moduledeploy.api.kinds import FailureClass, Module, ModuleReplicaSet, ModuleStatusWord
from moduledeploy.api.meta import Metadata
from moduledeploy.api.spec import DeploymentSpec, ServiceStrategy
from moduledeploy.api.times import at
from moduledeploy.api.traffic import module_of_service, service_labels, service_selector
from moduledeploy.placement.bases import Base, Obstacle
from moduledeploy.rollout.converge import Wanted
from moduledeploy.rollout.module_status import DRAINING
from moduledeploy.rollout.service import ServiceFacts
from moduledeploy.rollout.slots import BaseFacts, ModuleFacts
from moduledeploy.rollout.view import Revision

_STATUS_WORDS: Final = {word.value: word for word in ModuleStatusWord}
_FAILURE_CLASSES: Final = {word.value: word for word in FailureClass}


class FamilyKey(NamedTuple):
    """A ModuleDeployment with all that is its own, or a bare ModuleReplicaSet with its Modules."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


class BaseKey(NamedTuple):
    """One base pod; a namesake with another UID is another base."""

    namespace: str
    name: str
    uid: str

    def __str__(self) -> str:
        return f"base {self.namespace}/{self.name}"


class PoolKey(NamedTuple):
    """The bases of one base Deployment."""

    namespace: str
    deployment: str


def created_at(meta: Metadata) -> float:
    """When the object was created, in seconds since the epoch."""
    return at(meta.creationTimestamp) or 0.0


def family_of(module: Module) -> FamilyKey | None:
    """The family that a Module belongs to; None for one that nobody controls (orphaned, or made by hand)."""
    owner = module.metadata.controller
    if owner is None or owner.kind != names.MODULE_REPLICA_SET:
        return None
    deployment = module.metadata.label(names.DEPLOYMENT_LABEL)
    if deployment:
        return FamilyKey(names.MODULE_DEPLOYMENT, module.metadata.namespace, deployment)
    return FamilyKey(names.MODULE_REPLICA_SET, module.metadata.namespace, owner.name)


def family_of_replica_set(replica_set: ModuleReplicaSet) -> FamilyKey:
    """The ModuleDeployment that controls it, or itself."""
    owner, meta = replica_set.metadata.controller, replica_set.metadata
    if owner is not None and owner.kind == names.MODULE_DEPLOYMENT:
        return FamilyKey(names.MODULE_DEPLOYMENT, meta.namespace, owner.name)
    return FamilyKey(names.MODULE_REPLICA_SET, meta.namespace, meta.name)


def base_key(module: Module) -> BaseKey:
    """The base that a Module is for."""
    return BaseKey(module.metadata.namespace, module.spec.base.name, module.spec.base.uid)


def order_of(module: Module) -> tuple[float, int, str]:
    """Modules in the order of their creation; within one second (the API's resolution) the newer revision is the later one."""
    return created_at(module.metadata), number_of(module.metadata), module.metadata.name


def number_of(meta: Metadata) -> int:
    """The revision number that a label says; 0 where it is no number."""
    number = meta.label(names.REVISION_LABEL) or ""
    return int(number) if number.isascii() and number.isdigit() else 0


def module_facts(module: Module) -> ModuleFacts:
    """What the planner knows of a Module."""
    meta, status = module.metadata, module.status
    owner = meta.controller
    return ModuleFacts(
        name=meta.name,
        uid=meta.uid,
        replica_set=owner.name if owner else "",
        order=order_of(module),
        base_uid=module.spec.base.uid,
        base_name=module.spec.base.name,
        source=module.spec.module,
        status=_STATUS_WORDS.get(status.status, ModuleStatusWord.PENDING),
        reason=status.reason,
        message=status.message,
        failure_class=_FAILURE_CLASSES.get(status.failureClass),
        is_terminating=meta.is_terminating,
        active_since=at(status.activeSince),
        slot_active_since=at(status.slotActiveSince),
        batch=meta.annotation(names.BATCH_ANNOTATION),
        uninstall_first=meta.annotation(names.UNINSTALL_FIRST_ANNOTATION) == "true",
        retry_at=at(status.nextRetryTime),
        draining_since=at(status.lastTransitionTime) if status.reason == DRAINING else None,
    )


def wanted(module: Module, family: FamilyKey | None) -> Wanted:
    """What convergence knows of a Module of that family."""
    meta = module.metadata
    return Wanted(
        name=meta.name,
        uid=meta.uid,
        family=str(family),
        order=order_of(module),
        source=module.spec.module,
        status=module.status,
        is_terminating=meta.is_terminating,
        has_finalizer=names.FINALIZER in meta.finalizers,
        uninstall_first=meta.annotation(names.UNINSTALL_FIRST_ANNOTATION) == "true",
        is_given_up=meta.annotation(names.FORCE_DELETE_ANNOTATION) == "true",
        deleted_at=math.inf if meta.deletionTimestamp is None else meta.deletionTimestamp.timestamp(),
    )


def base_facts(uid: str, name: str, pod: Pod | None) -> BaseFacts:
    """What the planner knows of a base; a pod that isn't there, or has another UID, is gone."""
    if pod is None or pod.metadata.uid != uid or pod.has_ended:
        return BaseFacts(uid=uid, name=name, is_gone=True, is_lost=True)
    ready = pod.ready
    since = at(ready.lastTransitionTime) or 0.0 if ready is not None and ready.status == "True" else None
    return BaseFacts(uid=uid, name=name, is_lost=pod.metadata.is_terminating, ready_since=since)


def placement_base(pod: Pod, default_cap: str | None, *, is_newest: bool) -> Base:
    """What placement knows of a base pod; `default_cap` is the label's value on the base Deployment."""
    meta = pod.metadata
    label = meta.label(names.CAP_LABEL)
    cap, is_bad = read_cap(default_cap if label is None else label)
    return Base(
        uid=meta.uid,
        name=meta.name,
        cap=cap,
        obstacle=Obstacle.BAD_CAP_LABEL if is_bad else _obstacle(pod),
        is_newest=is_newest,
    )


def read_cap(label: str | None) -> tuple[int | None, bool]:
    """The cap that a label says (None without one), and whether it is no number from 0."""
    if label is None:
        return None, False
    if label.isascii() and label.isdigit():
        return int(label), False
    return None, True


def _obstacle(pod: Pod) -> Obstacle | None:
    if pod.metadata.is_terminating:
        return Obstacle.TERMINATING
    if pod.status.phase != "Running":
        return Obstacle.NOT_RUNNING
    if not pod.is_ready:
        return Obstacle.NOT_READY
    return None if pod.status.podIP else Obstacle.NO_ADDRESS


def revision(replica_set: ModuleReplicaSet) -> Revision:
    """A ModuleReplicaSet as a revision. Raises DecodeError."""
    meta, spec = replica_set.metadata, decode_replica_set_spec(replica_set.spec)
    return Revision(
        name=meta.name,
        uid=meta.uid,
        number=number_of(meta),
        template=spec.template,
        replicas=spec.replicas,
        created_at=created_at(meta),
    )


def spec_of_replica_set(replica_set: ModuleReplicaSet) -> DeploymentSpec:
    """What a bare ModuleReplicaSet asks for, in the words of a ModuleDeployment without batches and gates."""
    spec = decode_replica_set_spec(replica_set.spec)
    return DeploymentSpec(
        base_deployment=spec.base_deployment,
        replicas=spec.replicas,
        template=spec.template,
        min_ready_s=spec.min_ready_s,
        scheduling=spec.scheduling,
    )


def service_facts(service: Service) -> ServiceFacts:
    """What the planner knows of a Service."""
    meta = service.metadata
    module = module_of_service(meta.name)
    is_labelled = service_labels(module).items() <= (meta.labels or {}).items()
    owners = [owner for owner in meta.ownerReferences if owner.kind == names.MODULE_DEPLOYMENT]
    return ServiceFacts(
        name=meta.name,
        owners=tuple(owner.uid for owner in owners),
        first_owner=owners[0].name if owners else "",
        is_left_behind=not meta.ownerReferences and meta.label(names.MANAGED_BY_LABEL) == names.MANAGER,
        ports=tuple(
            ServiceStrategy(port.port, port.port if port.targetPort is None else port.targetPort)
            for port in service.spec.ports
        ),
        is_edited=not is_labelled or service.spec.selector != service_selector(module),
    )
