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
    internal,
    invalid,
    not_found,
    unknown,
)
from moduledeploy.devcluster.fieldpaths import field
from moduledeploy.devcluster.gotypes import Reading
from moduledeploy.devcluster.intents import typed_intent
from moduledeploy.devcluster.kinds import TYPES
from moduledeploy.devcluster.managedfields import Managed, Workflow
from moduledeploy.devcluster.objectmeta import check_name
from moduledeploy.devcluster.scale import dig, to_scale, with_replicas
from moduledeploy.devcluster.storage import copy_object

if TYPE_CHECKING:
    from collections.abc import Callable

    from moduledeploy.devcluster.fieldpaths import Path
    from moduledeploy.devcluster.resources import Resource
    from moduledeploy.devcluster.storage import Key, Object, Record
    from moduledeploy.devcluster.writes import WriteOptions, Writes

_VERSION: Final = "autoscaling/v1"
_REPLICAS: Final = (field("spec"), field("replicas"))


def get_scale(writes: Writes, resource: Resource, key: Key) -> Object:
    """The Scale of a stored object; raises ApiError 404, and 500 for a custom resource that says no replicas."""
    obj = _found(writes, resource, key).obj
    if not resource.strategy.typed and dig(obj, resource.scale.spec) is None:
        raise internal(f'the spec replicas field ".{".".join(resource.scale.spec)}" does not exist')
    return to_scale(obj, resource.scale)


def replace_scale(writes: Writes, resource: Resource, key: Key, scale: Object, options: WriteOptions) -> Object:
    """Replace the replicas by a whole Scale; raises ApiError 400, 404, 409, 422."""
    wanted = _decoded(scale, options)
    check_name(wanted["metadata"].get("name"), key[1])
    return _write(writes, resource, key, lambda _: wanted, options)


def patch_scale(
    writes: Writes, resource: Resource, key: Key, change: Callable[[Object], Object], options: WriteOptions
) -> Object:
    """Patch the Scale that stands for the object; raises ApiError 400, 404, 409, 422."""

    def patched(scale: Object) -> Object:
        try:
            return _decoded(change(scale), options)
        except ApiError as error:
            if error.code != 400:
                raise
            raise invalid("", "", "", [FieldError(INVALID, "patch", None, error.message)]) from error

    return _write(writes, resource, key, patched, options)


def _write(
    writes: Writes, resource: Resource, key: Key, change: Callable[[Object], Object], options: WriteOptions
) -> Object:
    record = _found(writes, resource, key)
    live, managed = to_scale(record.obj, resource.scale), _managed(writes, resource, record.obj)
    wanted = change(copy_object(live))
    check_name(wanted["metadata"].get("name"), key[1])
    writes.match_namespace(resource, key[0], wanted["metadata"])
    if managed.fields:  # where nobody is noted nobody comes to be
        new = {**live, "spec": {name: count for name, count in wanted["spec"].items() if count}}
        writes.managers.note(managed, TYPES.structs["Scale"], live, new, attrs.evolve(options, subresource="scale"))
    return _store(writes, resource, record, wanted, managed, options)


def apply_scale(
    writes: Writes, resource: Resource, key: Key, intent: Any, options: WriteOptions, *, force: bool
) -> Object:
    """Server-side apply of a Scale: the replicas' managers are those of the object; raises ApiError 400, 409, 422, 500."""
    schema = TYPES.structs["Scale"]
    intent = typed_intent(intent, api_version=_VERSION, kind="Scale", schema=schema)
    record = _found(writes, resource, key)
    live = to_scale(record.obj, resource.scale)
    entries = _managed(writes, resource, record.obj).entries()
    if not resource.strategy.typed and not entries:
        raise _unconvertible(key)
    noted = {**live["metadata"], "managedFields": entries}
    own = {**intent, "status": {}}
    flow = Workflow(options.manager, "Apply", "scale")
    kind = Kind(schema, _VERSION)
    merged, managed = merge_intent(writes, kind, {**live, "metadata": noted}, own, flow, force=force)
    if not resource.strategy.typed and merged != {**live, "metadata": noted}:
        raise _unconvertible(key)
    check_name(merged["metadata"].get("name"), key[1])
    return _store(writes, resource, record, _decoded(merged, options), managed, options)


def _unconvertible(key: Key) -> ApiError:
    """To a custom resource's storage a Scale is no version of the resource: nobody can apply a change of it."""
    return unknown(f"failed to convert new object (/{key[1]}; {_VERSION}, Kind=Scale) to proper version")


def _store(
    writes: Writes, resource: Resource, record: Record, wanted: Object, managed: Managed, options: WriteOptions
) -> Object:
    """Write the replicas, and who manages them, into the object."""
    meta, uid = wanted["metadata"], record.obj["metadata"]["uid"]
    if meta.get("uid", uid) != uid:
        why = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {uid}"
        raise conflict(resource.plural, resource.group, record.key[1], why)
    replicas = wanted["spec"].get("replicas", 0)
    if resource.strategy.typed and replicas < 0:
        problem = FieldError(INVALID, "spec.replicas", replicas, "must be greater than or equal to 0")
        raise invalid("Scale", "autoscaling", record.key[1], [problem])
    obj = with_replicas(copy_object(record.obj), resource.scale, replicas)
    obj["apiVersion"] = resource.api_version
    if meta.get("resourceVersion"):
        obj["metadata"]["resourceVersion"] = meta["resourceVersion"]
    options = attrs.evolve(options, subresource="scale", repeated=(), field_validation="Warn")
    outcome = commit_merged(writes, resource, record, obj, _of_object(writes, resource, record.obj, managed), options)
    return to_scale(outcome.obj, resource.scale)


def _managed(writes: Writes, resource: Resource, obj: Object) -> Managed:
    """Who manages the replicas of an object, as the managers of its Scale."""
    scale, managed = Managed(), Managed.read(obj["metadata"].get("managedFields"))
    for flow, held in managed.fields.items():
        served = _served(writes, resource, managed.versions[flow])
        if served is not None and served.scale is not None and _replicas(served) in held:
            noted = attrs.evolve(flow, api_version=_VERSION) if flow.api_version else flow
            scale.put(noted, {_REPLICAS})
            scale.versions[noted] = _VERSION
    return scale


def _of_object(writes: Writes, resource: Resource, obj: Object, scale: Managed) -> Managed:
    """Who manages the object when its replicas are managed as the Scale says.

    Without regard to it they are taken from whoever had them, and given to lines of their own that know no time: so
    does a real server, which takes an Update of a Scale and one of the object for different managers.
    """
    out, before = Managed(), Managed.read(obj["metadata"].get("managedFields"))
    for flow, held in before.fields.items():
        served = _served(writes, resource, before.versions[flow])
        if served is None:
            continue
        stays = served.scale is None or flow in scale.fields
        out.put(flow, held if stays else held - {_replicas(served)})
        out.versions[flow], out.times[flow] = before.versions[flow], before.times[flow]
    for flow, held in scale.fields.items():
        if _REPLICAS in held and flow not in out.fields:
            out.put(flow, {_replicas(resource)})
            out.versions[flow] = resource.api_version
    return out


def _served(writes: Writes, resource: Resource, api_version: str) -> Resource | None:
    group, _, version = api_version.rpartition("/")
    return writes.register.find(group, version, resource.plural)


def _replicas(resource: Resource) -> Path:
    return tuple(field(name) for name in resource.scale.spec)


def _decoded(scale: Object, options: WriteOptions) -> Object:
    if scale.get("kind", "Scale") != "Scale" or scale.get("apiVersion", _VERSION) != _VERSION:
        raise bad_request(f'{scale.get("kind")} in version "{scale.get("apiVersion")}" cannot be handled as a Scale')
    reading = Reading("Scale", _VERSION)
    rest = {name: value for name, value in scale.items() if name not in ("kind", "apiVersion", "metadata")}
    wanted = reading.struct(rest, TYPES.structs["Scale"], "")
    wrong = [*options.repeated, *reading.unknown]
    if wrong and options.field_validation == "Strict":
        raise bad_request(
            f'Scale in version "v1" cannot be handled as a Scale: strict decoding error: {", ".join(wrong)}'
        )
    return {"metadata": scale.get("metadata") or {}, **wanted}


def _found(writes: Writes, resource: Resource, key: Key) -> Record:
    record = writes.store.get(resource.table, key)
    if record is None:
        raise not_found(resource.plural, resource.group, key[1])
    return record
