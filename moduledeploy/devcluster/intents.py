"""What an intent has to be before it can be merged: of the kind that the path names, and readable by its schema.

Follows apimachinery's managedfields (structuredmerge.go) and structured-merge-diff typed/validate.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from moduledeploy.devcluster.errors import Object, bad_request, unknown
from moduledeploy.devcluster.fieldpaths import shown
from moduledeploy.devcluster.gotypes import Type
from moduledeploy.devcluster.levels import META, Schema, declares, divide, keyed_element, keys_of, parts
from moduledeploy.devcluster.schema import Node
from moduledeploy.devcluster.validation import has_type

if TYPE_CHECKING:
    from moduledeploy.devcluster.fieldpaths import Path

_NODE_WORDS: Final = {"object": "map", "array": "list", "integer": "numeric (int or float)"}
_FORM_WORDS: Final = {"struct": "map", "map": "map", "list": "list", "keyed": "list", "set": "list"}
_TEXTS: Final = frozenset({"string", "time", "microtime", "bytes"})
_NUMBERS: Final = frozenset({"int32", "int64", "float"})


def typed_intent(given: Any, *, api_version: str, kind: str, schema: Schema) -> Object:
    """The intent as an object of that kind; raises ApiError 400, and 500 without a reason for what can't be merged."""
    if not isinstance(given, dict):
        raise bad_request("error decoding YAML: the patch is no object")
    intent: Object = given
    if intent.get("metadata") is None:
        intent["metadata"] = {}
    _check_kind(intent, api_version, kind)
    meta = intent["metadata"]
    if isinstance(meta, dict) and meta.get("managedFields") is not None:
        raise bad_request("metadata.managedFields must be nil")
    _refuse_untyped(schema, intent, (), untyped(intent), root=True)
    return intent


def untyped(intent: Object) -> str:
    """How the refusal of what can't be merged begins."""
    meta = intent["metadata"] if isinstance(intent["metadata"], dict) else {}
    what = f"{meta.get('namespace', '')}/{meta.get('name', '')}; {intent['apiVersion']}, Kind={intent['kind']}"
    return f"failed to create typed patch object ({what})"


def _check_kind(intent: Object, api_version: str, kind: str) -> None:
    if not intent.get("kind"):
        raise bad_request("Object 'Kind' is missing in the apply patch")
    if not intent.get("apiVersion") or intent["kind"] != kind:
        raise bad_request(f"invalid object type: {intent.get('apiVersion') or '/'}, Kind={intent['kind']}")
    if intent["apiVersion"] != api_version:
        given = intent["apiVersion"]
        raise bad_request(
            f"Incorrect version specified in apply patch. Specified patch version: {given}, expected: {api_version}"
        )


def _refuse_untyped(schema: Schema, value: Any, path: Path, prefix: str, *, root: bool = False) -> None:
    if value is not None and (wanted := _mismatch(schema, value)):
        raise unknown(f"{prefix}: {shown(path)}: expected {wanted}")
    form = parts(schema, value)
    if form in ("keyed", "set") and (problem := _item_problem(schema, value, form)):
        raise unknown(f"{prefix}: {shown(path)}: {problem}")
    seen: set[str] = set()
    for part in divide(schema, value, root=root):
        here = (*path, part.element)
        if part.element in seen:
            raise unknown(f"{prefix}: {shown(path)}: duplicate entries for key {shown((part.element,))}")
        seen.add(part.element)
        if form == "fields" and _is_undeclared(schema, part.element[2:], root=root):
            raise unknown(f"{prefix}: {shown(here)}: field not declared in schema")
        _refuse_untyped(part.schema, part.value, here, prefix)


def _mismatch(schema: Schema, value: Any) -> str:
    """What a value should be and isn't, or nothing; how a text is to be written isn't asked here."""
    if isinstance(schema, Node):
        return "" if has_type(schema, value) else _NODE_WORDS.get(schema.type, schema.type) or "int or string"
    if not isinstance(schema, Type) or schema.form == "any":
        return ""
    if schema.form != "scalar":
        wanted = _FORM_WORDS[schema.form]
        return "" if isinstance(value, dict if wanted == "map" else list) else wanted
    if schema.name in _TEXTS:
        return "" if isinstance(value, str) else "string"
    if schema.name in _NUMBERS:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return "" if is_number else "numeric (int or float)"
    if schema.name == "bool":
        return "" if isinstance(value, bool) else "boolean"
    return "scalar" if isinstance(value, (dict, list)) else ""


def _is_undeclared(schema: Schema, name: str, *, root: bool) -> bool:
    """Whether a built-in type or metadata has no such field; custom resources are asked by their own decoding."""
    if schema is META:
        return name not in META.properties
    closed = isinstance(schema, Type) and schema.form == "struct" and not schema.open
    return closed and not declares(schema, name, root=root)


def _item_problem(schema: Schema, items: list[Any], form: str) -> str:
    """Why a list's items can't be told apart by their keys or values, or nothing."""
    for index, item in enumerate(items):
        where = f"element {index}: associative list"
        if item is None:
            return f"{where} may not have a null element"
        if form == "set" and isinstance(item, (dict, list)):
            return f"{where} without keys may have scalar elements only"
        if form == "keyed" and not isinstance(item, dict):
            return f"{where} with keys may not have non-map elements"
        if form == "keyed" and keyed_element(schema, item) == "k:{}":
            return f"{where} with keys has an element that omits all key fields {list(keys_of(schema))}"
    return ""
