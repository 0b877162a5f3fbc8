"""CustomResourceDefinitions: accepted names, conditions, and the resources they make the server serve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from moduledeploy.devcluster.builtin import BuiltInStrategy
from moduledeploy.devcluster.cel import Compiler
from moduledeploy.devcluster.columns import COLUMNS
from moduledeploy.devcluster.custom import CustomStrategy
from moduledeploy.devcluster.definition_rules import definition_changes, definition_problems, name_problems
from moduledeploy.devcluster.deletion import CLEANUP, DeleteOptions
from moduledeploy.devcluster.errors import forbidden
from moduledeploy.devcluster.kinds import TYPES
from moduledeploy.devcluster.objectmeta import timestamp
from moduledeploy.devcluster.resources import Resource
from moduledeploy.devcluster.scale import ScalePaths
from moduledeploy.devcluster.schema import Node
from moduledeploy.devcluster.storage import copy_object
from moduledeploy.devcluster.tables import Column

if TYPE_CHECKING:
    from moduledeploy.devcluster.storage import Event, Object
    from moduledeploy.devcluster.writes import Writes

TABLE: Final = "customresourcedefinitions.apiextensions.k8s.io"


def _default(obj: Object) -> None:
    names = obj["spec"]["names"]
    kind = names.get("kind", "")
    if not names.get("singular"):
        names["singular"] = kind.lower()
    if not names.get("listKind") and kind:
        names["listKind"] = kind + "List"
    obj["spec"].setdefault("conversion", {"strategy": "None"})


def _prepare(obj: Object) -> None:
    stored = [version["name"] for version in obj["spec"].get("versions") or [] if version.get("storage")]
    obj["status"] = {"conditions": None, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": stored}


def resource() -> Resource:
    """The resource of definitions themselves."""
    strategy = BuiltInStrategy(
        struct=TYPES.structs["CustomResourceDefinition"], has_generation=True, has_status=True, unconditional_update=False,
        defaults=_default, prepare=_prepare, creation=name_problems, problems=definition_problems, changes=definition_changes,
    )  # fmt: skip
    return Resource(
        group="apiextensions.k8s.io", version="v1", plural="customresourcedefinitions", kind="CustomResourceDefinition",
        namespaced=False, short_names=("crd", "crds"), categories=("api-extensions",), subresources=frozenset({"status"}),
        strategy=strategy, columns=COLUMNS["CustomResourceDefinition"],
    )  # fmt: skip


def _served(definition: Object, version: Object) -> Resource:
    spec = definition["spec"]
    names, group = spec["names"], spec["group"]
    node = Node.parse((version.get("schema") or {}).get("openAPIV3Schema") or {"type": "object"})
    subresources = version.get("subresources") or {}
    scale = ScalePaths.of(subresources["scale"]) if "scale" in subresources else None
    selectable = tuple(field["jsonPath"].lstrip(".") for field in version.get("selectableFields") or [])
    strategy = CustomStrategy(
        kind=names["kind"], api_version=f"{group}/{version['name']}", node=node, rules=Compiler(node).compile(""),
        has_status="status" in subresources, scale=scale, selectable=selectable,
    )  # fmt: skip
    return Resource(
        group=group, version=version["name"], plural=names["plural"], kind=names["kind"], singular=names.get("singular", ""),
        list_kind=names.get("listKind", ""), namespaced=spec["scope"] == "Namespaced", strategy=strategy,
        short_names=tuple(names.get("shortNames") or ()), categories=tuple(names.get("categories") or ()),
        verbs=("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"),
        subresources=frozenset(subresources), storage_version=next(v["name"] for v in spec["versions"] if v.get("storage")),
        selectable=frozenset(selectable), scale=scale,
        columns=tuple(Column.of(raw) for raw in version.get("additionalPrinterColumns") or ()),
    )  # fmt: skip


def admit_instance(writes: Writes, resource: Resource, obj: Object, old: Object | None, subresource: str) -> None:
    """Admission: nothing new of a kind whose definition is being deleted."""
    if resource.strategy.typed or old is not None or subresource:
        return
    record = writes.store.get(TABLE, ("", resource.table))
    if record is not None and record.obj["metadata"].get("deletionTimestamp"):
        why = "create not allowed while custom resource definition is terminating"
        raise forbidden(resource.plural, resource.group, obj["metadata"].get("name", ""), why)


@attrs.define(eq=False)
class Definitions:
    """Keeps the register in step with the stored definitions; construct it once for a cluster."""

    writes: Writes
    _served: dict[str, Object] = attrs.field(factory=dict)  # the spec by which each definition is served

    def __attrs_post_init__(self) -> None:
        self.writes.register.add(resource())
        self.writes.store.open(TABLE).listeners.append(self._on_change)

    def _on_change(self, event: Event) -> None:
        definition = event.record.obj
        name = definition["metadata"]["name"]
        if event.change == "DELETED":
            self._served.pop(name, None)
            self.writes.register.remove_table(name)
            self.writes.store.drop(name)
            return
        if self._served.get(name) != definition["spec"]:
            self._serve(definition)
        if definition["metadata"].get("deletionTimestamp"):
            self._clean_up(definition)
        else:
            self._establish(definition)

    def _serve(self, definition: Object) -> None:
        name = definition["metadata"]["name"]
        self.writes.register.remove_table(name)
        for version in definition["spec"]["versions"]:
            if version.get("served"):
                self.writes.register.add(_served(definition, version))
        if name not in self._served:
            self.writes.store.open(name).sort_keys = True
            self.writes.store.open(name).listeners.append(lambda event: self._on_instance(name, event))
        self._served[name] = definition["spec"]
        self._read_anew(name)

    def _read_anew(self, name: str) -> None:
        """What is stored shows the new schema's defaults when it is read, without a write."""
        served = self.writes.register.by_table(name)
        for record in self.writes.store.open(name).records.values():
            if served is not None:
                record.replace(served.strategy.decode(copy_object(record.obj), served).obj)

    def _establish(self, definition: Object) -> None:
        now = timestamp(self.writes.now())
        conditions = [
            {"type": "NamesAccepted", "status": "True", "lastTransitionTime": now, "reason": "NoConflicts",
             "message": "no conflicts found"},
            {"type": "Established", "status": "True", "lastTransitionTime": now, "reason": "InitialNamesAccepted",
             "message": "the initial names have been accepted"},
        ]  # fmt: skip
        status = definition.get("status") or {}
        done = {c["type"] for c in status.get("conditions") or [] if c["status"] == "True"} >= {
            "NamesAccepted",
            "Established",
        }
        if done and status.get("acceptedNames") == definition["spec"]["names"]:
            return
        changed = copy_object(definition)
        stored = [*(status.get("storedVersions") or [])]
        storage = next(version["name"] for version in definition["spec"]["versions"] if version.get("storage"))
        changed["status"] = {
            "conditions": status["conditions"] if done else conditions,
            "acceptedNames": definition["spec"]["names"],
            "storedVersions": stored if storage in stored else [*stored, storage],
        }
        self._put(changed)

    def _clean_up(self, definition: Object) -> None:
        name = definition["metadata"]["name"]
        if CLEANUP not in (definition["metadata"].get("finalizers") or []):
            return
        served = self.writes.register.by_table(name)
        for record in list(self.writes.store.open(name).records.values()):
            if served is not None and not record.obj["metadata"].get("deletionTimestamp"):
                self.writes.delete(served, record.key, DeleteOptions())
        current = self.writes.store.get(TABLE, ("", name))
        if current is None or self.writes.store.open(name).records:
            return
        self._finish(current.obj)

    def _on_instance(self, name: str, event: Event) -> None:
        record = self.writes.store.get(TABLE, ("", name))
        if event.change != "DELETED" or record is None or not record.obj["metadata"].get("deletionTimestamp"):
            return
        if not self.writes.store.open(name).records:
            self._finish(record.obj)

    def _finish(self, definition: Object) -> None:
        """Take the cleanup finalizer away; with no other left the definition is gone."""
        changed = copy_object(definition)
        left = [f for f in changed["metadata"].get("finalizers") or [] if f != CLEANUP]
        if left:
            changed["metadata"]["finalizers"] = left
            self._put(changed)
        else:
            self.writes.store.remove(TABLE, ("", definition["metadata"]["name"]))

    def _put(self, definition: Object) -> None:
        self.writes.store.put(TABLE, ("", definition["metadata"]["name"]), definition)
