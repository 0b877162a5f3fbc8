"""Server-side apply: an intent merged into what is there, field by field, by who manages what.

Follows structured-merge-diff merge/update.go and apiserver's endpoints/handlers/patch.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from moduledeploy.devcluster import lastapplied, objectmeta
from moduledeploy.devcluster.errors import ApiError, Object, bad_request, conflict, not_found, unknown
from moduledeploy.devcluster.fieldpaths import from_fields_v1, shown, with_parents
from moduledeploy.devcluster.levels import Schema, divide, keyed_element, keys_of, parts
from moduledeploy.devcluster.managedfields import Managed, Workflow, conflict_error, fields_set, tracked
from moduledeploy.devcluster.merging import compare, merge, owned_paths, remove
from moduledeploy.devcluster.schema import Node
from moduledeploy.devcluster.storage import Record, copy_object
from moduledeploy.devcluster.validation import has_type
from moduledeploy.devcluster.views import convert

if TYPE_CHECKING:
    from moduledeploy.devcluster.fieldpaths import Path
    from moduledeploy.devcluster.resources import Resource
    from moduledeploy.devcluster.storage import Key
    from moduledeploy.devcluster.writes import Outcome, WriteOptions, Writes

_TYPE_WORDS: Final = {"object": "map", "array": "list", "integer": "numeric (int or float)"}


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
    intent = _checked(resource, key, intent)
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
    if own != intent and merge(resource.strategy.schema(), live, intent, root=True) != live and flow in managed.fields:
        writes.managers.stamp(managed, flow, resource.api_version)  # also where the change is one that is dropped
    if flow.manager == lastapplied.MANAGER:
        lastapplied.renew(merged, intent)
    return commit_merged(writes, resource, record, merged, managed, options)


def _checked(resource: Resource, key: Key, intent: Any) -> Object:
    """The intent as one of this object; raises ApiError 400, and 500 for what the schema can't hold."""
    if not isinstance(intent, dict):
        raise bad_request("error decoding YAML: the patch is no object")
    if intent.get("metadata") is None:
        intent["metadata"] = {}
    _check_identity(resource, key, intent)
    # Unlike other writes an intent is read by the schema before anything else, and refused without a reason.
    meta = intent["metadata"]
    version = f"{resource.api_version}, Kind={resource.kind}"
    prefix = f"failed to create typed patch object ({meta.get('namespace', '')}/{meta.get('name', '')}; {version})"
    _refuse_untyped(resource.strategy.schema(), intent, (), prefix, root=True)
    try:
        strict = resource.strategy.decode(copy_object(intent), resource)
    except ApiError as error:
        raise unknown(f"{prefix}: {error}") from error
    if strict.unknown:
        problem = strict.unknown[0].removeprefix('unknown field "').removesuffix('"')
        raise unknown(f"{prefix}: .{problem}: field not declared in schema")
    return intent


def _check_identity(resource: Resource, key: Key, intent: Object) -> None:
    meta = intent["metadata"]
    if not isinstance(meta, dict):
        raise bad_request("error decoding YAML: metadata is no object")
    if not intent.get("kind"):
        raise bad_request("Object 'Kind' is missing in the apply patch")
    if not intent.get("apiVersion") or intent["kind"] != resource.kind:
        raise bad_request(f"invalid object type: {intent.get('apiVersion') or '/'}, Kind={intent['kind']}")
    if intent["apiVersion"] != resource.api_version:
        raise bad_request(
            f"Incorrect version specified in apply patch. Specified patch version: {intent['apiVersion']}, "
            f"expected: {resource.api_version}"
        )
    if meta.get("managedFields") is not None:
        raise bad_request("metadata.managedFields must be nil")
    if "name" in meta:
        objectmeta.check_name(meta["name"], key[1])
    if (meta.get("namespace") or key[0]) != key[0]:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


def _refuse_untyped(schema: Schema, value: Any, path: Path, prefix: str, *, root: bool = False) -> None:
    """An intent of the wrong types, or with items that can't be told apart, can't be merged; raises ApiError 500."""
    if isinstance(schema, Node) and value is not None and not has_type(schema, value):
        raise unknown(
            f"{prefix}: {shown(path)}: expected {_TYPE_WORDS.get(schema.type, schema.type) or 'int or string'}"
        )
    form = parts(schema, value)
    if form in ("keyed", "set") and (problem := _item_problem(schema, value, form)):
        raise unknown(f"{prefix}: {shown(path)}: {problem}")
    seen: set[str] = set()
    for part in divide(schema, value, root=root):
        here = (*path, part.element)
        if part.element in seen:
            raise unknown(f"{prefix}: {shown(path)}: duplicate entries for key {shown((part.element,))}")
        seen.add(part.element)
        _refuse_untyped(part.schema, part.value, here, prefix)


def _item_problem(schema: Schema, items: list[Any], form: str) -> str:
    """Why a list's items can't be told apart by their keys or values, or nothing."""
    for index, item in enumerate(items):
        where = f"element {index}: associative list"
        if item is None:
            return f"{where} may not have a null element"
        if form == "set" and isinstance(item, (dict, list)):
            return f"{where} without keys may have scalar elements only"
        if form == "keyed" and not isinstance(item, dict):
            return f"{where} with keys may not have non-map elements"
        if form == "keyed" and keyed_element(schema, item) == "k:{}":
            return f"{where} with keys has an element that omits all key fields {list(keys_of(schema))}"
    return ""


def _of_this_part(resource: Resource, intent: Object, subresource: str) -> Object:
    """Without what a write of this part can't touch, so that nobody comes to manage it."""
    own = copy_object(intent)
    for path in resource.strategy.reset(subresource):
        head, _, rest = path.partition(".")
        if rest:
            own.get(head, {}).pop(rest, None)
        elif head == "metadata":
            own[head] = {}
        else:
            own.pop(head, None)
    return own


def _create(
    writes: Writes, resource: Resource, key: Key, intent: Object, options: WriteOptions, flow: Workflow
) -> Outcome:
    body = copy_object(intent)
    meta = body["metadata"]
    objectmeta.check_name(meta.get("name"), key[1])
    meta.pop("resourceVersion", None)
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
        before = Workflow("before-first-apply", "Update")
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
    obj, warnings = writes.decode(resource, copy_object({**merged, "metadata": meta}), options)
    warnings = (*warnings, *resource.strategy.warnings(obj, record.obj))
    writes.check_version(resource, record, obj)
    writes.prepare_changed(resource, obj, record.obj, options)
    writes.managers.write(obj, managed)
    return attrs.evolve(writes.commit_update(resource, record, obj, options), warnings=warnings)
