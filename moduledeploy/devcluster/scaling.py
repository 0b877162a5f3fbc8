"""The scale subresource's verbs: replicas read and written through a Scale, by replace, patch and apply.

Follows apiserver's and apiextensions' scale storage (registry/apps/deployment/storage, registry/customresource/etcd.go).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from moduledeploy.devcluster.apply import Kind, commit_merged, merge_intent
from moduledeploy.devcluster.errors import (
    INVALID,
    ApiError,
    FieldError,
    bad_request,
    conflict,
    invalid,
    not_found,
    unknown,
)
from moduledeploy.devcluster.fieldpaths import field
from moduledeploy.devcluster.gotypes import Reading
from moduledeploy.devcluster.kinds import TYPES
from moduledeploy.devcluster.managedfields import Managed, Workflow
from moduledeploy.devcluster.objectmeta import check_name
from moduledeploy.devcluster.scale import to_scale, with_replicas
from moduledeploy.devcluster.storage import copy_object

if TYPE_CHECKING:
    from collections.abc import Callable

    from moduledeploy.devcluster.resources import Resource
    from moduledeploy.devcluster.storage import Key, Object, Record
    from moduledeploy.devcluster.writes import WriteOptions, Writes

_VERSION: Final = "autoscaling/v1"
_REPLICAS: Final = (field("spec"), field("replicas"))


def get_scale(writes: Writes, resource: Resource, key: Key) -> Object:
    """The Scale of a stored object; raises ApiError 404."""
    return to_scale(_found(writes, resource, key).obj, resource.scale)


def replace_scale(writes: Writes, resource: Resource, key: Key, scale: Object, options: WriteOptions) -> Object:
    """Replace the replicas by a whole Scale; raises ApiError 400, 404, 409, 422."""
    wanted = _decoded(scale, key[1], options)
    check_name((scale.get("metadata") or {}).get("name"), key[1])
    return _write(writes, resource, key, lambda _: wanted, options)


def patch_scale(
    writes: Writes, resource: Resource, key: Key, change: Callable[[Object], Object], options: WriteOptions
) -> Object:
    """Patch the Scale that stands for the object; raises ApiError 400, 404, 409, 422."""

    def patched(scale: Object) -> Object:
        try:
            return _decoded(change(scale), key[1], options)
        except ApiError as error:
            if error.code != 400:
                raise
            raise invalid("", "", "", [FieldError(INVALID, "patch", None, error.message)]) from error

    return _write(writes, resource, key, patched, options)


def _write(
    writes: Writes, resource: Resource, key: Key, change: Callable[[Object], Object], options: WriteOptions
) -> Object:
    def apply(obj: Object) -> Object:
        wanted = change(to_scale(obj, resource.scale))
        meta = wanted["metadata"]
        if meta.get("uid", obj["metadata"]["uid"]) != obj["metadata"]["uid"]:
            why = (
                f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {obj['metadata']['uid']}"
            )
            raise conflict(resource.plural, resource.group, key[1], why)
        _refuse_negative(resource, wanted, key[1])
        if meta.get("resourceVersion"):
            obj["metadata"]["resourceVersion"] = meta["resourceVersion"]
        return with_replicas(obj, resource.scale, wanted["spec"].get("replicas", 0))

    options = attrs.evolve(options, subresource="scale", repeated=(), field_validation="Warn")
    return to_scale(writes.patch(resource, key, apply, options).obj, resource.scale)


def apply_scale(
    writes: Writes, resource: Resource, key: Key, intent: Any, options: WriteOptions, *, force: bool
) -> Object:
    """Server-side apply of a Scale: the replicas' managers are those of the object; raises ApiError 400, 409, 422, 500."""
    if not isinstance(intent, dict):
        raise bad_request("error decoding YAML: the patch is no object")
    if intent.get("kind") != "Scale" or intent.get("apiVersion") != _VERSION:
        raise bad_request(f"invalid object type: {intent.get('apiVersion') or '/'}, Kind={intent.get('kind', '')}")
    wanted, unknown_fields = _checked(intent, key[1])
    if unknown_fields:
        raise unknown(f"failed to create typed patch object (/{key[1]}; {_VERSION}, Kind=Scale): {unknown_fields[0]}")
    wanted["spec"] = intent.get("spec") or {}
    record = _found(writes, resource, key)
    _refuse_negative(resource, wanted, key[1])
    own: Object = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {}}
    if "replicas" in wanted["spec"]:
        with_replicas(own, resource.scale, wanted["spec"]["replicas"])
    flow = Workflow(options.manager, "Apply", "scale")
    bare = {"apiVersion": _VERSION, "kind": "Scale", "metadata": {}, "spec": wanted["spec"]}
    live = _managed_scale(record.obj, resource)
    # To a custom resource's storage a Scale is no version of the resource, so that only conflicts are found.
    if resource.strategy.typed or live["metadata"]["managedFields"]:
        merge_intent(writes, Kind(TYPES.structs["Scale"], _VERSION), live, bare, flow, force=force)
    if not resource.strategy.typed:
        raise unknown(f"failed to convert new object (/{key[1]}; {_VERSION}, Kind=Scale) to proper version")
    kind = Kind(resource.strategy.schema(), resource.api_version)
    merged, managed = merge_intent(writes, kind, copy_object(record.obj), own, flow, force=True)
    outcome = commit_merged(writes, resource, record, merged, managed, attrs.evolve(options, subresource="scale"))
    return to_scale(outcome.obj, resource.scale)


def _managed_scale(obj: Object, resource: Resource) -> Object:
    """The Scale of an object, its replicas managed by those who manage them in the object."""
    scale = to_scale(obj, resource.scale)
    replicas = tuple(field(name) for name in resource.scale.spec)
    managed = Managed()
    for flow, held in Managed.read(obj["metadata"].get("managedFields")).fields.items():
        if replicas in held:
            managed.put(flow, {_REPLICAS})
            managed.versions[flow] = _VERSION
    return {**scale, "metadata": {**scale["metadata"], "managedFields": managed.entries()}}


def _check_identity(scale: Object, name: str) -> None:
    if scale.get("kind", "Scale") != "Scale" or scale.get("apiVersion", _VERSION) != _VERSION:
        raise bad_request(f'{scale.get("kind")} in version "{scale.get("apiVersion")}" cannot be handled as a Scale')
    meta = scale.get("metadata") or {}
    if meta.get("name"):
        check_name(meta["name"], name)


def _checked(scale: Object, name: str) -> tuple[Object, list[str]]:
    _check_identity(scale, name)
    reading = Reading("Scale", _VERSION)
    meta = scale.get("metadata") or {}
    rest = {name: value for name, value in scale.items() if name not in ("kind", "apiVersion", "metadata")}
    return {"metadata": meta, **reading.struct(rest, TYPES.structs["Scale"], "")}, reading.unknown


def _decoded(scale: Object, name: str, options: WriteOptions) -> Object:
    wanted, unknown_fields = _checked(scale, name)
    wrong = [*options.repeated, *unknown_fields]
    if wrong and options.field_validation == "Strict":
        raise bad_request(
            f'Scale in version "v1" cannot be handled as a Scale: strict decoding error: {", ".join(wrong)}'
        )
    return wanted


def _refuse_negative(resource: Resource, scale: Object, name: str) -> None:
    if resource.strategy.typed and scale["spec"].get("replicas", 0) < 0:
        detail = "must be greater than or equal to 0"
        raise invalid(
            "Scale", "autoscaling", name, [FieldError(INVALID, "spec.replicas", scale["spec"]["replicas"], detail)]
        )


def _found(writes: Writes, resource: Resource, key: Key) -> Record:
    record = writes.store.get(resource.table, key)
    if record is None:
        raise not_found(resource.plural, resource.group, key[1])
    return record
