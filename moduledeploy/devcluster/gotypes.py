"""Types of built-in kinds: read from a compact notation, and applied to objects as Go's JSON codec would.

One line of the notation is one struct, `Name: field:type field:type …`.  Types are `string int32 int64 bool float time
microtime quantity intstr bytes any`, a struct's name, `[T]` an atomic list, `[T|key,key]` a list keyed by fields of its
items, `<T>` a set, `{T}` a map with string keys, `#` before a struct or map one that is owned as a whole.  After a
field's name `?` is a Go pointer (a zero that was sent stays), `!` a field without omitempty (a zero is always sent).
`...` lets unknown fields pass untouched.
"""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

import attrs

from moduledeploy.devcluster.errors import bad_request
from moduledeploy.devcluster.quantities import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moduledeploy.devcluster.storage import Object

Form = Literal["scalar", "struct", "list", "keyed", "set", "map", "any"]
_INTS: Final = {"int32": 31, "int64": 63}
_ZEROS: Final[dict[str, Any]] = {
    "string": "", "quantity": "0", "int32": 0, "int64": 0, "float": 0, "bool": False, "intstr": 0,
    "time": None, "microtime": None, "bytes": None,
}  # fmt: skip
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_MICRO_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)")
_EXACT: Final = {"time": len("2026-01-01T00:00:00Z"), "microtime": len("2026-01-01T00:00:00.000000Z")}


@attrs.define(eq=False)
class Type:
    """One type of the notation."""

    form: Form
    name: str = ""  # of a scalar or a struct
    item: Type | None = None  # of lists, sets and maps
    keys: tuple[str, ...] = ()  # of keyed lists
    fields: dict[str, Field] = attrs.field(factory=dict)  # of structs
    open: bool = False  # a struct that lets unknown fields pass
    atomic: bool = False  # a struct or map that is owned and replaced as a whole


@attrs.frozen(eq=False)
class Field:
    """One field of a struct."""

    name: str
    type: Type
    pointer: bool
    always: bool


@attrs.define(eq=False)
class Types:
    """The structs of one text in the notation."""

    structs: dict[str, Type] = attrs.field(factory=dict)

    @classmethod
    def parse(cls, text: str) -> Types:
        """Read the notation; a name that is used is also defined, or this raises KeyError."""
        types = cls()
        lines: list[tuple[str, str]] = []
        for line in text.splitlines():
            if line.startswith(" ") and lines:
                lines[-1] = (lines[-1][0], lines[-1][1] + line)
            elif line.strip() and not line.startswith("#"):
                name, _, rest = line.partition(":")
                lines.append((name.strip(), rest))
        for name, _ in lines:
            types.structs[name] = Type("struct", name)
        for name, rest in lines:
            types._fill(types.structs[name], rest.split())
        return types

    def _fill(self, struct: Type, words: list[str]) -> None:
        for word in words:
            if word == "...":
                struct.open = True
                continue
            name, _, notation = word.partition(":")
            bare = name.rstrip("?!")
            struct.fields[bare] = Field(bare, self._type(notation), "?" in name, "!" in name)

    def _type(self, notation: str) -> Type:
        if notation.startswith("#"):
            return attrs.evolve(self._type(notation[1:]), atomic=True)
        if notation == "any":
            return Type("any")
        if notation in _ZEROS:
            return Type("scalar", notation)
        if notation.startswith("{"):
            return Type("map", item=self._type(notation[1:-1]))
        if notation.startswith("<"):
            return Type("set", item=self._type(notation[1:-1]))
        if notation.startswith("["):
            inner, _, keys = notation[1:-1].partition("|")
            return Type(
                "keyed" if keys else "list", item=self._type(inner), keys=tuple(keys.split(",")) if keys else ()
            )
        return self.structs[notation]


@attrs.define
class Reading:
    """One decoding: what was unknown on the way."""

    kind: str
    api_version: str
    unknown: list[str] = attrs.field(factory=list)

    def struct(self, value: Object, struct: Type, path: str) -> Object:
        """The known fields in Go's form; raises ApiError 400 for a value of the wrong type."""
        out: Object = {}
        fields = struct.fields
        for name, item in value.items():
            field = fields.get(name)
            if field is None:
                if struct.open:
                    if item is not None:
                        out[name] = item
                else:
                    self.unknown.append(f'unknown field "{path}{name}"')
                continue
            if item is None:
                continue
            kind = field.type
            is_text = type(item) is str and kind.name == "string" and kind.form == "scalar"
            decoded = item if is_text else self.value(item, kind, path + name)
            if field.pointer or not _is_zero(decoded):
                out[name] = decoded
        for field in _always(struct):
            if field.name not in out:
                out[field.name] = zero(field.type)
        return out

    def value(self, value: Any, kind: Type, path: str) -> Any:
        """One value of any type."""
        match kind.form:
            case "any":
                return value
            case "scalar":
                return self._scalar(value, kind.name, path)
            case "struct":
                if not isinstance(value, dict):
                    raise self._mismatch(value, path, kind.name)
                return self.struct(value, kind, path + ".")
            case "map":
                if not isinstance(value, dict):
                    raise self._mismatch(value, path, "map")
                item = _item(kind)
                if item.name == "string" and item.form == "scalar" and all(type(v) is str for v in value.values()):
                    return dict(value)
                zero_item = zero(item)
                return {
                    key: zero_item if entry is None else self.value(entry, item, f"{path}.{key}")
                    for key, entry in value.items()
                }
            case _:
                if not isinstance(value, list):
                    raise self._mismatch(value, path, "[]" + (kind.item.name if kind.item else ""))
                item = _item(kind)
                return [
                    zero(item) if entry is None else self.value(entry, item, f"{path}[{index}]")
                    for index, entry in enumerate(value)
                ]

    def _scalar(self, value: Any, name: str, path: str) -> Any:
        if name in _INTS:
            if isinstance(value, float) and value.is_integer():
                value = int(value)
            if type(value) is not int or not -(1 << _INTS[name]) <= value < 1 << _INTS[name]:
                raise self._mismatch(value, path, name)
            return value
        if name == "bool":
            right = isinstance(value, bool)
        elif name == "intstr":
            right = type(value) is int or isinstance(value, str)
        elif name == "float":
            right = isinstance(value, (int, float)) and not isinstance(value, bool)
        elif name == "quantity":
            return self._quantity(value, path)
        elif name == "bytes":
            right = isinstance(value, str) and _is_base64(value)
        elif name in {"time", "microtime"}:
            form = _TIME if name == "time" else _MICRO_TIME
            if not isinstance(value, str) or not form.fullmatch(value):
                raise self._mismatch(value, path, "Time")
            return value if len(value) == _EXACT[name] and value[-1] == "Z" else _instant(value, name)
        else:
            right = isinstance(value, str)
        if not right:
            raise self._mismatch(value, path, name)
        return value

    def _quantity(self, value: Any, path: str) -> str:
        text = str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value
        exact = canonical(text) if isinstance(text, str) else None
        if exact is None:
            raise bad_request(
                f'{self.kind} in version "{self.api_version}" cannot be handled as a {self.kind}: '
                f"quantities must match the regular expression (at {path})"
            )
        return exact

    def _mismatch(self, value: Any, path: str, wanted: str) -> Exception:
        names = {dict: "object", list: "array", str: "string", bool: "bool", int: "number", float: "number"}
        found = names.get(type(value), "null")
        return bad_request(
            f'{self.kind} in version "{self.api_version.rpartition("/")[2]}" cannot be handled as a {self.kind}: '
            f"json: cannot unmarshal {found} into Go struct field {self.kind}.{path} of type {wanted}"
        )


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return True


def _instant(text: str, name: str) -> str:
    instant = datetime.fromisoformat(text.upper()).astimezone(UTC)
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ" if name == "time" else "%Y-%m-%dT%H:%M:%S.%fZ")


def _item(kind: Type) -> Type:
    if kind.item is None:
        raise TypeError(f"{kind.form} without items")
    return kind.item


def _always(struct: Type) -> Iterator[Field]:
    return (field for field in struct.fields.values() if field.always)


def _is_zero(value: Any) -> bool:
    return value is None or value is False or value in ("", 0, [], {})


def zero(kind: Type) -> Any:
    """What Go's codec writes for a zero value of this type."""
    if kind.form == "scalar":
        return _ZEROS[kind.name]
    if kind.form == "struct":
        return {field.name: zero(field.type) for field in _always(kind)}
    return None
