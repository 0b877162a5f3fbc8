"""Who manages which field: `metadata.managedFields`, kept on every write.

Follows k8s.io/apimachinery pkg/util/managedfields and structured-merge-diff merge/update.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from moduledeploy.devcluster.errors import ApiError
from moduledeploy.devcluster.fieldpaths import Path, from_fields_v1, shown, to_fields_v1
from moduledeploy.devcluster.levels import whole_tree
from moduledeploy.devcluster.merging import compare
from moduledeploy.devcluster.objectmeta import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from moduledeploy.devcluster.resources import Resource
    from moduledeploy.devcluster.storage import Object
    from moduledeploy.devcluster.writes import WriteOptions

_MAX_MANAGER: Final = 128
_META: Final = "f:metadata"
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


@attrs.define
class Managed:
    """The fields of each workflow, with the version and the time of its entry."""

    fields: dict[Workflow, set[Path]] = attrs.field(factory=dict)
    versions: dict[Workflow, str] = attrs.field(factory=dict)
    times: dict[Workflow, str] = attrs.field(factory=dict)

    @classmethod
    def read(cls, entries: Any) -> Managed:
        """From managedFields; entries that can't be read are dropped, as all are when one is broken."""
        managed = cls()
        for entry in entries or []:
            if not isinstance(entry, dict) or not entry.get("operation") or not isinstance(entry.get("fieldsV1"), dict):
                return cls()
            flow = Workflow(entry.get("manager", ""), entry["operation"], entry.get("subresource", ""))
            managed.fields[flow] = set(from_fields_v1(entry["fieldsV1"]))
            managed.versions[flow] = entry.get("apiVersion", "")
            managed.times[flow] = entry.get("time", "")
        return managed

    def entries(self) -> list[Object]:
        """As managedFields."""
        out = []
        for flow in sorted(self.fields, key=lambda f: (f.operation, self.times[f], f.manager, f.subresource)):
            entry: Object = {
                "manager": flow.manager, "operation": flow.operation, "apiVersion": self.versions[flow],
                "time": self.times[flow], "fieldsType": "FieldsV1", "fieldsV1": to_fields_v1(self.fields[flow]),
            }  # fmt: skip
            if flow.subresource:
                entry["subresource"] = flow.subresource
            out.append(entry)
        return out

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


def tracked(paths: set[Path]) -> set[Path]:
    """Without the fields that nobody manages."""
    return paths - _UNTRACKED


@attrs.frozen
class FieldManagers:
    """Derives managedFields from what a write changed."""

    now: Callable[[], datetime]

    def created(self, resource: Resource, obj: Object, options: WriteOptions) -> None:
        """The creator manages every field."""
        obj["metadata"].pop("managedFields", None)
        tree = whole_tree(resource.strategy.schema(), obj, root=True)
        meta = {
            name: below
            for name, below in tree.pop(_META, {}).items()
            if (_META, name) not in _UNTRACKED and name != "."
        }
        tree = {name: below for name, below in tree.items() if (name,) not in _UNTRACKED} | (
            {_META: meta} if meta else {}
        )
        if tree:
            obj["metadata"]["managedFields"] = [{
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
        if present:
            obj["metadata"]["managedFields"] = present
        if _content(obj) != _content(old):
            self._update(resource, obj, old, Managed.read(present), options)

    def _update(self, resource: Resource, obj: Object, old: Object, managed: Managed, options: WriteOptions) -> None:
        difference = compare(resource.strategy.schema(), _content(old), _content(obj))
        changed, removed = tracked(difference.changed()), tracked(difference.removed)
        flow = Workflow(options.manager[:_MAX_MANAGER], "Update", options.subresource)
        own = managed.fields.get(flow, set())
        managed.give_up(changed | removed, but=flow)
        fields = (own - removed) | changed
        managed.put(flow, fields)
        if fields:
            self.stamp(managed, flow, obj["apiVersion"])
        self.write(obj, managed)

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


def _content(obj: Object) -> Object:
    """The object without what changes on every write."""
    meta = {k: v for k, v in obj["metadata"].items() if k not in ("managedFields", "resourceVersion", "generation")}
    return {**obj, "metadata": meta}


def conflict_error(managed: Managed, conflicts: dict[Workflow, set[Path]]) -> ApiError:
    """409 with one cause for each field that another manager holds."""
    causes, lines = [], []
    for flow in sorted(conflicts, key=lambda f: (f.manager, f.operation, f.subresource)):
        who = f'conflict with "{flow.manager}"'
        if flow.subresource:
            who += f' with subresource "{flow.subresource}"'
        if flow.operation == "Update":
            who += f" using {managed.versions[flow]}"
        for path in sorted(conflicts[flow]):
            causes.append({"reason": "FieldManagerConflict", "message": who, "field": shown(path)})
            lines.append(f"{who}: {shown(path)}")
    count = f"{len(causes)} conflict{'s' if len(causes) > 1 else ''}"
    return ApiError(409, "Conflict", f"Apply failed with {count}: " + "; ".join(lines), details={"causes": causes})
