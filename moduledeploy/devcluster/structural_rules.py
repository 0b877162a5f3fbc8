"""What the schema in a definition can't be: not structural, with defaults that don't fit it, with rules that don't compile.

Follows k8s.io/apiextensions-apiserver pkg/apis/apiextensions/validation and pkg/apiserver/schema/validation.go.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from moduledeploy.devcluster import cel
from moduledeploy.devcluster.errors import FORBIDDEN, INVALID, NOT_SUPPORTED, REQUIRED, FieldError
from moduledeploy.devcluster.schema import Node, fill, go_pattern, prune
from moduledeploy.devcluster.validation import validate

if TYPE_CHECKING:
    from moduledeploy.devcluster.storage import Object

_TYPES: Final = ("array", "boolean", "integer", "number", "object", "string")
_LIST_TYPES: Final = ("atomic", "map", "set")
_MAP_TYPES: Final = ("atomic", "granular")
_SCALARS: Final = ("boolean", "integer", "number", "string")
_REFUSED: Final = ("definitions", "dependencies", "patternProperties", "additionalItems", "id")
_INT_OR_STRING: Final = [{"type": "integer"}, {"type": "string"}]
_STRUCTURE: Final = (
    "type", "description", "default", "additionalProperties", "nullable", "title", "x-kubernetes-validations",
    "x-kubernetes-list-type", "x-kubernetes-map-type", "x-kubernetes-int-or-string", "x-kubernetes-embedded-resource",
    "x-kubernetes-preserve-unknown-fields",
)  # fmt: skip
_LOOKAROUND: Final = re.compile(r"\(\?[=!<]")  # in no pattern of Go's, whose engine never looks back


def _unsupported(path: str, value: object, allowed: tuple[str, ...]) -> FieldError:
    return FieldError(NOT_SUPPORTED, path, value, "supported values: " + ", ".join(f'"{item}"' for item in allowed))


def schema_problems(raw: Object, path: str) -> list[FieldError]:
    """What a schema can't be: not structural, with defaults that don't fit it, with rules that don't compile."""
    problems: list[FieldError] = []
    if raw.get("type") != "object":
        if not raw.get("type"):
            problems.append(FieldError(REQUIRED, f"{path}.type", None, "must not be empty at the root"))
        else:
            problems.append(FieldError(INVALID, f"{path}.type", raw["type"], "must be object at the root"))
    problems += _identity_problems(raw.get("properties") or {}, path)
    problems += _level_problems(raw, path, root=True)
    if problems:
        return problems
    node = Node.parse(raw)
    if isinstance(node.default, dict):
        missing = [name for name in ("apiVersion", "kind") if not node.default.get(name)]
        problems += [FieldError(REQUIRED, f"{path}.default.{name}", None, "must not be empty") for name in missing]
    problems += _default_problems(node, path)
    if not problems and node.has_rules():
        compiler = cel.Compiler(node)
        compiler.compile(path)
        problems += compiler.problems
    return problems


def _identity_problems(properties: Object, path: str) -> list[FieldError]:
    """What stands in every object is a text, and of its metadata a schema may restrict the name alone."""
    problems = []
    for name, kind in (("apiVersion", "string"), ("kind", "string"), ("metadata", "object")):
        where = f"{path}.properties[{name}]"
        if name in properties and properties[name].get("type") != kind:
            problems.append(FieldError(INVALID, f"{where}.type", properties[name].get("type"), f"must be {kind}"))
    meta = properties.get("metadata") or {}
    known = {"name", "generateName"}
    if set(meta) - {"type", "properties", "description"} or set(meta.get("properties") or {}) - known:
        detail = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        if meta.get("type") == "object":
            problems.append(FieldError(FORBIDDEN, f"{path}.properties[metadata]", None, detail))
    return problems


def _level_problems(raw: Object, path: str, *, root: bool = False) -> list[FieldError]:
    if raw.get("$ref"):
        return [FieldError(FORBIDDEN, f"{path}.$ref", None, "$ref is not supported")]
    problems = [
        FieldError(FORBIDDEN, f"{path}.{name}", None, f"{name} is not supported") for name in _REFUSED if raw.get(name)
    ]
    if isinstance(raw.get("items"), list):
        return [
            *problems,
            FieldError(FORBIDDEN, f"{path}.items", None, "items must be a schema object and not an array"),
        ]
    problems += _type_problems(raw, path, root=root) + _extension_problems(raw, path)
    if raw.get("pattern") is not None and (why := _pattern_problem(raw["pattern"])):
        problems.append(
            FieldError(INVALID, f"{path}.pattern", raw["pattern"], f"must be a valid regular expression: {why}")
        )
    if raw.get("uniqueItems"):
        problems.append(FieldError(FORBIDDEN, f"{path}.uniqueItems", None, "uniqueItems cannot be set to true"))
    properties, additional = raw.get("properties"), raw.get("additionalProperties")
    if properties and additional is not None:
        detail = "additionalProperties and properties are mutual exclusive"
        problems.append(FieldError(FORBIDDEN, f"{path}.additionalProperties", None, detail))
    problems += _list_problems(raw, path)
    for name, child in (properties or {}).items():
        if root and name in ("apiVersion", "kind", "metadata"):
            continue
        problems += _level_problems(child, f"{path}.properties[{name}]")
    if isinstance(additional, dict):
        problems += _level_problems(additional, f"{path}.additionalProperties")
    if isinstance(raw.get("items"), dict):
        problems += _level_problems(raw["items"], f"{path}.items")
    return problems + _junctor_problems(raw, path)


def _pattern_problem(pattern: str) -> str:
    if _LOOKAROUND.search(pattern):
        return "invalid or unsupported Perl syntax"
    try:
        go_pattern(pattern)
    except re.error as error:
        return str(error)
    return ""


def _extension_problems(raw: Object, path: str) -> list[FieldError]:
    problems = []
    kind, map_type = raw.get("type", ""), raw.get("x-kubernetes-map-type")
    if raw.get("x-kubernetes-preserve-unknown-fields") is False:
        where = f"{path}.x-kubernetes-preserve-unknown-fields"
        problems.append(FieldError(INVALID, where, False, "must be true or undefined"))
    if raw.get("x-kubernetes-embedded-resource"):
        if kind != "object":
            detail = "must be object if x-kubernetes-embedded-resource is true"
            problems.append(FieldError(INVALID, f"{path}.type", kind, detail))
        if not raw.get("properties") and not raw.get("x-kubernetes-preserve-unknown-fields"):
            detail = "must not be empty if x-kubernetes-embedded-resource is true without preserving unknown fields"
            problems.append(FieldError(REQUIRED, f"{path}.properties", None, detail))
    if map_type is not None and map_type not in _MAP_TYPES:
        problems.append(_unsupported(f"{path}.x-kubernetes-map-type", map_type, _MAP_TYPES))
    if map_type is not None and kind != "object":
        detail = "must be object if x-kubernetes-map-type is specified"
        problems.append(FieldError(INVALID, f"{path}.type", kind, detail))
    return problems


def _type_problems(raw: Object, path: str, *, root: bool) -> list[FieldError]:
    kind, int_or_string = raw.get("type", ""), raw.get("x-kubernetes-int-or-string")
    if kind and kind not in _TYPES:
        problems = [_unsupported(f"{path}.type", kind, _TYPES)]
        if kind == "null":
            problems.append(FieldError(FORBIDDEN, f"{path}.type", None, "type cannot be set to null, use nullable"))
        return problems
    if int_or_string:
        return []
    if not kind and not root and not raw.get("x-kubernetes-preserve-unknown-fields"):
        return [FieldError(REQUIRED, f"{path}.type", None, "must not be empty for specified object fields")]
    if kind == "array" and not raw.get("items"):
        return [FieldError(REQUIRED, f"{path}.items", None, "must be specified")]
    return []


def _list_problems(raw: Object, path: str) -> list[FieldError]:
    problems = []
    kind, keys = raw.get("x-kubernetes-list-type"), raw.get("x-kubernetes-list-map-keys") or []
    if kind is not None and kind not in _LIST_TYPES:
        problems.append(_unsupported(f"{path}.x-kubernetes-list-type", kind, _LIST_TYPES))
    if kind is not None and raw.get("type") != "array":
        detail = "must be array if x-kubernetes-list-type is specified"
        problems.append(FieldError(INVALID, f"{path}.type", raw.get("type"), detail))
    if kind == "map" and not keys:
        detail = "must not be empty if x-kubernetes-list-type is map"
        problems.append(FieldError(REQUIRED, f"{path}.x-kubernetes-list-map-keys", None, detail))
    if keys and kind is None:
        detail = "must be map if x-kubernetes-list-map-keys is non-empty"
        problems.append(FieldError(REQUIRED, f"{path}.x-kubernetes-list-type", None, detail))
    items = raw.get("items") or {}
    if kind in ("map", "set") and items.get("nullable"):
        detail = f"cannot be nullable when x-kubernetes-list-type is {kind}"
        problems.append(FieldError(FORBIDDEN, f"{path}.items.nullable", None, detail))
    if kind == "set":
        problems += _set_item_problems(items, f"{path}.items")
    if kind == "map" and keys:
        problems += _key_problems(items, keys, path)
    return problems


def _set_item_problems(items: Object, path: str) -> list[FieldError]:
    """Only what is replaced as a whole can be compared as a whole."""
    if items.get("type") == "object" and items.get("x-kubernetes-map-type") != "atomic":
        detail = "must be atomic as item of a list with x-kubernetes-list-type=set"
        value = items.get("x-kubernetes-map-type")
        return [FieldError(INVALID, f"{path}.x-kubernetes-map-type", value, detail)]
    if items.get("type") == "array" and items.get("x-kubernetes-list-type") not in (None, "atomic"):
        detail = "must be atomic as item of a list with x-kubernetes-list-type=set"
        return [FieldError(INVALID, f"{path}.x-kubernetes-list-type", items["x-kubernetes-list-type"], detail)]
    return []


def _key_problems(items: Object, keys: list[str], path: str) -> list[FieldError]:
    at = f"{path}.x-kubernetes-list-map-keys"
    if items.get("type") != "object":
        detail = "must be object if parent array's x-kubernetes-list-type is map"
        return [FieldError(INVALID, f"{path}.items.type", items.get("type"), detail)]
    problems = []
    properties = items.get("properties") or {}
    if len(set(keys)) < len(keys):
        problems.append(FieldError(INVALID, at, keys, "must not contain duplicate entries"))
    for key in dict.fromkeys(keys):
        where = f"{path}.items.properties[{key}]"
        if key not in properties:
            problems.append(FieldError(INVALID, at, key, "entries must all be names of item properties"))
        elif properties[key].get("type") not in _SCALARS:
            detail = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            problems.append(FieldError(INVALID, f"{where}.type", properties[key].get("type"), detail))
        elif key not in (items.get("required") or []) and "default" not in properties[key]:
            detail = (
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            )
            problems.append(FieldError(REQUIRED, f"{where}.default", None, detail))
    return problems


def _junctor_problems(raw: Object, path: str) -> list[FieldError]:
    """Inside allOf, anyOf, oneOf and not a schema only restricts what the structure has already."""
    problems = []
    nested: list[tuple[str, Any]] = [("not", raw["not"])] if isinstance(raw.get("not"), dict) else []
    for name in ("allOf", "anyOf", "oneOf"):
        nested += [(f"{name}[{index}]", child) for index, child in enumerate(raw.get(name) or [])]
    for name, child in nested:
        if name.startswith("anyOf") and raw.get("x-kubernetes-int-or-string") and raw["anyOf"] == _INT_OR_STRING:
            continue
        problems += _restriction_problems(child, f"{path}.{name}")
    return problems


def _restriction_problems(raw: Object, path: str) -> list[FieldError]:
    problems = [
        FieldError(FORBIDDEN, f"{path}.{field}", None, "must be empty to be structural")
        for field in _STRUCTURE
        if raw.get(field)
    ]
    for name, child in (raw.get("properties") or {}).items():
        problems += _restriction_problems(child, f"{path}.properties[{name}]")
    if isinstance(raw.get("items"), dict):
        problems += _restriction_problems(raw["items"], f"{path}.items")
    for name in ("allOf", "anyOf", "oneOf"):
        for index, child in enumerate(raw.get(name) or []):
            problems += _restriction_problems(child, f"{path}.{name}[{index}]")
    return problems


def _default_path(path: str, inner: str) -> str:
    return f"{path}.default" if inner in ("", "<nil>") else f"{path}.default.{inner}"


def _default_problems(node: Node, path: str) -> list[FieldError]:
    problems = []
    if node.has_default and node.default is not None:
        unknown: list[str] = []
        default = prune(node, node.default, "", unknown)
        if unknown:
            problems.append(FieldError(INVALID, f"{path}.default", node.default, "must not have unknown fields"))
        holder = {"value": default}
        fill(Node(properties={"value": node}), holder)
        problems += [
            FieldError(
                problem.reason,
                _default_path(path, problem.path),
                problem.value,
                problem.detail,
            )
            for problem in validate(node, holder.get("value"), "")
        ]
        if not problems and node.has_rules() and (rules := cel.Compiler(node).compile("")) is not None:
            broken = cel.check(rules, holder.get("value"), "")
            problems += [FieldError(found.reason, f"{path}.default", found.value, found.detail) for found in broken]
    for name, child in node.properties.items():
        problems += _default_problems(child, f"{path}.properties[{name}]")
    for name, part in (("additionalProperties", node.additional), ("items", node.items)):
        if part is not None:
            problems += _default_problems(part, f"{path}.{name}")
    return problems
