"""Which pods of the embedded cluster are bases.

A pod that a ReplicaSet controls is a base if it says so, by a port named `arklet` or the annotation that names the port, or
if a ModuleDeployment or a ModuleReplicaSet of its namespace names its Deployment.  So pods of other Deployments stay as they
would on a cluster without kubelets.  What once was a base remains one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from moduledeploy.devcluster.bases.pods import Pod
    from moduledeploy.devcluster.local import LocalApi
    from moduledeploy.devcluster.resources import Resource
    from moduledeploy.devcluster.storage import Object
    from moduledeploy.devcluster.writes import Writes
    from moduledeploy.kube.resources import ObjectKey

_NAMING: Final = ("moduledeployments.koupleless.alipay.com", "modulereplicasets.koupleless.alipay.com")


def is_from_replica_set(_api: LocalApi, pod: Pod) -> bool:
    """Every pod that a ReplicaSet controls: for clusters whose Deployments are all bases."""
    return pod.is_from_replica_set


def is_base(api: LocalApi, pod: Pod) -> bool:
    """Whether the pod is a base, by this module's rule."""
    if not pod.is_from_replica_set:
        return False
    if pod.status.podIP or pod.declares_arklet:
        return True
    return _deployment(api, pod) in _named(api, pod.metadata.namespace)


def _deployment(api: LocalApi, pod: Pod) -> str:
    """The Deployment that the pod belongs to, empty where there is none."""
    owner = next(owner for owner in pod.metadata.ownerReferences if owner.controller)
    owning = api.find("replicasets.apps", owner.name, pod.metadata.namespace) or {"metadata": {}}
    references = owning["metadata"].get("ownerReferences") or []
    names: list[str] = [item["name"] for item in references if item.get("controller") and item["kind"] == "Deployment"]
    return next(iter(names), "")


def _named(api: LocalApi, namespace: str) -> set[str]:
    tables = [table for name in _NAMING if (table := api.store.tables.get(name)) is not None]
    return {record.obj["spec"]["baseDeploymentName"] for table in tables for record in table.in_order(namespace)}


@attrs.frozen
class NewlyNamed:
    """An admission that has all pods of a namespace looked at when something there names its bases."""

    api: LocalApi
    look_at: Callable[[ObjectKey], None]
    key_of: Callable[[Object], ObjectKey]

    def __call__(self, _writes: Writes, resource: Resource, obj: Object, old: Object | None, _subresource: str) -> None:
        if resource.table in _NAMING and old is None:
            for pod in self.api.list("pods", obj["metadata"].get("namespace", "")):
                self.look_at(self.key_of(pod))
