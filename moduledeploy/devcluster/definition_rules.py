"""What a CustomResourceDefinition can't be.

Follows k8s.io/apiextensions-apiserver pkg/apis/apiextensions/validation and pkg/apiserver/schema/validation.go.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from moduledeploy.devcluster.errors import DUPLICATE, INVALID, NOT_SUPPORTED, REQUIRED, TOO_MANY, FieldError
from moduledeploy.devcluster.names import label_1035_problem, label_problem, subdomain_problem
from moduledeploy.devcluster.structural_rules import schema_problems

if TYPE_CHECKING:
    from moduledeploy.devcluster.storage import Object

_APPROVED: Final = "api-approved.kubernetes.io"
_MAX_SELECTABLE: Final = 8
_COLUMN_TYPES: Final = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS: Final = ("int32", "int64", "float", "double", "byte", "date", "date-time", "password")
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
    problems += _conversion_problems(spec)
    if _is_protected(group) and _APPROVED not in (obj["metadata"].get("annotations") or {}):
        detail = "protected groups must have approval"
        problems.append(FieldError(REQUIRED, f"metadata.annotations[{_APPROVED}]", None, detail))
    problems += _version_problems(spec)
    return problems


def _is_protected(group: str) -> bool:
    return any(group == owned or group.endswith(f".{owned}") for owned in ("k8s.io", "kubernetes.io"))


def _conversion_problems(spec: Object) -> list[FieldError]:
    problems = []
    conversion = spec.get("conversion") or {}
    strategy, webhook = conversion.get("strategy"), conversion.get("webhook") or {}
    if strategy not in ("None", "Webhook"):
        problems.append(_unsupported("spec.conversion.strategy", strategy, ("None", "Webhook")))
    if strategy == "Webhook":
        for field, given in (("webhookClientConfig", "clientConfig"), ("conversionReviewVersions",) * 2):
            if not webhook.get(given):
                detail = "required when strategy is set to Webhook"
                problems.append(FieldError(REQUIRED, f"spec.conversion.{field}", None, detail))
    if spec.get("preserveUnknownFields"):
        detail = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in the schema instead"
        problems.append(FieldError(INVALID, "spec.preserveUnknownFields", True, detail))
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
        if version.get("deprecationWarning") and not version.get("deprecated"):
            detail = "can only be set for deprecated versions"
            problems.append(FieldError(INVALID, f"{where}.deprecationWarning", version["deprecationWarning"], detail))
        at = "spec" if shared else where
        problems += _selectable_problems(version.get("selectableFields") or [], schema or {}, f"{at}.selectableFields")
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


def _selectable_problems(fields: list[Object], schema: Object, path: str) -> list[FieldError]:
    problems = []
    if len(fields) > _MAX_SELECTABLE:
        problems.append(FieldError(TOO_MANY, path, len(fields), f"must have at most {_MAX_SELECTABLE} items"))
    seen: set[str] = set()
    for index, field in enumerate(fields):
        where, pointer = f"{path}[{index}].jsonPath", field.get("jsonPath", "")
        if not pointer:
            problems.append(FieldError(REQUIRED, where))
        elif pointer in seen:
            problems.append(FieldError(DUPLICATE, where, pointer))
        elif not _leads_to_scalar(schema, pointer):
            problems.append(FieldError(INVALID, where, pointer, "must lead to a string, integer or boolean"))
        seen.add(pointer)
    return problems


def _leads_to_scalar(schema: Object, pointer: str) -> bool:
    if not pointer.startswith(".") or pointer.startswith(".metadata"):
        return False
    level: Object | None = schema
    for name in pointer[1:].split("."):
        level = ((level or {}).get("properties") or {}).get(name)
    return (level or {}).get("type") in ("boolean", "integer", "string")


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
        if column.get("jsonPath") and not column["jsonPath"].startswith((".", "[", "{", "$")):
            problems.append(FieldError(INVALID, f"{where}.JSONPath", column["jsonPath"], "unrecognized identifier"))
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
