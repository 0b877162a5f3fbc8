"""The strategy of custom resources.

Follows k8s.io/apiextensions-apiserver pkg/registry/customresource.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import attrs

from moduledeploy.devcluster import cel, objectmeta, scale
from moduledeploy.devcluster.errors import INVALID, REQUIRED, FieldError, Object, bad_request
from moduledeploy.devcluster.gotypes import Reading
from moduledeploy.devcluster.resources import Decoded
from moduledeploy.devcluster.schema import Node, fill, prune
from moduledeploy.devcluster.validation import NAMELESS, repeated, unchecked_rules, validate

if TYPE_CHECKING:
    from moduledeploy.devcluster.cel import RuleTree
    from moduledeploy.devcluster.resources import Resource
    from moduledeploy.devcluster.scale import ScalePaths


_UNQUALIFIED: Final = (
    "prefer a domain-qualified finalizer name to avoid accidental conflicts with other finalizer writers"
)


@attrs.frozen(kw_only=True, eq=False)
class CustomStrategy:
    """The rules of one version of one custom resource."""

    kind: str
    api_version: str
    node: Node
    rules: RuleTree | None
    has_status: bool
    scale: ScalePaths | None
    selectable: tuple[str, ...] = ()
    has_generation: bool = True
    unconditional_update: bool = False
    create_on_update: bool = False
    returns_deleted: bool = False
    typed: bool = False
    strategic: bool = False

    def reset(self, subresource: str) -> tuple[str, ...]:
        if subresource == "status":
            return ("metadata", *(name for name in self.node.properties if name not in ("metadata", "status")))
        return ("status",) if self.has_status else ()

    def decode(self, obj: Object, resource: Resource, *, keeps_nulls: bool = False) -> Decoded:
        for field in ("kind", "apiVersion"):
            if not isinstance(obj.get(field), str) or not obj[field] or obj[field].count("/") > 1:
                raise bad_request(f"Object '{field[0].upper()}{field[1:]}' is missing in the request body, or no name")
        reading = Reading(obj["kind"], self.api_version)
        meta = objectmeta.check_types(obj.get("metadata"), reading)
        decoded = {**obj, "metadata": meta}
        # A body of another kind is validated as it came: nothing is pruned or filled in.
        if obj["kind"] == resource.kind and obj["apiVersion"] == self.api_version:
            decoded = prune(self.node, decoded, "", reading.unknown, root=True)
            fill(self.node, decoded, keeps_nulls=keeps_nulls)
        return Decoded(decoded, tuple(sorted(reading.unknown)))

    def prepare_create(self, obj: Object) -> None:
        if self.has_status:
            obj.pop("status", None)

    def prepare_update(self, new: Object, old: Object, subresource: str) -> None:
        if subresource == "status":
            is_unsaid = "status" not in new or (new["status"] is None and old.get("status") is None)
            version = new["metadata"].get("resourceVersion")
            new.update({key: value for key, value in old.items() if key != "status"})
            new["apiVersion"] = self.api_version
            for key in [key for key in new if key not in old and key != "status"]:
                del new[key]
            new["metadata"] = {**old["metadata"], "resourceVersion": version}
            if is_unsaid:
                new.pop("status", None)
        elif self.has_status:
            if "status" in old:
                new["status"] = old["status"]
            else:
                new.pop("status", None)

    def validate_create(self, obj: Object) -> list[FieldError]:
        wrong = self._wrong_type(obj)
        if not wrong:
            problems = validate(self.node, _without_identity(obj), "")
            problems += scale.spec_problems(obj, self.scale) + scale.status_problems(obj, self.scale)
        else:
            problems = wrong
        problems += repeated(self.node, obj, "")
        problems += _metadata_of_schema(self.node, obj)
        return problems + self._broken_rules(problems + objectmeta_blocking(obj), obj)

    def validate_update(self, new: Object, old: Object, subresource: str) -> list[FieldError]:
        wrong = self._wrong_type(new)
        if not wrong:
            problems = validate(self.node, _without_identity(new), "", _without_identity(old))
            if subresource == "status":  # what has no field of its own is then reported as the status'
                problems = [attrs.evolve(p, path="status") if p.path == NAMELESS else p for p in problems]
            else:
                problems += scale.spec_problems(new, self.scale)
            problems += scale.status_problems(new, self.scale)
        else:
            problems = wrong
        if not repeated(self.node, old, ""):
            problems += repeated(self.node, new, "")
        return problems + self._broken_rules(problems, new, old)

    def _wrong_type(self, obj: Object) -> list[FieldError]:
        problems = []
        if obj["kind"] != self.kind:
            problems.append(FieldError(INVALID, "kind", obj["kind"], f"must be {self.kind}"))
        if obj["apiVersion"] != self.api_version:
            problems.append(FieldError(INVALID, "apiVersion", obj["apiVersion"], f"must be {self.api_version}"))
        return problems

    def _broken_rules(self, problems: list[FieldError], obj: Object, *old: Object) -> list[FieldError]:
        if self.rules is None:
            return []
        return unchecked_rules(problems) or cel.check(self.rules, obj, "", *old)

    def warnings(self, obj: Object, old: Object | None) -> tuple[str, ...]:
        before = (old["metadata"].get("finalizers") or []) if old else []
        return tuple(
            f"metadata.finalizers: {json.dumps(finalizer)}: {_UNQUALIFIED}"
            for finalizer in sorted({*(obj["metadata"].get("finalizers") or [])} - {*before})
            if "/" not in finalizer and finalizer not in objectmeta.OWN_FINALIZERS
        )

    def spec_changed(self, new: Object, old: Object) -> bool:
        ignored = {"apiVersion", "metadata", "status"} if self.has_status else {"apiVersion", "metadata"}
        return any(new.get(key) != old.get(key) for key in {*new, *old} - ignored)

    def grace(self, obj: Object, requested: int | None) -> int | None:
        del obj, requested
        return None

    def fields(self, obj: Object) -> dict[str, str]:
        return {path: _text(scale.dig(obj, tuple(path.split(".")))) for path in self.selectable}

    def schema(self) -> Node:
        return self.node


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _without_identity(obj: Object) -> Object:
    return {key: value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata")}


def _metadata_of_schema(node: Node, obj: Object) -> list[FieldError]:
    """What a schema says of metadata.name and metadata.generateName, the only metadata it may speak of."""
    meta_node = node.properties.get("metadata")
    if meta_node is None:
        return []
    problems = []
    for name in ("name", "generateName"):
        child, value = meta_node.properties.get(name), obj["metadata"].get(name)
        if child is not None and value:
            problems += validate(child, value, f"metadata.{name}")
    return problems


def objectmeta_blocking(obj: Object) -> list[FieldError]:
    """Problems of the metadata of a new object that keep rules from being checked."""
    problems = [] if obj["metadata"].get("name") else [FieldError(REQUIRED, "metadata.name")]
    return problems + objectmeta.annotations_too_long(obj["metadata"])
