"""Server-side apply: an intent merged into what is there, field by field, by who manages what.

Follows structured-merge-diff merge/update.go and apiserver's endpoints/handlers/patch.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from moduledeploy.devcluster.errors import ApiError, Object, bad_request, not_found, unknown
from moduledeploy.devcluster.fieldpaths import shown, with_parents
from moduledeploy.devcluster.levels import Schema, divide
from moduledeploy.devcluster.managedfields import Managed, Workflow, conflict_error, tracked
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


def apply_patch(
    writes: Writes, resource: Resource, key: Key, intent: Any, options: WriteOptions, *, force: bool
) -> Outcome:
    """Create or change the object so that it has what the intent says; raises ApiError 400, 404, 409, 422."""
    _check_intent(writes, resource, key, intent)
    intent = _of_this_part(resource, intent, options.subresource)
    record = writes.store.get(resource.table, key)
    flow = Workflow(options.manager, "Apply", options.subresource)
    if record is None:
        if options.subresource:
            raise not_found(resource.plural, resource.group, key[1])
        return _create(writes, resource, key, intent, options, flow)
    live = record.obj if record.obj["apiVersion"] == resource.api_version else convert(resource, record.obj)
    merged, managed = _merge(resource, live, intent, flow, force=force)
    merged["metadata"] = {**merged["metadata"], "managedFields": []}
    obj, warnings = writes.decode(resource, copy_object(merged), options)
    obj["metadata"].setdefault("resourceVersion", str(record.version))
    outcome = _commit(writes, resource, record, obj, managed, options, flow)
    return attrs.evolve(outcome, warnings=warnings)


def _check_intent(writes: Writes, resource: Resource, key: Key, intent: Any) -> None:
    if not isinstance(intent, dict):
        raise bad_request("error decoding YAML: the patch is no object")
    meta = intent.setdefault("metadata", {})
    if not isinstance(meta, dict):
        raise bad_request("error decoding YAML: metadata is no object")
    if not intent.get("kind"):
        raise bad_request("Object 'Kind' is missing in the apply patch")
    if intent["kind"] != resource.kind:
        raise bad_request(f"{intent['kind']} cannot be applied as a {resource.kind}")
    if intent.get("apiVersion") != resource.api_version:
        raise bad_request(
            f"Incorrect version specified in apply patch. Specified patch version: {intent.get('apiVersion', '')}, "
            f"expected: {resource.api_version}"
        )
    if meta.get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    if meta.get("name", key[1]) != key[1]:
        raise bad_request(f"the name of the object ({meta['name']}) does not match the name on the URL ({key[1]})")
    if meta.get("namespace", key[0]) != key[0]:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    # Unlike other writes an intent is read by the schema before anything else, and refused without a reason.
    prefix = f"failed to create typed patch object ({key[0]}/{key[1]}; {resource.api_version}, Kind={resource.kind})"
    _refuse_untyped(resource.strategy.schema(), intent, (), prefix, root=True)
    try:
        strict = resource.strategy.decode(copy_object({**intent, "metadata": {**meta}}), resource)
    except ApiError as error:
        raise unknown(f"{prefix}: {error}") from error
    if strict.unknown:
        problem = strict.unknown[0].removeprefix('unknown field "').removesuffix('"')
        raise unknown(f"{prefix}: .{problem}: field not declared in schema")
    del writes


def _refuse_untyped(schema: Schema, value: Any, path: Path, prefix: str, *, root: bool = False) -> None:
    """An intent of the wrong types, or with one item twice, can't be merged; raises ApiError 500."""
    if isinstance(schema, Node) and value is not None and not has_type(schema, value):
        raise unknown(f"{prefix}: {shown(path)}: expected {schema.type or 'string or integer'}")
    seen: set[str] = set()
    for part in divide(schema, value, root=root):
        here = (*path, part.element)
        if part.element in seen:
            raise unknown(f"{prefix}: {shown(path)}: duplicate entries for key {shown((part.element,))}")
        seen.add(part.element)
        _refuse_untyped(part.schema, part.value, here, prefix)


def _of_this_part(resource: Resource, intent: Object, subresource: str) -> Object:
    """Without what a write of this part can't touch, so that nobody comes to manage it."""
    if subresource == "status":
        return {name: value for name, value in intent.items() if name in ("apiVersion", "kind", "metadata", "status")}
    if "status" in resource.subresources:
        return {name: value for name, value in intent.items() if name != "status"}
    return intent


def _create(
    writes: Writes, resource: Resource, key: Key, intent: Object, options: WriteOptions, flow: Workflow
) -> Outcome:
    body = copy_object(intent)
    body["metadata"] = {**body["metadata"], "name": key[1]}
    managed = Managed()
    managed.put(flow, tracked(owned_paths(resource.strategy.schema(), intent)))
    return writes.create_outcome(resource, key[0], body, attrs.evolve(options, managed=(managed, flow)))


def _merge(resource: Resource, live: Object, intent: Object, flow: Workflow, *, force: bool) -> tuple[Object, Managed]:
    schema = resource.strategy.schema()
    managed = Managed.read(live["metadata"].get("managedFields"))
    if not managed.fields:  # whoever wrote it before there were records of that
        before = Workflow("before-first-apply", "Update")
        managed.put(before, tracked(owned_paths(schema, _bare(live))))
        managed.versions[before], managed.times[before] = resource.api_version, live["metadata"]["creationTimestamp"]
    former = managed.fields.get(flow, set())
    wanted = tracked(owned_paths(schema, intent))
    merged: Object = merge(schema, live, intent, root=True)
    managed.put(flow, wanted)
    merged = remove(schema, merged, _dropped(former, managed))
    difference = compare(schema, _bare(live), _bare(merged))
    changed = tracked(difference.changed())
    conflicts: dict[Workflow, set[Path]] = {
        other: held & changed
        for other, held in managed.fields.items()
        if other != flow and not held.isdisjoint(changed)
    }
    if conflicts and not force:
        raise conflict_error(managed, conflicts)
    managed.give_up(changed | tracked(difference.removed), but=flow)
    return merged, managed


def _dropped(former: set[Path], managed: Managed) -> set[Path]:
    """What this manager had and now nobody has."""
    held: set[Path] = set().union(*managed.fields.values()) if managed.fields else set()
    return tracked(with_parents(former) - with_parents(held))


def _bare(obj: Object) -> Object:
    return {**obj, "metadata": {k: v for k, v in obj["metadata"].items() if k != "managedFields"}}


def _commit(
    writes: Writes,
    resource: Resource,
    record: Record,
    obj: Object,
    managed: Managed,
    options: WriteOptions,
    flow: Workflow,
) -> Outcome:
    obj["metadata"].pop("managedFields", None)
    writes.check_version(resource, record, obj)
    writes.prepare_changed(resource, obj, record.obj, options)
    before = Managed.read(record.obj["metadata"].get("managedFields"))
    # Time moves only for a manager that came to manage something else, or changed something.
    unchanged = before.fields == managed.fields and _bare(obj) == _bare(record.obj)
    if not unchanged and flow in managed.fields:
        writes.managers.stamp(managed, flow, obj["apiVersion"])
    writes.managers.write(obj, managed)
    return writes.commit_update(resource, record, obj, options)
