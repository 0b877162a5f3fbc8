"""Checks of values against a structural schema, with the field errors a real server reports.

On an update a value that is what it was is not held against the writer (ratcheting, KEP-4008).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from moduledeploy.devcluster.errors import (
    DUPLICATE,
    INVALID,
    NOT_SUPPORTED,
    REQUIRED,
    TOO_LONG,
    TOO_MANY,
    TYPE_INVALID,
    FieldError,
)
from moduledeploy.devcluster.formats import FORMATS
from moduledeploy.devcluster.names import label_1035_problem

if TYPE_CHECKING:
    from moduledeploy.devcluster.schema import Node
    from moduledeploy.devcluster.storage import Object

_BLOCKING: Final = frozenset({NOT_SUPPORTED, REQUIRED, TOO_LONG, TOO_MANY, TYPE_INVALID})
_INT64: Final = 1 << 63  # Go reads greater ones as floating-point numbers
_RANGES: Final = {"int32": 1 << 31, "float": (2 - 2**-23) * 2.0**127}
NAMELESS: Final = "<nil>"
ABSENT: Final = object()


def unchecked_rules(problems: list[FieldError]) -> list[FieldError]:
    """The one more problem that stands for rules not looked at because of problems of these kinds."""
    if not any(problem.reason in _BLOCKING for problem in problems):
        return []
    detail = "some validation rules were not checked because the object was invalid; correct the existing errors first"
    return [FieldError(INVALID, NAMELESS, None, detail)]


def joined(path: str, name: str) -> str:
    """The path of a field."""
    return f"{path}.{name}" if path else name


def validate(node: Node, value: Any, path: str, old: Any = ABSENT) -> list[FieldError]:
    """Every violated constraint at and below `value`."""
    if old is not ABSENT and _identical(old, value):
        return []
    if value is None and node.nullable:
        return []
    problems = _type_problems(node, value, path)
    if node.enum is not None and not any(_same(value, allowed) for allowed in node.enum):
        detail = "supported values: " + ", ".join(f'"{allowed}"' for allowed in node.enum)
        problems.append(FieldError(NOT_SUPPORTED, path, value, detail))
    if isinstance(value, str):
        problems += _string_problems(node, value, path)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        problems += _number_problems(node, value, path)
    elif isinstance(value, list):
        problems += _list_problems(node, value, path, old)
    elif isinstance(value, dict):
        problems += _object_problems(node, value, path, old)
        problems += _embedded_problems(value, path) if node.embedded else []
    return problems + _composed_problems(node, value, path)


def _identical(one: Any, other: Any) -> bool:
    """Equal, and true and false no numbers."""
    if one is other:
        return True
    if isinstance(one, bool) != isinstance(other, bool) or one != other:
        return False
    if isinstance(one, dict):
        return all(_identical(item, other[name]) for name, item in one.items())
    return not isinstance(one, list) or all(_identical(*pair) for pair in zip(one, other, strict=True))


def _same(value: Any, allowed: Any) -> bool:
    return bool(value == allowed) and isinstance(value, bool) == isinstance(allowed, bool)


def _fits(value: Any, kind: str) -> bool:
    match kind:
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
            return whole and not isinstance(value, bool) and -_INT64 <= value < _INT64
        case "number":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        case _:
            return True


def has_type(node: Node, value: Any) -> bool:
    """Whether the value is of a type that the level allows."""
    kinds = ("integer", "string") if node.int_or_string else (node.type,) if node.type else ()
    return not kinds or any(_fits(value, kind) for kind in kinds)


def _type_problems(node: Node, value: Any, path: str) -> list[FieldError]:
    if has_type(node, value):
        return []
    kinds = ("integer", "string") if node.int_or_string else (node.type,)
    names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}
    found = names.get(type(value), "null")
    detail = f'{path or "<nil>"} in body must be of type {",".join(kinds)}: "{found}"'
    return [FieldError(TYPE_INVALID, path or NAMELESS, found, detail)]


def _string_problems(node: Node, value: str, path: str) -> list[FieldError]:
    problems, limits = [], node.limits
    if "maxLength" in limits and len(value) > limits["maxLength"]:
        problems.append(FieldError(TOO_LONG, path, None, f"may not be more than {limits['maxLength']} bytes"))
    if "minLength" in limits and len(value) < limits["minLength"]:
        detail = f"{path} in body should be at least {limits['minLength']} chars long"
        problems.append(FieldError(INVALID, path, value, detail))
    if node.pattern is not None and not node.pattern.search(value):
        problems.append(FieldError(INVALID, path, value, f"{path} in body should match '{node.pattern.pattern}'"))
    check = FORMATS.get(node.format)
    if check is not None and not check(value):
        problems.append(
            FieldError(TYPE_INVALID, path, value, f'{path} in body must be of type {node.format}: "{value}"')
        )
    return problems


def _number_problems(node: Node, value: float, path: str) -> list[FieldError]:
    problems, limits = [], node.limits
    if node.type == "integer" and not has_type(node, value):
        problems.append(_nameless("the checked value must be of type integer"))
    elif node.format in _RANGES and abs(value) > _RANGES[node.format] - (value > 0 and node.type == "integer"):
        problems.append(_nameless(f"the checked value must be of type {node.type} with format {node.format} in {path}"))
    if "minimum" in limits:
        exclusive = limits.get("exclusiveMinimum", False)
        if value < limits["minimum"] or (exclusive and value == limits["minimum"]):
            words = "greater than" if exclusive else "greater than or equal to"
            problems.append(FieldError(INVALID, path, value, f"{path} in body should be {words} {limits['minimum']}"))
    if "maximum" in limits:
        exclusive = limits.get("exclusiveMaximum", False)
        if value > limits["maximum"] or (exclusive and value == limits["maximum"]):
            words = "less than" if exclusive else "less than or equal to"
            problems.append(FieldError(INVALID, path, value, f"{path} in body should be {words} {limits['maximum']}"))
    step = limits.get("multipleOf")
    if step and abs(value / step - round(value / step)) > 1e-9:
        problems.append(FieldError(INVALID, path, value, f"{path} in body should be a multiple of {step}"))
    return problems


def _list_problems(node: Node, value: list[Any], path: str, old: Any) -> list[FieldError]:
    problems, limits = [], node.limits
    if "maxItems" in limits and len(value) > limits["maxItems"]:
        problems.append(FieldError(TOO_MANY, path, len(value), f"must have at most {limits['maxItems']} items"))
    if "minItems" in limits and len(value) < limits["minItems"]:
        detail = f"{path} in body should have at least {limits['minItems']} items"
        problems.append(FieldError(INVALID, path, len(value), detail))
    if node.items is None:
        return problems
    before = correlate(node, old)
    for index, item in enumerate(value):
        problems += validate(node.items, item, f"{path}[{index}]", before.get(item_key(node, item), ABSENT))
    return problems


def _object_problems(node: Node, value: Object, path: str, old: Any) -> list[FieldError]:
    problems, limits = [], node.limits
    if "maxProperties" in limits and len(value) > limits["maxProperties"]:
        problems.append(FieldError(TOO_MANY, path, len(value), f"must have at most {limits['maxProperties']} items"))
    if "minProperties" in limits and len(value) < limits["minProperties"]:
        detail = f"{path} in body should have at least {limits['minProperties']} properties"
        problems.append(FieldError(INVALID, path, value, detail))
    problems += [FieldError(REQUIRED, joined(path, name)) for name in node.required if name not in value]
    before = old if isinstance(old, dict) else {}
    for name, item in value.items():
        child = node.properties.get(name) or node.additional
        if child is not None:
            problems += validate(child, item, joined(path, name), before.get(name, ABSENT))
    return problems


def _embedded_problems(value: Object, path: str) -> list[FieldError]:
    """What keeps a value from being an object of some kind."""
    kind, version = value.get("kind"), value.get("apiVersion")
    problems = [FieldError(REQUIRED, f"{path}.{name}") for name in ("apiVersion", "kind") if not value.get(name)]
    if isinstance(kind, str) and kind and (problem := label_1035_problem(kind.lower())):
        problems.append(FieldError(INVALID, f"{path}.kind", kind, problem))
    if isinstance(version, str) and version.count("/") > 1:
        problems.append(FieldError(INVALID, f"{path}.apiVersion", version, "must be a group and a version"))
    return problems


def _composed_problems(node: Node, value: Any, path: str) -> list[FieldError]:
    problems: list[FieldError] = []
    for part in node.all_of:
        found = validate(part, value, path)
        problems += found
        if found:
            problems.append(_nameless(f'"{path}" must validate all the schemas (allOf)'))
    if node.any_of:
        results = [validate(part, value, path) for part in node.any_of]
        if all(results):
            problems.append(_nameless(f'"{path}" must validate at least one schema (anyOf)'))
            problems += _fewest(results)
    if node.one_of:
        results = [validate(part, value, path) for part in node.one_of]
        passed = sum(not found for found in results)
        if passed != 1:
            found_valid = f"Found {passed} valid alternatives" if passed else "Found none valid"
            problems.append(_nameless(f'"{path}" must validate one and only one schema (oneOf). {found_valid}'))
            problems += _fewest(results)
    if node.negated is not None and not validate(node.negated, value, path):
        problems.append(_nameless(f'"{path}" must not validate the schema (not)'))
    return problems


def _fewest(results: list[list[FieldError]]) -> list[FieldError]:
    """What the alternative that was missed most narrowly misses."""
    return min(results, key=len)


def _nameless(detail: str) -> FieldError:
    """A problem that a real server reports without its field."""
    return FieldError(INVALID, NAMELESS, "", detail)


def item_key(node: Node, item: Any) -> Any:
    """What identifies an item of a map-like list; None for other lists, whose items have no identity."""
    if node.list_type != "map" or not isinstance(item, dict):
        return None
    return tuple(repr(item.get(key)) for key in node.map_keys)


def correlate(node: Node, old: Any) -> dict[Any, Any]:
    """The old items of a map-like list by their keys."""
    if node.list_type != "map" or not isinstance(old, list):
        return {}
    return {item_key(node, item): item for item in old}


def repeated(node: Node, value: Any, path: str) -> list[FieldError]:
    """Items that a set or a map-like list holds twice, at and below `value`."""
    problems: list[FieldError] = []
    if not node.has_unique:
        return problems
    if isinstance(value, list) and node.items is not None:
        seen: list[Any] = []
        for index, item in enumerate(value):
            where = f"{path}[{index}]"
            identity = item_key(node, item) if node.list_type == "map" else item if node.list_type == "set" else None
            if identity is not None and identity in seen:
                shown = {key: item.get(key) for key in node.map_keys} if node.list_type == "map" else item
                problems.append(FieldError(DUPLICATE, where, shown))
            if node.list_type == "map" and not isinstance(item, dict):
                problems.append(FieldError(INVALID, where, item, "must be an object for an array of list-type map"))
            seen.append(identity)
            problems += repeated(node.items, item, where)
    elif isinstance(value, dict):
        for name, item in value.items():
            child = node.properties.get(name) or node.additional
            if child is not None and isinstance(item, (dict, list)):
                problems += repeated(child, item, joined(path, name))
    return problems
