"""Admission: what is decided from the state of other objects, before validation.

Follows apiserver's NamespaceLifecycle plugin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from moduledeploy.devcluster.errors import ApiError, not_found

if TYPE_CHECKING:
    from moduledeploy.devcluster.resources import Resource
    from moduledeploy.devcluster.storage import Key, Object
    from moduledeploy.devcluster.writes import Writes

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


def forbid_immortal(resource: Resource, key: Key) -> None:
    """Three namespaces can't be deleted."""
    if resource.table == "namespaces" and key[1] in IMMORTAL:
        message = f'namespaces "{key[1]}" is forbidden: this namespace may not be deleted'
        raise ApiError(403, "Forbidden", message, details={"name": key[1], "kind": "namespaces"})
