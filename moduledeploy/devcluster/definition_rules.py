"""What a CustomResourceDefinition can't be.

Follows k8s.io/apiextensions-apiserver pkg/apis/apiextensions/validation and pkg/apiserver/schema/validation.go.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from moduledeploy.devcluster.cel import Compiler
from moduledeploy.devcluster.errors import DUPLICATE, FORBIDDEN, INVALID, NOT_SUPPORTED, REQUIRED, FieldError
from moduledeploy.devcluster.names import label_1035_problem, label_problem, subdomain_problem
from moduledeploy.devcluster.schema import Node, fill, go_pattern, prune
from moduledeploy.devcluster.validation import validate

if TYPE_CHECKING:
    from moduledeploy.devcluster.storage import Object

_TYPES: Final = ("array", "boolean", "integer", "number", "object", "string")
_COLUMN_TYPES: Final = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS: Final = ("int32", "int64", "float", "double", "byte", "date", "date-time", "password")
_LIST_TYPES: Final = ("atomic", "map", "set")
_JSON_PATH: Final = re.compile(r"(\.[A-Za-z_][-\w]*|\[[^\]]+\]|\.?\['[^']*'\]|\.\w*\\.*)+")


def _unsupported(path: str, value: object, allowed: tuple[str, ...]) -> FieldError:
    return FieldError(NOT_SUPPORTED, path, value, "supported values: " + ", ".join(f'"{item}"' for item in allowed))


def name_problems(obj: Object) -> list[FieldError]:
    """The name of a new definition follows from its spec."""
    spec = obj["spec"]
    wanted = f"{spec['names'].get('plural', '')}.{spec.get('group', '')}"
    if obj["metadata"].get("name") == wanted:
        return []
    detail = f'must be spec.names.plural+"."+spec.group ({wanted})'
    return [FieldError(INVALID, "metadata.name", obj["metadata"].get("name"), detail)]


def definition_problems(obj: Object) -> list[FieldError]:
    """Everything that a definition can be refused for when it is created."""
    spec = obj["spec"]
    names, group = spec["names"], spec.get("group", "")
    problems: list[FieldError] = []
    if not group:
        problems.append(FieldError(REQUIRED, "spec.group"))
    elif problem := subdomain_problem(group):
        problems.append(FieldError(INVALID, "spec.group", group, problem))
    elif "." not in group:
        problems.append(FieldError(INVALID, "spec.group", group, "should be a domain with at least one dot"))
    if not spec.get("scope"):
        problems.append(FieldError(REQUIRED, "spec.scope"))
    elif spec["scope"] not in ("Cluster", "Namespaced"):
        problems.append(_unsupported("spec.scope", spec["scope"], ("Cluster", "Namespaced")))
    problems += _name_problems(names)
    problems += _version_problems(spec)
    return problems


def _name_problems(names: Object) -> list[FieldError]:
    problems = []
    for field in ("plural", "singular"):
        value = names.get(field, "")
        if not value:
            problems.append(FieldError(REQUIRED, f"spec.names.{field}"))
        elif problem := label_1035_problem(value):
            problems.append(FieldError(INVALID, f"spec.names.{field}", value, problem))
    for field in ("kind", "listKind"):
        value = names.get(field, "")
        if not value:
            problems.append(FieldError(REQUIRED, f"spec.names.{field}"))
        elif problem := label_1035_problem(value.lower()):
            problems.append(FieldError(INVALID, f"spec.names.{field}", value, problem))
    if names.get("kind") and names.get("kind") == names.get("listKind"):
        detail = "kind and listKind may not be the same"
        problems.append(FieldError(INVALID, "spec.names.listKind", names["listKind"], detail))
    for field in ("shortNames", "categories"):
        for index, value in enumerate(names.get(field) or []):
            if problem := label_1035_problem(value):
                problems.append(FieldError(INVALID, f"spec.names.{field}[{index}]", value, problem))
    return problems


def _version_problems(spec: Object) -> list[FieldError]:
    versions = spec.get("versions") or []
    problems: list[FieldError] = []
    if sum(bool(version.get("storage")) for version in versions) != 1:
        detail = "must have exactly one version marked as storage version"
        problems.append(FieldError(INVALID, "spec.versions", versions, detail))
        problems.append(FieldError(INVALID, "status.storedVersions", None, "must have the storage version"))
    seen: set[str] = set()
    # With one version, or versions that don't differ, a real server speaks of one schema for all of them.
    shared = all(
        version.get("schema") == versions[0].get("schema")
        and version.get("subresources") == versions[0].get("subresources")
        for version in versions
    )
    for index, version in enumerate(versions):
        where = f"spec.versions[{index}]"
        if problem := label_problem(version.get("name", "")):
            problems.append(FieldError(INVALID, f"{where}.name", version.get("name"), problem))
            if index == 0:
                problems.append(FieldError(INVALID, "spec.version", version.get("name"), problem))
        if version.get("name") in seen:
            problems.append(FieldError(INVALID, "spec.versions", version["name"], "must contain unique version names"))
        seen.add(version.get("name"))
        if shared and index:
            continue
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if schema is None:
            problems.append(FieldError(REQUIRED, f"{where}.schema.openAPIV3Schema", None, "schemas are required"))
        else:
            path = "spec.validation.openAPIV3Schema" if shared else f"{where}.schema.openAPIV3Schema"
            problems += schema_problems(schema, path)
        at = "spec" if shared else where
        problems += _subresource_problems(version.get("subresources") or {}, f"{at}.subresources")
        problems += _column_problems(version.get("additionalPrinterColumns") or [], f"{at}.additionalPrinterColumns")
    return problems


def _subresource_problems(subresources: Object, path: str) -> list[FieldError]:
    scale = subresources.get("scale")
    if scale is None:
        return []
    problems = []
    for field, root in (("specReplicasPath", ".spec."), ("statusReplicasPath", ".status."), ("labelSelectorPath", "")):
        value = scale.get(field)
        if not value:
            if field != "labelSelectorPath":
                problems.append(FieldError(REQUIRED, f"{path}.scale.{field}"))
        elif not _JSON_PATH.fullmatch(value):
            problems.append(FieldError(INVALID, f"{path}.scale.{field}", value, "must be a simple json path"))
        elif not value.startswith(root or (".spec.", ".status.")):
            detail = f"should be a json path under {root or '.status or .spec'}"
            problems.append(FieldError(INVALID, f"{path}.scale.{field}", value, detail))
    return problems


def _column_problems(columns: list[Object], path: str) -> list[FieldError]:
    problems = []
    for index, column in enumerate(columns):
        where = f"{path}[{index}]"
        problems += [
            FieldError(REQUIRED, f"{where}.{'JSONPath' if field == 'jsonPath' else field}")
            for field in ("name", "type", "jsonPath")
            if not column.get(field)
        ]
        if column.get("type") and column["type"] not in _COLUMN_TYPES:
            problems.append(
                FieldError(INVALID, f"{where}.type", column["type"], f"must be one of {','.join(_COLUMN_TYPES)}")
            )
        if column.get("format") and column["format"] not in _COLUMN_FORMATS:
            detail = f"must be one of {','.join(_COLUMN_FORMATS)}"
            problems.append(FieldError(INVALID, f"{where}.format", column["format"], detail))
        if column.get("jsonPath") and not _JSON_PATH.fullmatch(column["jsonPath"]):
            problems.append(FieldError(INVALID, f"{where}.JSONPath", column["jsonPath"], "unrecognized identifier"))
    return problems


def schema_problems(raw: Object, path: str) -> list[FieldError]:
    """What a schema can't be: not structural, with defaults that don't fit it, with rules that don't compile."""
    problems: list[FieldError] = []
    if raw.get("type") != "object":
        if not raw.get("type"):
            problems.append(FieldError(REQUIRED, f"{path}.type", None, "must not be empty at the root"))
        else:
            problems.append(FieldError(INVALID, f"{path}.type", raw["type"], "must be object at the root"))
    problems += _level_problems(raw, path, root=True)
    if problems:
        return problems
    node = Node.parse(raw)
    problems += _default_problems(node, path)
    if not problems and node.has_rules():
        compiler = Compiler(node)
        compiler.compile(path)
        problems += compiler.problems
    return problems


def _level_problems(raw: Object, path: str, *, root: bool = False) -> list[FieldError]:
    if raw.get("$ref"):
        return [FieldError(FORBIDDEN, f"{path}.$ref", None, "$ref is not supported")]
    problems = _type_problems(raw, path, root=root)
    if raw.get("pattern") is not None:
        try:
            go_pattern(raw["pattern"])
        except re.error as error:
            problems.append(
                FieldError(INVALID, f"{path}.pattern", raw["pattern"], f"must be a valid regular expression: {error}")
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


def _type_problems(raw: Object, path: str, *, root: bool) -> list[FieldError]:
    kind, int_or_string = raw.get("type", ""), raw.get("x-kubernetes-int-or-string")
    if kind and kind not in _TYPES:
        return [_unsupported(f"{path}.type", kind, _TYPES)]
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
    items = raw.get("items") or {}
    if kind == "map" and isinstance(items, dict):
        for index, key in enumerate(keys):
            where = f"{path}.x-kubernetes-list-map-keys[{index}]"
            if key not in (items.get("properties") or {}):
                at = f"{path}.x-kubernetes-list-map-keys"
                problems.append(FieldError(INVALID, at, key, "entries must all be names of item properties"))
            elif key not in (items.get("required") or []) and "default" not in items["properties"][key]:
                detail = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
                problems.append(FieldError(REQUIRED, f"{path}.items.properties[{key}].default", None, detail))
            if keys.index(key) != index:
                problems.append(FieldError(DUPLICATE, where, key))
    return problems


def _junctor_problems(raw: Object, path: str) -> list[FieldError]:
    """Inside allOf, anyOf, oneOf and not a schema only restricts what the structure has already."""
    problems = []
    nested: list[tuple[str, Any]] = [("not", raw["not"])] if isinstance(raw.get("not"), dict) else []
    for name in ("allOf", "anyOf", "oneOf"):
        nested += [(f"{name}[{index}]", child) for index, child in enumerate(raw.get(name) or [])]
    for name, child in nested:
        where = f"{path}.{name}"
        problems += [
            FieldError(FORBIDDEN, f"{where}.{field}", None, "must be empty to be structural")
            for field in ("description", "default", "additionalProperties", "nullable", "title")
            if child.get(field)
        ]
        if child.get("type") and not (raw.get("x-kubernetes-int-or-string") and child["type"] in ("integer", "string")):
            problems.append(FieldError(FORBIDDEN, f"{where}.type", None, "must be empty to be structural"))
    return problems


def _default_path(path: str, inner: str) -> str:
    return f"{path}.default" if inner in ("", "<nil>") else f"{path}.default.{inner}"


def _default_problems(node: Node, path: str) -> list[FieldError]:
    problems = []
    if node.has_default:
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
    for name, child in node.properties.items():
        problems += _default_problems(child, f"{path}.properties[{name}]")
    for name, part in (("additionalProperties", node.additional), ("items", node.items)):
        if part is not None:
            problems += _default_problems(part, f"{path}.{name}")
    return problems


def definition_changes(new: Object, old: Object) -> list[FieldError]:
    """The group never changes; scope and names stay once the definition is established."""
    problems = []
    if new["spec"].get("group") != old["spec"].get("group"):
        problems.append(FieldError(INVALID, "spec.group", new["spec"].get("group"), "field is immutable"))
    conditions = old.get("status", {}).get("conditions") or []
    if not any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
        return problems
    if new["spec"].get("scope") != old["spec"].get("scope"):
        problems.append(FieldError(INVALID, "spec.scope", new["spec"].get("scope"), "field is immutable"))
    for field in ("kind", "plural"):
        if new["spec"]["names"].get(field) != old["spec"]["names"].get(field):
            value = new["spec"]["names"].get(field)
            problems.append(FieldError(INVALID, f"spec.names.{field}", value, "field is immutable"))
    return problems
