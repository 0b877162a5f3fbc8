"""Structural schemas of custom resources: read once, then used to prune and to fill defaults.

Follows k8s.io/apiextensions-apiserver pkg/apiserver/schema (structural, pruning, defaulting).  Checking values is
`moduledeploy.devcluster.validation`, rules in CEL are `moduledeploy.devcluster.cel`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import attrs

from moduledeploy.devcluster.storage import copy_object

if TYPE_CHECKING:
    from moduledeploy.devcluster.storage import Object

_ROOT_KEPT: Final = frozenset({"apiVersion", "kind", "metadata"})
_LIMITS: Final = (
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "minItems",
    "maxItems", "minProperties", "maxProperties", "uniqueItems",
)  # fmt: skip


@attrs.define(eq=False)
class Node:
    """One level of a schema."""

    type: str = ""
    format: str = ""
    nullable: bool = False
    int_or_string: bool = False
    keeps_unknown: bool = False
    embedded: bool = False
    properties: dict[str, Node] = attrs.field(factory=dict)
    additional: Node | None = None  # the schema of a map's values
    additional_any: bool = False  # additionalProperties: true
    items: Node | None = None
    required: tuple[str, ...] = ()
    has_default: bool = False
    default: Any = None
    enum: tuple[Any, ...] | None = None
    pattern: re.Pattern[str] | None = None
    limits: dict[str, Any] = attrs.field(factory=dict)
    all_of: tuple[Node, ...] = ()
    any_of: tuple[Node, ...] = ()
    one_of: tuple[Node, ...] = ()
    negated: Node | None = None
    list_type: str = ""
    map_keys: tuple[str, ...] = ()
    map_type: str = ""
    rules: tuple[Object, ...] = ()
    description: str = ""
    fills: bool = False  # has a default here or below
    has_unique: bool = False  # has a list here or below whose items may not be there twice

    @classmethod
    def parse(cls, raw: Object) -> Node:
        """Read an openAPIV3Schema; what is malformed has been refused before."""
        node = cls(
            type=raw.get("type", ""),
            format=raw.get("format", ""),
            nullable=raw.get("nullable", False),
            int_or_string=raw.get("x-kubernetes-int-or-string", False),
            keeps_unknown=raw.get("x-kubernetes-preserve-unknown-fields", False),
            embedded=raw.get("x-kubernetes-embedded-resource", False),
            required=tuple(raw.get("required") or ()),
            has_default="default" in raw,
            default=raw.get("default"),
            enum=tuple(raw["enum"]) if raw.get("enum") else None,
            pattern=go_pattern(raw["pattern"]) if raw.get("pattern") else None,
            limits={name: raw[name] for name in _LIMITS if raw.get(name) is not None},
            list_type=raw.get("x-kubernetes-list-type", ""),
            map_keys=tuple(raw.get("x-kubernetes-list-map-keys") or ()),
            map_type=raw.get("x-kubernetes-map-type", ""),
            rules=tuple(raw.get("x-kubernetes-validations") or ()),
            description=raw.get("description", ""),
        )
        node._parse_children(raw)
        return node

    def _parse_children(self, raw: Object) -> None:
        self.properties = {name: Node.parse(child) for name, child in (raw.get("properties") or {}).items()}
        additional = raw.get("additionalProperties")
        if isinstance(additional, dict):
            self.additional = Node.parse(additional)
        self.additional_any = additional is True
        if isinstance(raw.get("items"), dict):
            self.items = Node.parse(raw["items"])
        self.all_of = tuple(Node.parse(child) for child in raw.get("allOf") or ())
        self.any_of = tuple(Node.parse(child) for child in raw.get("anyOf") or ())
        self.one_of = tuple(Node.parse(child) for child in raw.get("oneOf") or ())
        if isinstance(raw.get("not"), dict):
            self.negated = Node.parse(raw["not"])
        children = [*self.properties.values(), self.additional, self.items]
        self.fills = self.has_default or any(child is not None and child.fills for child in children)
        is_unique = self.list_type in ("set", "map")
        self.has_unique = is_unique or any(child is not None and child.has_unique for child in children)

    def has_rules(self) -> bool:
        """Whether there is a CEL rule here or below."""
        children = [*self.properties.values(), self.additional, self.items]
        return bool(self.rules) or any(child is not None and child.has_rules() for child in children)


def go_pattern(pattern: str) -> re.Pattern[str]:
    """Compile Go's dialect: `$` and `\\z` are the very end of the text; raises re.error."""
    out, in_class, index = [], False, 0
    while index < len(pattern):
        character = pattern[index]
        if character == "\\":
            pair = pattern[index : index + 2]
            out.append(r"\Z" if pair == r"\z" else pair)
            index += 2
            continue
        if character == "[":
            in_class = True
        elif character == "]":
            in_class = False
        out.append(r"\Z" if character == "$" and not in_class else character)
        index += 1
    return re.compile("".join(out))


def prune(node: Node, value: Any, path: str, unknown: list[str], *, root: bool = False) -> Any:
    """The value without fields that the schema doesn't know; their paths are appended to `unknown`."""
    if isinstance(value, dict):
        return _prune_object(node, value, path, unknown, root=root)
    if isinstance(value, list) and node.items is not None:
        items = node.items
        return [prune(items, item, f"{path}[{index}]", unknown) for index, item in enumerate(value)]
    return value


def _prune_object(node: Node, value: Object, path: str, unknown: list[str], *, root: bool) -> Object:
    kept: Object = {}
    prefix = f"{path}." if path else ""
    for name, item in value.items():
        child = node.properties.get(name)
        if (root or node.embedded) and name in _ROOT_KEPT:
            kept[name] = item
        elif child is not None:
            kept[name] = prune(child, item, prefix + name, unknown)
        elif node.additional is not None:
            kept[name] = prune(node.additional, item, prefix + name, unknown)
        elif node.keeps_unknown or node.additional_any:
            kept[name] = item
        else:
            unknown.append(f'unknown field "{prefix}{name}"')
    return kept


def fill(node: Node, value: Any, *, keeps_nulls: bool = False) -> None:
    """Set defaults in place, and replace or drop nulls that the schema doesn't allow; those without default may stay."""
    if isinstance(value, dict):
        if node.fills:
            _fill_defaults(node, value)
        for name in [name for name, item in value.items() if item is None and not keeps_nulls]:
            child = node.properties.get(name) or node.additional
            if child is not None and not child.nullable:
                del value[name]
        for name, item in value.items():
            child = node.properties.get(name) or node.additional
            if child is not None and isinstance(item, (dict, list)):
                fill(child, item, keeps_nulls=keeps_nulls)
    elif isinstance(value, list) and node.items is not None:
        for item in value:
            fill(node.items, item, keeps_nulls=keeps_nulls)


def _fill_defaults(node: Node, value: Object) -> None:
    for name, child in node.properties.items():
        if not child.has_default:
            continue
        if name not in value or (value[name] is None and not child.nullable):
            default = child.default
            value[name] = copy_object({"": default})[""]
