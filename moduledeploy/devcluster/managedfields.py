"""Who manages which field: `metadata.managedFields`, kept on every write.

Follows k8s.io/apimachinery pkg/util/managedfields and structured-merge-diff merge/update.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from moduledeploy.devcluster.errors import ApiError
from moduledeploy.devcluster.fieldpaths import Path, from_fields_v1, in_order, is_fields_v1, shown, to_fields_v1
from moduledeploy.devcluster.gotypes import Type, zero
from moduledeploy.devcluster.levels import whole_tree
from moduledeploy.devcluster.merging import compare
from moduledeploy.devcluster.objectmeta import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from moduledeploy.devcluster.levels import Schema
    from moduledeploy.devcluster.resources import Resource
    from moduledeploy.devcluster.storage import Object
    from moduledeploy.devcluster.writes import WriteOptions

_MAX_MANAGER: Final = 128
_MAX_UPDATERS: Final = 10  # apimachinery managedfields: DefaultMaxUpdateManagers
_OLD_UPDATERS: Final = "ancient-changes"
_META: Final = "f:metadata"
_OPERATIONS: Final = ("Apply", "Update")
_UNTRACKED: Final = frozenset(
    {("f:apiVersion",), ("f:kind",), (_META,)}
    | {(_META, f"f:{name}") for name in ("name", "namespace", "creationTimestamp", "selfLink", "uid", "generation",
                                         "managedFields", "resourceVersion")}
)  # fmt: skip


@attrs.frozen
class Workflow:
    """One line of managedFields: a manager acting in one way on one part."""

    manager: str
    operation: str  # Apply or Update
    subresource: str = ""
    api_version: str = ""  # of an Update: another version makes another line; an Apply has one whatever its version


@attrs.define
class Managed:
    """The fields of each workflow, with the version and the time of its entry."""

    fields: dict[Workflow, set[Path]] = attrs.field(factory=dict)
    versions: dict[Workflow, str] = attrs.field(factory=dict)
    times: dict[Workflow, str] = attrs.field(factory=dict)

    @classmethod
    def read(cls, entries: Any) -> Managed:
        """From managedFields; where one entry can't be read, none counts."""
        managed = cls()
        for entry in entries or []:
            if not _is_readable(entry):
                return cls()
            version = entry.get("apiVersion", "")
            flow = Workflow(
                entry.get("manager", ""), entry["operation"], entry.get("subresource", ""),
                version if entry["operation"] == "Update" else "",
            )  # fmt: skip
            managed.fields[flow] = set(from_fields_v1(entry["fieldsV1"]))
            managed.versions[flow] = version
            managed.times[flow] = entry.get("time", "")
        return managed

    def entries(self) -> list[Object]:
        """As managedFields."""
        out = []
        for flow in sorted(self.fields, key=lambda f: (f.operation, self.times.get(f, ""), f.manager, f.subresource)):
            entry: Object = {
                "manager": flow.manager, "operation": flow.operation, "apiVersion": self.versions[flow],
                "time": self.times.get(flow, ""), "fieldsType": "FieldsV1", "fieldsV1": to_fields_v1(self.fields[flow]),
            }  # fmt: skip
            if not entry["time"]:
                del entry["time"]
            if flow.subresource:
                entry["subresource"] = flow.subresource
            out.append(entry)
        return out

    def cap(self) -> None:
        """Let at most ten updaters have entries: the oldest of one version are merged into one."""
        updaters = sorted(
            (flow for flow in self.fields if flow.operation == "Update"),
            key=lambda f: (self.times.get(f, ""), f.manager, f.subresource),
        )
        surplus = len(updaters) - _MAX_UPDATERS
        first: dict[str, Workflow] = {}
        for flow in updaters:
            version = self.versions[flow]
            if surplus <= 0:
                return
            if version not in first:
                first[version] = flow
                continue
            bucket = Workflow(_OLD_UPDATERS, "Update", "", version)
            held = self.fields.pop(first[version]) if bucket not in self.fields else self.fields[bucket]
            self.fields[bucket] = held | self.fields.pop(flow)
            self.versions[bucket], self.times[bucket] = version, self.times.get(flow, "")
            surplus -= 1

    def give_up(self, paths: set[Path], *, but: Workflow) -> None:
        """Take these fields from all workflows but one."""
        for flow in list(self.fields):
            if flow != but and not self.fields[flow].isdisjoint(paths):
                self.put(flow, self.fields[flow] - paths)

    def put(self, flow: Workflow, fields: set[Path]) -> None:
        """Set what a workflow manages; a workflow without fields is forgotten."""
        if fields:
            self.fields[flow] = fields
        else:
            self.fields.pop(flow, None)


def _is_readable(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and entry.get("operation") in _OPERATIONS
        and entry.get("fieldsType") == "FieldsV1"
        and isinstance(entry.get("fieldsV1"), dict)
        and is_fields_v1(entry["fieldsV1"])
    )


def tracked(paths: set[Path]) -> set[Path]:
    """Without the fields that nobody manages."""
    return paths - _UNTRACKED


def fields_set(schema: Schema, obj: Object, reset: tuple[str, ...]) -> Object:
    """The FieldsV1 of all that was set where nothing was, but for what a write of this part can't touch (`reset`)."""
    obj = {**obj, "metadata": {name: value for name, value in obj["metadata"].items() if name != "managedFields"}}
    tree = whole_tree(schema, obj, root=True)
    for path in reset:
        tree.pop(f"f:{path}", None)
    if isinstance(schema, Type):
        _without_zeros(tree, obj, zero(schema))
    meta = {
        name: below for name, below in tree.pop(_META, {}).items() if (_META, name) not in _UNTRACKED and name != "."
    }
    tree = {name: below for name, below in tree.items() if (name,) not in _UNTRACKED}
    return {**tree, _META: meta} if meta else tree


@attrs.frozen
class FieldManagers:
    """Derives managedFields from what a write changed."""

    now: Callable[[], datetime]

    def created(self, resource: Resource, obj: Object, options: WriteOptions) -> list[Object]:
        """The creator manages every field that it set: neither what the type has anyway nor what no creation can set."""
        tree = fields_set(resource.strategy.schema(), obj, resource.strategy.reset(""))
        if not tree:
            return []
        return [{
            "manager": options.manager[:_MAX_MANAGER], "operation": "Update", "apiVersion": obj["apiVersion"],
            "time": timestamp(self.now()), "fieldsType": "FieldsV1", "fieldsV1": tree,
        }]  # fmt: skip

    def updated(self, resource: Resource, obj: Object, old: Object, options: WriteOptions) -> None:
        """The writer manages what changed; a write that changed nothing leaves the record alone."""
        given = obj["metadata"].get("managedFields")
        present = old["metadata"].get("managedFields") or []
        if given == [{}]:
            obj["metadata"].pop("managedFields")
            return
        if given and given != present:
            present = Managed.read(given).entries() or present
        if not present:  # cleared: nobody is noted before somebody applies
            obj["metadata"].pop("managedFields", None)
            return
        obj["metadata"]["managedFields"] = present
        if _content(obj) != _content(old):
            managed = Managed.read(present)
            self.note(managed, resource.strategy.schema(), old, obj, options)
            managed.cap()
            self.write(obj, managed)

    def note(self, managed: Managed, schema: Schema, old: Object, new: Object, options: WriteOptions) -> None:
        """Give the writer what it changed; others lose it."""
        difference = compare(schema, _content(old), _content(new))
        changed, removed = tracked(difference.changed()), tracked(difference.removed)
        flow = Workflow(options.manager[:_MAX_MANAGER], "Update", options.subresource, new["apiVersion"])
        fields = (managed.fields.get(flow, set()) - removed) | changed
        managed.give_up(changed | removed, but=flow)
        managed.put(flow, fields)
        if fields:
            self.stamp(managed, flow, new["apiVersion"])

    def stamp(self, managed: Managed, flow: Workflow, api_version: str) -> None:
        """Note when and by which version a workflow acted."""
        managed.versions[flow] = api_version
        managed.times[flow] = timestamp(self.now())

    def write(self, obj: Object, managed: Managed) -> None:
        """Put the record into the object."""
        entries = managed.entries()
        if entries:
            obj["metadata"]["managedFields"] = entries
        else:
            obj["metadata"].pop("managedFields", None)


def _without_zeros(tree: Object, value: Object, zeros: Object) -> None:
    """Take from a tree of fields what a Go value of the type holds before anybody set it."""
    for name, empty in zeros.items():
        if value.get(name) == empty:
            tree.pop(f"f:{name}", None)
        elif f"f:{name}" in tree:
            tree[f"f:{name}"].pop(".", None)
            if isinstance(empty, dict) and isinstance(value[name], dict):
                _without_zeros(tree[f"f:{name}"], value[name], empty)


def _content(obj: Object) -> Object:
    """The object without what changes on every write."""
    meta = {k: v for k, v in obj["metadata"].items() if k not in ("managedFields", "resourceVersion", "generation")}
    return {**obj, "metadata": meta}


def conflict_error(managed: Managed, conflicts: dict[Workflow, set[Path]]) -> ApiError:
    """409 with one cause for each field that another manager holds."""
    causes, lines = [], []
    for flow in sorted(conflicts, key=lambda f: (f.manager, f.operation, f.subresource)):
        who = f'"{flow.manager}"'
        if flow.subresource:
            who += f' with subresource "{flow.subresource}"'
        if flow.operation == "Update":
            who += f" using {managed.versions[flow]}"
        lines.append(f"conflicts with {who}:")
        for path in in_order(conflicts[flow]):
            causes.append({"reason": "FieldManagerConflict", "message": f"conflict with {who}", "field": shown(path)})
            lines.append(f"- {shown(path)}")
    if len(causes) == 1:
        message = f"Apply failed with 1 conflict: {causes[0]['message']}: {causes[0]['field']}"
    else:
        message = f"Apply failed with {len(causes)} conflicts: " + "\n".join(lines)
    return ApiError(409, "Conflict", message, details={"causes": causes})
