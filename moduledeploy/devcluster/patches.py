"""JSON merge patch and JSON patch as kube-apiserver applies them.

Its JSON patch is that of github.com/evanphx/json-patch v4, which is laxer than RFC 6902: a field that isn't there can be
replaced and copied, and counts as null in a test; indexes from the end and with leading zeros count; scalars are equal
only where they are written alike.
"""

from __future__ import annotations

import re
from types import NoneType
from typing import TYPE_CHECKING, Any, Final

from moduledeploy.devcluster.errors import ApiError, bad_request
from moduledeploy.devcluster.storage import copy_object

if TYPE_CHECKING:
    from moduledeploy.devcluster.storage import Object

_MAX_OPERATIONS: Final = 10_000  # apiserver endpoints/handlers/patch.go maxJSONPatchOperations
_INDEX: Final = re.compile(r"[+-]?[0-9]+")
_FIELDS: Final = frozenset({"op", "path", "from", "value"})


def merge_patch(target: Object, patch: Object) -> Object:
    """RFC 7386: objects are merged, null removes, everything else replaces; what is new loses the nulls in it."""
    merged = dict(target)
    for key, value in patch.items():
        present = merged.get(key)
        if value is None:
            merged.pop(key, None)
        elif isinstance(present, dict):
            merged[key] = merge_patch(present, value) if isinstance(value, dict) else value
        else:
            merged[key] = _without_nulls(value)
    return merged


def _without_nulls(value: Any) -> Any:
    """What objects in it have of null is gone; in lists it stays."""
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def unknown_fields(operations: Any) -> list[str]:
    """Sentences for what operations of a JSON patch can't have."""
    return [
        f'unknown field "[{index}].{name}"'
        for index, operation in enumerate(operations if isinstance(operations, list) else [])
        for name in (operation if isinstance(operation, dict) else ())
        if name not in _FIELDS
    ]


def json_patch(target: Object, operations: Any) -> Object:
    """The patched object; raises ApiError 400 for what is no patch and 422 for one that can't be applied."""
    operations = [] if operations is None else operations
    if not isinstance(operations, list) or not all(map(_is_operation, operations)):
        raise bad_request("error decoding patch: json: cannot unmarshal into a list of operations")
    if len(operations) > _MAX_OPERATIONS:
        message = f"The allowed maximum operations in a JSON patch is {_MAX_OPERATIONS}, got {len(operations)}"
        raise ApiError(413, "RequestEntityTooLarge", message)
    document: Any = copy_object(target)
    for operation in operations:
        document = _apply(document, operation or {})
    if not isinstance(document, dict):
        raise bad_request("the patched document is no object")
    return document


def _is_operation(operation: Any) -> bool:
    """Null counts as an operation that says nothing; what says something says it in texts."""
    if operation is None:
        return True
    texts = ("op", "path", "from")
    return isinstance(operation, dict) and all(isinstance(operation.get(name), (str, NoneType)) for name in texts)


def _refused(why: str) -> ApiError:
    return ApiError(422, "Invalid", f"the server rejected our request due to an error in our request: {why}")


def _apply(document: Any, operation: Object) -> Any:
    path = _pointer(operation, "path")
    value = copy_object({"": operation.get("value")})[""]
    match operation.get("op"):
        case "add":
            _add(document, path, value, "add")
        case "remove":
            _remove(document, path, "remove")
        case "replace":
            if path == "":
                if not isinstance(value, (dict, list)):
                    raise _refused("replace operation value must be object or array")
                return value
            _replace(document, path, value)
        case "move":
            source = _pointer(operation, "from")
            moved = _get(document, source, "move")
            _remove(document, source, "move")
            _add(document, path, moved, "move")
        case "copy":
            copied = _get(document, _pointer(operation, "from"), "copy")
            _add(document, path, copy_object({"": copied})[""], "copy")
        case "test":
            present = document if path == "" else _get(document, path, "test")
            if not _equal(present, value):
                raise _refused(f"testing path {path} failed: test failed")
        case other:
            raise _refused(f"Unexpected kind: {other or 'unknown'}")
    return document


def _pointer(operation: Object, name: str) -> str:
    pointer: str | None = operation.get(name)
    if pointer is None:
        raise _refused(f"operation has no {name}")
    return pointer


def _holder(document: Any, pointer: str, verb: str) -> tuple[Any, str]:
    """The object or list that a pointer leads into, and the last step; what stands before the first slash is ignored."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")]
    holder = document
    for step in steps[1:-1]:
        holder = _member(holder, step) if _reaches(holder, step) else None
    if len(steps) == 1 or not isinstance(holder, (dict, list)):
        raise _refused(f'{verb} operation does not apply: doc is missing path: "{pointer}": missing value')
    return holder, steps[-1]


def _reaches(holder: Any, step: str) -> bool:
    if isinstance(holder, dict):
        return step in holder
    return isinstance(holder, list) and bool(_INDEX.fullmatch(step)) and -len(holder) <= int(step) < len(holder)


def _member(holder: Any, step: str) -> Any:
    if isinstance(holder, dict):
        return holder.get(step)
    return holder[_index(step, len(holder))]


def _index(step: str, count: int) -> int:
    """A place among `count`, counted from the end where it is negative."""
    if not _INDEX.fullmatch(step):
        raise _refused(f"value was not a proper array index: '{step}'")
    index = int(step)
    if not -count <= index < count:
        raise _refused(f"Unable to access invalid index: {index}: invalid index referenced")
    return index + count if index < 0 else index


def _get(document: Any, pointer: str, verb: str) -> Any:
    holder, step = _holder(document, pointer, verb)
    return _member(holder, step)


def _add(document: Any, pointer: str, value: Any, verb: str) -> None:
    holder, step = _holder(document, pointer, verb)
    if isinstance(holder, dict):
        holder[step] = value
    elif step == "-":
        holder.append(value)
    else:
        holder.insert(_index(step, len(holder) + 1), value)


def _remove(document: Any, pointer: str, verb: str) -> None:
    holder, step = _holder(document, pointer, verb)
    if isinstance(holder, list):
        del holder[_index(step, len(holder))]
    elif step in holder:
        del holder[step]
    else:
        raise _refused(f"{verb} operation does not apply: Unable to remove nonexistent key: {step}: missing value")


def _replace(document: Any, pointer: str, value: Any) -> None:
    holder, step = _holder(document, pointer, "replace")
    holder[step if isinstance(holder, dict) else _index(step, len(holder))] = value


def _equal(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(value, other[name]) for name, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(_equal(*pair) for pair in zip(one, other, strict=True))
    return bool(one == other)
