"""Server-side apply: an intent merged into what is there, field by field, by who manages what.

Follows structured-merge-diff merge/update.go and apiserver's endpoints/handlers/patch.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from moduledeploy.devcluster import lastapplied, objectmeta
from moduledeploy.devcluster.errors import ApiError, Object, bad_request, conflict, not_found, unknown
from moduledeploy.devcluster.fieldpaths import from_fields_v1, with_parents
from moduledeploy.devcluster.intents import typed_intent, untyped
from moduledeploy.devcluster.levels import Schema
from moduledeploy.devcluster.managedfields import Managed, Workflow, conflict_error, fields_set, tracked
from moduledeploy.devcluster.merging import compare, merge, owned_paths, remove
from moduledeploy.devcluster.schema import Node
from moduledeploy.devcluster.storage import Record, copy_object
from moduledeploy.devcluster.views import convert

if TYPE_CHECKING:
    from moduledeploy.devcluster.fieldpaths import Path
    from moduledeploy.devcluster.resources import Resource
    from moduledeploy.devcluster.storage import Key
    from moduledeploy.devcluster.writes import Outcome, WriteOptions, Writes


@attrs.frozen
class Kind:
    """What merging has to know of a kind."""

    schema: Schema
    api_version: str
    reset: tuple[str, ...] = ()  # what a write of this part can't touch


def apply_patch(
    writes: Writes, resource: Resource, key: Key, intent: Any, options: WriteOptions, *, force: bool
) -> Outcome:
    """Create or change the object so that it has what the intent says; raises ApiError 400, 404, 409, 422."""
    options = attrs.evolve(options, keeps_nulls=True)
    intent = _checked(resource, intent)
    record = writes.store.get(resource.table, key)
    flow = Workflow(options.manager, "Apply", options.subresource)
    if record is None and options.subresource:
        raise not_found(resource.plural, resource.group, key[1])
    own = _of_this_part(resource, intent, options.subresource)
    if record is None:
        return _create(writes, resource, key, own, options, flow)
    live = record.obj if record.obj["apiVersion"] == resource.api_version else convert(resource, record.obj)
    kind = Kind(resource.strategy.schema(), resource.api_version, resource.strategy.reset(options.subresource))
    merged, managed = merge_intent(writes, kind, live, own, flow, force=force)
    _check_place(key, intent)
    if own != intent and merge(resource.strategy.schema(), live, intent, root=True) != live and flow in managed.fields:
        writes.managers.stamp(managed, flow, resource.api_version)  # also where the change is one that is dropped
    if flow.manager == lastapplied.MANAGER:
        lastapplied.renew(merged, intent)
    return commit_merged(writes, resource, record, merged, managed, options)


def _checked(resource: Resource, given: Any) -> Object:
    """The intent as one of this kind; raises ApiError 400, and 500 for what the schema can't hold."""
    schema = resource.strategy.schema()
    intent = typed_intent(given, api_version=resource.api_version, kind=resource.kind, schema=schema)
    if isinstance(schema, Node):
        try:
            fields = resource.strategy.decode(copy_object(intent), resource).unknown
        except ApiError as error:
            raise unknown(f"{untyped(intent)}: {error}") from error
        if fields:
            problem = fields[0].removeprefix('unknown field "').removesuffix('"')
            raise unknown(f"{untyped(intent)}: .{problem}: field not declared in schema")
    return intent


def _check_place(key: Key, intent: Object) -> None:
    meta = intent["metadata"]
    if "name" in meta:
        objectmeta.check_name(meta["name"], key[1])
    if (meta.get("namespace") or key[0]) != key[0]:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


def _of_this_part(resource: Resource, intent: Object, subresource: str) -> Object:
    """Without what a write of this part can't touch, so that nobody comes to manage it; a version stays a precondition."""
    own = copy_object(intent)
    for path in resource.strategy.reset(subresource):
        head, _, rest = path.partition(".")
        if rest:
            (own.get(head) or {}).pop(rest, None)
        elif head == "metadata":
            own[head] = {name: value for name, value in own[head].items() if name == "resourceVersion"}
        else:
            own.pop(head, None)
    return own


def _create(
    writes: Writes, resource: Resource, key: Key, intent: Object, options: WriteOptions, flow: Workflow
) -> Outcome:
    body = copy_object(intent)
    meta = body["metadata"]
    objectmeta.check_name(meta.get("name"), key[1])
    _check_place(key, intent)
    meta.pop("resourceVersion", None)
    _decoded(writes, resource, body, options)
    if meta.get("uid"):
        why = f"uid mismatch: the provided object specified uid {meta['uid']}, and no existing object was found"
        raise conflict(resource.plural, resource.group, key[1], why)
    managed = Managed()
    managed.put(flow, tracked(owned_paths(resource.strategy.schema(), intent)))
    return writes.create_outcome(resource, key[0], body, attrs.evolve(options, managed=(managed, flow)), posted=False)


def merge_intent(
    writes: Writes, kind: Kind, live: Object, intent: Object, flow: Workflow, *, force: bool
) -> tuple[Object, Managed]:
    """The object with the intent, and who manages what then; raises ApiError 409 for fields of others."""
    schema = kind.schema
    managed = Managed.read(live["metadata"].get("managedFields"))
    if not managed.fields:  # whoever wrote it before there were records of that
        before = Workflow("before-first-apply", "Update", "", kind.api_version)
        managed.put(before, set(from_fields_v1(fields_set(schema, live, kind.reset))))
        writes.managers.stamp(managed, before, kind.api_version)
    former = managed.fields.get(flow, set())
    wanted = tracked(owned_paths(schema, intent))
    merged: Object = merge(schema, live, intent, root=True)
    managed.put(flow, wanted)
    merged = remove(schema, merged, _dropped(former, managed))
    difference = compare(schema, _bare(live), _bare(merged))
    changed = tracked(difference.changed())
    own = lastapplied.taken_over(schema, _bare(live)) if flow.manager == lastapplied.MANAGER else set()
    conflicts: dict[Workflow, set[Path]] = {
        other: (held & changed) - own
        for other, held in managed.fields.items()
        if other != flow and not held.isdisjoint(changed - own)
    }
    if conflicts and not force:
        raise conflict_error(managed, conflicts)
    managed.give_up(changed | tracked(difference.removed), but=flow)
    if flow in managed.fields:
        managed.versions[flow] = kind.api_version
        # Time moves only for a manager that changed something.
        if not difference.is_empty():
            writes.managers.stamp(managed, flow, kind.api_version)
    return merged, managed


def _dropped(former: set[Path], managed: Managed) -> set[Path]:
    """What this manager had and now nobody has."""
    held: set[Path] = set().union(*managed.fields.values()) if managed.fields else set()
    return tracked(with_parents(former) - with_parents(held))


def _bare(obj: Object) -> Object:
    return {**obj, "metadata": {k: v for k, v in obj["metadata"].items() if k != "managedFields"}}


def _decoded(
    writes: Writes, resource: Resource, merged: Object, options: WriteOptions
) -> tuple[Object, tuple[str, ...]]:
    """What was merged as an object of its kind; raises ApiError 500 for a value that is not written as it has to be."""
    try:
        return writes.decode(resource, copy_object(merged), options)
    except ApiError as error:
        raise unknown(error.message) from error


def commit_merged(
    writes: Writes,
    resource: Resource,
    record: Record,
    merged: Object,
    managed: Managed,
    options: WriteOptions,
) -> Outcome:
    """Store what `merge_intent` gave; raises ApiError 409, 422."""
    meta = {name: value for name, value in merged["metadata"].items() if name != "managedFields"}
    obj, warnings = _decoded(writes, resource, {**merged, "metadata": meta}, options)
    warnings = (*warnings, *resource.strategy.warnings(obj, record.obj))
    writes.check_version(resource, record, obj)
    writes.prepare_changed(resource, obj, record.obj, options)
    writes.managers.write(obj, managed)
    return attrs.evolve(writes.commit_update(resource, record, obj, options), warnings=warnings)
