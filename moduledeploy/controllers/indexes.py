"""By what the controllers look things up in the stores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from moduledeploy.api import names
from moduledeploy.api.cluster import EndpointSlice, Pod, ReplicaSet, Service
from moduledeploy.api.kinds import Module, ModuleDeployment, ModuleReplicaSet
from moduledeploy.api.traffic import SERVICE_NAME_LABEL, wanted_service
from moduledeploy.kube.resources import ObjectKey


def deployments_by_service(deployment: ModuleDeployment) -> Iterable[str]:
    """Index `service` of ModuleDeployments: namespace and name of the Service that it asks for."""
    name = wanted_service(deployment.spec)
    return (f"{deployment.metadata.namespace}/{name}",) if name else ()


def modules_by_base(module: Module) -> Iterable[str]:
    """Index `base` of Modules."""
    return (module.spec.base.uid,)


def modules_by_replica_set(module: Module) -> Iterable[str]:
    """Index `replica set` of Modules: namespace and name."""
    owner = module.metadata.controller
    return (str(ObjectKey(module.metadata.namespace, owner.name)),) if owner is not None else ()


def orphans_by_deployment(replica_set: ModuleReplicaSet) -> Iterable[str]:
    """Index `orphan` of ModuleReplicaSets without a controller: namespace and name of the ModuleDeployment they once had."""
    meta = replica_set.metadata
    name = meta.label(names.DEPLOYMENT_LABEL)
    return (f"{meta.namespace}/{name}",) if name and meta.controller is None and not meta.is_terminating else ()


def orphans_by_replica_set(module: Module) -> Iterable[str]:
    """Index `orphan` of Modules without a controller: namespace and name of the ModuleReplicaSet they once had."""
    meta = module.metadata
    name = meta.label(names.REPLICA_SET_LABEL)
    return (
        (str(ObjectKey(meta.namespace, name)),) if name and meta.controller is None and not meta.is_terminating else ()
    )


def replica_sets_by_deployment(replica_set: ModuleReplicaSet) -> Iterable[str]:
    """Index `deployment` of ModuleReplicaSets."""
    owner = replica_set.metadata.controller
    return (f"{replica_set.metadata.namespace}/{owner.name}",) if owner else ()


def pods_by_uid(pod: Pod) -> Iterable[str]:
    """Index `uid` of pods."""
    return (pod.metadata.uid,)


def pods_by_owner(pod: Pod) -> Iterable[str]:
    """Index `owner` of pods: the UID of the ReplicaSet."""
    owner = pod.metadata.controller
    return (owner.uid,) if owner is not None and owner.kind == "ReplicaSet" else ()


def replica_sets_by_owner(replica_set: ReplicaSet) -> Iterable[str]:
    """Index `owner` of ReplicaSets: namespace and name of the Deployment."""
    owner = replica_set.metadata.controller
    if owner is None or owner.kind != "Deployment":
        return ()
    return (f"{replica_set.metadata.namespace}/{owner.name}",)


def services_by_owner(service: Service) -> Iterable[str]:
    """Index `owner` of Services: UIDs of all owners."""
    return [owner.uid for owner in service.metadata.ownerReferences]


def slices_by_endpoint(endpoint_slice: EndpointSlice) -> Iterable[str]:
    """Index `endpoint` of EndpointSlices: namespace and name of the Service, and UIDs of the pods that are ready in it."""
    meta = endpoint_slice.metadata
    service = meta.label(SERVICE_NAME_LABEL)
    return [endpoint(meta.namespace, service, uid) for uid in endpoint_slice.ready_pods()] if service else ()


def endpoint(namespace: str, service: str, pod_uid: str) -> str:
    """Value of the index `endpoint` for one pod in one Service."""
    return f"{namespace}/{service}/{pod_uid}"


# The indexes that the views need, by store.
INDEXES: Final[Mapping[str, Mapping[str, Callable[[Any], Iterable[str]]]]] = {
    "deployments": {"service": deployments_by_service},
    "replica_sets": {"deployment": replica_sets_by_deployment, "orphan": orphans_by_deployment},
    "modules": {"base": modules_by_base, "replica set": modules_by_replica_set, "orphan": orphans_by_replica_set},
    "pods": {"owner": pods_by_owner, "uid": pods_by_uid},
    "base_replica_sets": {"owner": replica_sets_by_owner},
    "services": {"owner": services_by_owner},
    "endpoint_slices": {"endpoint": slices_by_endpoint},
}
