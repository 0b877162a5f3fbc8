"""Strategic merge patch: lists are merged by the keys of their items.

Follows k8s.io/apimachinery pkg/util/strategicpatch; the keys come from the types of built-in kinds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from moduledeploy.devcluster.errors import unknown
from moduledeploy.devcluster.objectmeta import with_metadata

if TYPE_CHECKING:
    from moduledeploy.devcluster.gotypes import Type
    from moduledeploy.devcluster.storage import Object

_DIRECTIVE: Final = "$patch"
_RETAIN: Final = "$retainKeys"
_DELETE_FROM: Final = "$deleteFromPrimitiveList/"
_ORDER: Final = "$setElementOrder/"
_SPECIAL: Final = (_RETAIN, _DELETE_FROM, _ORDER)


def strategic_patch(target: Object, patch: Object, schema: Type) -> Object:
    """The target with the patch merged in; raises ApiError 500 for a patch that can't be."""
    merged = _merge_map(target, patch, with_metadata(schema))
    return merged if merged is not None else {}


def _child(schema: Type | None, name: str) -> Type | None:
    if schema is None:
        return None
    if schema.form == "struct":
        field = schema.fields.get(name)
        return field.type if field else None
    return schema.item if schema.form == "map" else None


def _merge_map(target: Object, patch: Object, schema: Type | None) -> Object | None:
    """None: the patch deletes this map."""
    directive = patch.get(_DIRECTIVE)
    if directive == "delete":
        return None
    body = {name: value for name, value in patch.items() if name not in (_DIRECTIVE, _RETAIN)}
    if directive == "replace":
        return body
    if directive not in (None, "merge"):
        raise unknown(f"unable to apply strategic merge patch: unknown patch directive {directive!r}")
    merged = dict(target)
    if _RETAIN in patch:
        keep = set(patch[_RETAIN])
        merged = {name: value for name, value in merged.items() if name in keep}
    for name, removed in body.items():
        if name.startswith(_DELETE_FROM):
            field = name[len(_DELETE_FROM) :]
            merged[field] = [item for item in merged.get(field) or [] if item not in removed]
    for name, value in body.items():
        if not name.startswith((_DELETE_FROM, _ORDER)):
            order = body.get(_ORDER + name)
            _merge_field(merged, name, value, _child(schema, name), order)
    for name, order in body.items():
        field = name[len(_ORDER) :]
        if name.startswith(_ORDER) and field not in body and isinstance(merged.get(field), list):
            kind = _child(schema, field)
            merged[field] = _ordered(merged[field], order, merged[field], _key(kind))
    return merged


def _merge_field(merged: Object, name: str, value: Any, kind: Type | None, order: list[Any] | None) -> None:
    if value is None:
        merged.pop(name, None)
        return
    present = merged.get(name)
    if isinstance(value, dict):
        result = _merge_map(present, value, kind) if isinstance(present, dict) else _undirected(value)
        if result is None:
            merged.pop(name, None)
        else:
            merged[name] = result
    elif isinstance(value, list) and isinstance(present, list) and kind is not None and kind.form == "keyed":
        merged[name] = _merge_keyed(present, value, kind, order)
    elif isinstance(value, list) and isinstance(present, list) and kind is not None and kind.form == "set":
        together = [*present, *(item for item in value if item not in present)]
        merged[name] = _ordered(together, order if order is not None else value, present, "")
    else:
        merged[name] = _undirected(value)


def _undirected(value: Any) -> Any:
    """What a patch adds where nothing was: without the parts that hold directives, or None if it is one itself."""
    if isinstance(value, list):
        return [_undirected(item) for item in value if not (isinstance(item, dict) and _DIRECTIVE in item)]
    if not isinstance(value, dict):
        return value
    if _DIRECTIVE in value:
        return None
    return {
        name: _undirected(item)
        for name, item in value.items()
        if item is not None and not (isinstance(item, dict) and _DIRECTIVE in item) and not name.startswith(_SPECIAL)
    }


def _key(kind: Type | None) -> str:
    return kind.keys[0] if kind is not None and kind.keys else ""


def _merge_keyed(present: list[Any], patch: list[Any], kind: Type, order: list[Any] | None) -> list[Any]:
    key, patch = _key(kind), [entry if isinstance(entry, dict) else {} for entry in patch]
    if any(item.get(_DIRECTIVE) == "replace" for item in patch):
        return [item for item in patch if item.get(_DIRECTIVE) != "replace"]
    merged = list(present)
    for item in patch:
        if key not in item:
            raise unknown(
                f"unable to apply strategic merge patch: map: {item} does not contain declared merge key: {key}"
            )
        index = next((i for i, other in enumerate(merged) if other.get(key) == item[key]), None)
        result = _merge_map(merged[index] if index is not None else {}, item, kind.item)
        if index is None:
            if result is not None:
                merged.append(result)
        elif result is None:
            del merged[index]
        else:
            merged[index] = result
    return _ordered(merged, order if order is not None else patch, present, key)


def _ordered(items: list[Any], patch_order: list[Any], server_order: list[Any], key: str) -> list[Any]:
    """Items that the patch speaks of in its order, between the others in the server's order."""

    def name(item: Any) -> Any:
        return item.get(key) if isinstance(item, dict) else item

    patched, known = [name(item) for item in patch_order], [name(item) for item in server_order]
    ours = sorted((item for item in items if name(item) in patched), key=lambda item: patched.index(name(item)))
    theirs = [item for item in items if name(item) not in patched]
    out: list[Any] = []
    while ours and theirs:
        left, right = name(ours[0]), name(theirs[0])
        right_first = left in known and right in known and known.index(right) < known.index(left)
        out.append(theirs.pop(0) if right_first else ours.pop(0))
    return [*out, *ours, *theirs]
