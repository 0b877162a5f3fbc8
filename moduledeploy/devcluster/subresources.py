"""Subresources that are actions: eviction, binding, finalize."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moduledeploy.devcluster.deletion import DeleteOptions
from moduledeploy.devcluster.errors import ApiError, FieldError, bad_request, conflict, invalid, not_found
from moduledeploy.devcluster.selectors import matches_label_selector
from moduledeploy.devcluster.storage import copy_object

if TYPE_CHECKING:
    from moduledeploy.devcluster.resources import Resource
    from moduledeploy.devcluster.storage import Key, Object
    from moduledeploy.devcluster.writes import WriteOptions, Writes


def evict(writes: Writes, pods: Resource, key: Key, body: Object, *, dry_run: bool) -> Object:
    """Delete a pod unless a disruption budget is used up (429); answers a Status."""
    if body["kind"] != "Eviction":
        raise bad_request(f"{body['kind']} cannot be handled as an Eviction")
    name = body["metadata"].get("name", key[1])
    if name != key[1]:
        raise bad_request(f"name in URL does not match name in Eviction object: {key[1]} and {name}")
    record = writes.store.get(pods.table, key)
    if record is None:
        raise not_found(pods.plural, pods.group, key[1])
    labels = record.obj["metadata"].get("labels") or {}
    budgets = writes.store.open("poddisruptionbudgets.policy").in_order(key[0])
    ready = {c["type"]: c["status"] for c in record.obj["status"].get("conditions") or []}.get("Ready") == "True"
    for budget in (other.obj for other in budgets):
        selector = budget["spec"].get("selector")
        if selector is None or not matches_label_selector(selector, labels):
            continue
        if ready and budget["status"].get("disruptionsAllowed", 0) <= 0:
            message = "Cannot evict pod as it would violate the pod's disruption budget."
            why = f"The disruption budget {budget['metadata']['name']} needs more healthy pods."
            causes = [{"reason": "DisruptionBudget", "message": why}]
            raise ApiError(429, "TooManyRequests", message, details={"causes": causes})
    options = body.get("deleteOptions") or {}
    preconditions = options.get("preconditions") or {}
    delete = DeleteOptions(
        grace_s=options.get("gracePeriodSeconds"), uid=preconditions.get("uid"),
        version=preconditions.get("resourceVersion"), dry_run=dry_run,
    )  # fmt: skip
    writes.delete(pods, key, delete)
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def bind(writes: Writes, pods: Resource, key: Key, body: Object, options: WriteOptions) -> Object:
    """Give a pod its node, as a scheduler does; raises ApiError 409 if it has one."""
    target = body["target"].get("name")
    if not target:
        raise invalid("Binding", "", key[1], [FieldError("FieldValueRequired", "target.name")])
    record = writes.store.get(pods.table, key)
    if record is None:
        raise not_found(pods.plural, pods.group, key[1])
    if record.obj["spec"].get("nodeName"):
        raise conflict(
            "pods/binding", "", key[1], f"pod {key[1]} is already assigned to node {record.obj['spec']['nodeName']!r}"
        )
    obj = copy_object(record.obj)
    obj["spec"]["nodeName"] = target
    now = writes.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = [c for c in obj["status"].get("conditions") or [] if c["type"] != "PodScheduled"]
    scheduled: dict[str, Any] = {
        "type": "PodScheduled",
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": now,
    }
    obj["status"]["conditions"] = [*conditions, scheduled]
    writes.finish_update(pods, record, obj, options)
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def finalize(writes: Writes, namespaces: Resource, name: str, body: Object, options: WriteOptions) -> Object:
    """Set a namespace's `spec.finalizers`; a deleted one without any is gone."""
    record = writes.store.get(namespaces.table, ("", name))
    if record is None:
        raise not_found(namespaces.plural, namespaces.group, name)
    obj = copy_object(record.obj)
    finalizers = body["spec"].get("finalizers")
    if finalizers:
        obj["spec"]["finalizers"] = finalizers
    else:
        obj["spec"].pop("finalizers", None)
    return writes.finish_update(namespaces, record, obj, options).obj
