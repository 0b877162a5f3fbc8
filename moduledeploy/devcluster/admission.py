"""Admission: what is decided from the state of other objects, before validation.

Follows the plugins NamespaceLifecycle, ServiceAccount and Priority.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from moduledeploy.devcluster.errors import ApiError, forbidden, not_found
from moduledeploy.devcluster.objectmeta import generate_name

if TYPE_CHECKING:
    from moduledeploy.devcluster.resources import Resource
    from moduledeploy.devcluster.storage import Key, Object
    from moduledeploy.devcluster.writes import Writes

_TOKEN_PATH: Final = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a path
_TOKEN_SOURCES: Final = [
    {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
    {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
    {
        "downwardAPI": {
            "items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]
        }
    },
]
# The classes that a real server begins with.
_SYSTEM_PRIORITIES: Final = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
IMMORTAL: Final = frozenset({"default", "kube-system", "kube-public"})


def admit_namespace(writes: Writes, resource: Resource, obj: Object, old: Object | None, subresource: str) -> None:
    """New objects need a namespace that is there and not on its way out."""
    if not resource.namespaced or old is not None or subresource:
        return
    meta = obj["metadata"]
    record = writes.store.get("namespaces", ("", meta["namespace"]))
    if record is None:
        raise not_found("namespaces", "", meta["namespace"])
    if record.obj["metadata"].get("deletionTimestamp"):
        namespace = meta["namespace"]
        message = f"unable to create new content in namespace {namespace} because it is being terminated"
        cause = {
            "reason": "NamespaceTerminating",
            "message": f"namespace {namespace} is being terminated",
            "field": "metadata.namespace",
        }
        details = {"name": meta.get("name", ""), "group": resource.group, "kind": resource.plural, "causes": [cause]}
        target = f'{resource.table} "{meta.get("name", "")}" is forbidden: {message}'
        raise ApiError(403, "Forbidden", target, details={k: v for k, v in details.items() if v})


def admit_service_account(
    writes: Writes, resource: Resource, obj: Object, old: Object | None, subresource: str
) -> None:
    """A new pod runs as an account that is there, and gets its token unless one of them doesn't want that."""
    if resource.table != "pods" or old is not None or subresource:
        return
    spec, namespace = obj["spec"], obj["metadata"]["namespace"]
    name = spec.setdefault("serviceAccountName", "default")
    record = writes.store.get("serviceaccounts", (namespace, name))
    if record is None:
        pod = obj["metadata"].get("name", "")
        raise forbidden(
            "pods", "", pod, f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
        )
    wanted = spec.get("automountServiceAccountToken", record.obj.get("automountServiceAccountToken", True))
    if wanted:
        _mount_token(spec)
    if record.obj.get("imagePullSecrets") and not spec.get("imagePullSecrets"):
        spec["imagePullSecrets"] = [dict(secret) for secret in record.obj["imagePullSecrets"]]


def admit_priority(writes: Writes, resource: Resource, obj: Object, old: Object | None, subresource: str) -> None:
    """A new pod has the priority of its class, or of the class that is everybody's."""
    if resource.table != "pods" or old is not None or subresource:
        return
    spec, name = obj["spec"], obj["metadata"].get("name", "")
    chosen = _priority_class(writes, spec.get("priorityClassName", ""))
    if chosen is None:
        raise forbidden("pods", "", name, f"no PriorityClass with name {spec['priorityClassName']} was found")
    decided = {
        "priority": chosen["value"],
        "preemptionPolicy": chosen.get("preemptionPolicy") or "PreemptLowerPriority",
    }
    for field, value in decided.items():
        if spec.get(field) not in (None, value):
            why = f"{field} {spec[field]} may not be given; its PriorityClass says {value}"
            raise forbidden("pods", "", name, why)
    if chosen.get("metadata"):
        spec["priorityClassName"] = chosen["metadata"]["name"]
    spec.update(decided)


def _priority_class(writes: Writes, name: str) -> Object | None:
    """The class of that name, or with no name what counts for all pods; None where there is no such class."""
    if name in _SYSTEM_PRIORITIES:
        return {"value": _SYSTEM_PRIORITIES[name]}
    classes = [record.obj for record in writes.store.open("priorityclasses.scheduling.k8s.io").in_order()]
    if name:
        return next((found for found in classes if found["metadata"]["name"] == name), None)
    common = [found for found in classes if found.get("globalDefault")]
    return min(common, key=lambda found: found["value"], default={"value": 0})


def _mount_token(spec: Object) -> None:
    containers = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
    bare = [c for c in containers if all(m.get("mountPath") != _TOKEN_PATH for m in c.get("volumeMounts") or [])]
    if not bare:
        return
    volume = generate_name("kube-api-access-")
    for container in bare:
        mounts = container.setdefault("volumeMounts", [])
        mounts.append({"name": volume, "readOnly": True, "mountPath": _TOKEN_PATH})
    spec.setdefault("volumes", []).append(
        {"name": volume, "projected": {"sources": _TOKEN_SOURCES, "defaultMode": 420}}
    )


def forbid_immortal(resource: Resource, key: Key) -> None:
    """Three namespaces can't be deleted."""
    if resource.table == "namespaces" and key[1] in IMMORTAL:
        message = f'namespaces "{key[1]}" is forbidden: this namespace may not be deleted'
        raise ApiError(403, "Forbidden", message, details={"name": key[1], "kind": "namespaces"})
