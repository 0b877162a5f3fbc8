"""What a schema says of one value when fields are owned and merged: is it whole, or of which parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import attrs

from moduledeploy.devcluster.fieldpaths import field, keyed, valued
from moduledeploy.devcluster.gotypes import Type, zero
from moduledeploy.devcluster.schema import Node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moduledeploy.devcluster.storage import Object

Schema = Type | Node | None
Parts = Literal["whole", "fields", "keyed", "set"]
_IDENTITY: Final = frozenset({"apiVersion", "kind", "metadata"})
_TEXT: Final = {"type": "string"}
_TEXTS: Final = {"type": "object", "additionalProperties": _TEXT}
META: Final = Node.parse(
    {
        "type": "object",
        "properties": {
            "name": _TEXT, "generateName": _TEXT, "namespace": _TEXT, "uid": _TEXT, "resourceVersion": _TEXT,
            "generation": {"type": "integer"}, "creationTimestamp": _TEXT, "deletionTimestamp": _TEXT, "selfLink": _TEXT,
            "deletionGracePeriodSeconds": {"type": "integer"}, "labels": _TEXTS, "annotations": _TEXTS,
            "ownerReferences": {
                "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"],
                "items": {"type": "object", "x-kubernetes-map-type": "atomic"},
            },
            "finalizers": {"type": "array", "x-kubernetes-list-type": "set", "items": _TEXT},
            "managedFields": {"type": "array", "items": {"type": "object"}},
        },
    }
)  # fmt: skip


def parts(schema: Schema, value: Any) -> Parts:
    """How a value is divided; what has no schema divides by its own shape."""
    if isinstance(value, dict):
        return "whole" if _is_atomic_map(schema) else "fields"
    if isinstance(value, list):
        return _list_parts(schema)
    return "whole"


def _is_atomic_map(schema: Schema) -> bool:
    if isinstance(schema, Node):
        return schema.map_type == "atomic"
    return isinstance(schema, Type) and schema.atomic


def _list_parts(schema: Schema) -> Parts:
    if isinstance(schema, Node):
        forms: dict[str, Parts] = {"map": "keyed", "set": "set"}
        return forms.get(schema.list_type, "whole")
    if isinstance(schema, Type):
        return "keyed" if schema.form == "keyed" else "set" if schema.form == "set" else "whole"
    return "whole"


def field_schema(schema: Schema, name: str, *, root: bool = False) -> Schema:
    """The schema of a field."""
    if root and name == "metadata":
        return META
    if isinstance(schema, Node):
        if schema.embedded and name == "metadata":
            return META
        return schema.properties.get(name) or schema.additional
    if isinstance(schema, Type):
        if schema.form == "struct":
            found = schema.fields.get(name)
            return found.type if found else None
        return schema.item if schema.form == "map" else None
    return None


def declares(schema: Schema, name: str, *, root: bool = False) -> bool:
    """Whether a field is one that the schema names, and no key of a map or something that it only lets pass."""
    if (root or (isinstance(schema, Node) and schema.embedded)) and name in _IDENTITY:
        return True
    if isinstance(schema, Node):
        return name in schema.properties
    return isinstance(schema, Type) and schema.form == "struct" and name in schema.fields


def item_schema(schema: Schema) -> Schema:
    """The schema of a list's items."""
    if isinstance(schema, Node):
        return schema.items
    return schema.item if isinstance(schema, Type) else None


def keys_of(schema: Schema) -> tuple[str, ...]:
    """The keys of a map-like list."""
    if isinstance(schema, Node):
        return schema.map_keys
    return schema.keys if isinstance(schema, Type) else ()


@attrs.frozen
class Part:
    """One part of a value: its path element, its schema, and itself."""

    element: str
    schema: Schema
    value: Any


def divide(schema: Schema, value: Any, *, root: bool = False) -> Iterator[Part]:
    """The parts of a value that has some."""
    match parts(schema, value):
        case "fields":
            for name, item in value.items():
                yield Part(field(name), field_schema(schema, name, root=root), item)
        case "keyed":
            below = item_schema(schema)
            for item in value:
                yield Part(keyed_element(schema, item), below, item)
        case "set":
            for item in value:
                yield Part(valued(item), None, item)


def whole_tree(schema: Schema, value: Any, *, root: bool = False) -> Object:
    """The FieldsV1 of a value and everything in it, as the one who creates it comes to manage it."""
    form = parts(schema, value)
    if form == "whole" or not value:
        return {}
    tree: Object = {} if root else {".": {}}
    if form == "fields":
        for name, item in value.items():
            tree[f"f:{name}"] = whole_tree(field_schema(schema, name, root=root), item)
    elif form == "keyed":
        below = item_schema(schema)
        for item in value:
            element = keyed_element(schema, item)
            tree[element] = {} if element in tree else whole_tree(below, item)
    else:
        for item in value:
            tree[valued(item)] = {}
    return tree


def keyed_element(schema: Schema, item: Any) -> str:
    """The path element of an item of a map-like list; a key that may be left out counts with its default."""
    below, keys = item_schema(schema), keys_of(schema)
    if not isinstance(item, dict):
        return keyed({}, keys)
    out = dict(item)
    for key in keys:
        if key not in out:
            child = field_schema(below, key)
            if isinstance(child, Node) and child.has_default:
                out[key] = child.default
            elif isinstance(child, Type):
                out[key] = "TCP" if key == "protocol" else zero(child)
    return keyed(out, keys)
