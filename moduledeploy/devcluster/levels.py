"""What a schema says of one value when fields are owned and merged: is it whole, or of which parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import attrs

from moduledeploy.devcluster.fieldpaths import field, keyed, valued
from moduledeploy.devcluster.gotypes import Type
from moduledeploy.devcluster.schema import Node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moduledeploy.devcluster.storage import Object

Schema = Type | Node | None
Parts = Literal["whole", "fields", "keyed", "set"]
_META: Final = Node.parse(
    {
        "type": "object",
        "properties": {
            "ownerReferences": {
                "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"],
                "items": {"type": "object", "x-kubernetes-map-type": "atomic"},
            },
            "finalizers": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        },
        "x-kubernetes-preserve-unknown-fields": True,
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
        return _META
    if isinstance(schema, Node):
        return schema.properties.get(name) or schema.additional
    if isinstance(schema, Type):
        if schema.form == "struct":
            found = schema.fields.get(name)
            return found.type if found else None
        return schema.item if schema.form == "map" else None
    return None


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
            below, keys = item_schema(schema), keys_of(schema)
            for item in value:
                yield Part(keyed(_with_defaults(below, item, keys), keys), below, item)
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
        below, keys = item_schema(schema), keys_of(schema)
        for item in value:
            tree[keyed(_with_defaults(below, item, keys), keys)] = whole_tree(below, item)
    else:
        for item in value:
            tree[valued(item)] = {}
    return tree


def _with_defaults(schema: Schema, item: Any, keys: tuple[str, ...]) -> Object:
    """A key that may be left out counts with its default."""
    if not isinstance(item, dict):
        return {}
    out = dict(item)
    for key in keys:
        if key not in out:
            child = field_schema(schema, key)
            if isinstance(child, Node) and child.has_default:
                out[key] = child.default
            elif key == "protocol":
                out[key] = "TCP"
    return out
