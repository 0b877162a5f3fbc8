"""CEL types of structural schemas: every object level becomes a message type, so that the checker knows its fields.

Rules are checked against these types and evaluated on plain dicts.  What protobuf can't express (a list of lists)
is `dyn`.  Property names that are no identifiers are escaped as apiserver/pkg/cel/escaping.go does.
"""

from __future__ import annotations

import functools
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs
from cel_expr_python import cel
from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, struct_pb2, timestamp_pb2

if TYPE_CHECKING:
    from moduledeploy.devcluster.schema import Node

_PACKAGE: Final = "schema"
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED: Final = frozenset(
    [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)
_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_Proto = descriptor_pb2.FieldDescriptorProto
_WELL_KNOWN: Final = {
    "timestamp": ".google.protobuf.Timestamp",
    "duration": ".google.protobuf.Duration",
    "dyn": ".google.protobuf.Value",
}
_SCALARS: Final = {
    "string": (cel.Type.STRING, _Proto.TYPE_STRING),
    "int": (cel.Type.INT, _Proto.TYPE_INT64),
    "double": (cel.Type.DOUBLE, _Proto.TYPE_DOUBLE),
    "bool": (cel.Type.BOOL, _Proto.TYPE_BOOL),
    "bytes": (cel.Type.BYTES, _Proto.TYPE_BYTES),
}


@functools.lru_cache(maxsize=4096)
def escape(name: str) -> str | None:
    """The name by which a rule reaches a property, or None where it can't."""
    if name in _RESERVED:
        return f"__{name}__"
    escaped = (
        name.replace("__", "__underscores__").replace(".", "__dot__").replace("-", "__dash__").replace("/", "__slash__")
    )
    return escaped if _IDENTIFIER.fullmatch(escaped) else None


def kind_of(node: Node) -> str:
    """Which CEL type a schema level has: a scalar's name, `message`, `map`, `list`, `dyn`."""
    if node.int_or_string:
        return "dyn"
    match node.type:
        case "string":
            formats = {"byte": "bytes", "date": "timestamp", "date-time": "timestamp", "duration": "duration"}
            return formats.get(node.format, "string")
        case "integer":
            return "int"
        case "number":
            return "double"
        case "boolean":
            return "bool"
        case "array":
            return "list" if node.items is not None else "dyn"
        case "object":
            if node.additional is not None:
                return "map"
            return "message" if node.properties or not node.keeps_unknown else "dyn"
        case _:
            return "dyn"


@attrs.define(eq=False)
class TypeBook:
    """The message types of one schema; `of` gives the type of each of its levels once `close` has been called."""

    _file: Any = attrs.field(
        factory=lambda: descriptor_pb2.FileDescriptorProto(name="schema.proto", package=_PACKAGE, syntax="proto3")
    )
    _names: dict[int, str] = attrs.field(factory=dict)
    pool: Any = None

    def add(self, node: Node, *, root: bool = False) -> str:
        """Declare the message types at and below an object level and return the name of its own."""
        name = f"Level{len(self._names)}"
        self._names[id(node)] = name
        message = self._file.message_type.add(name=name)
        if root:
            self._add_identity(message)
        for property_name, child in node.properties.items():
            escaped = escape(property_name)
            taken = {field.name for field in message.field}
            if escaped is not None and escaped not in taken:
                self._add_field(message, escaped, child)
        return name

    def _add_identity(self, message: Any) -> None:
        meta = self._file.message_type.add(name="Identity")
        for index, name in enumerate(("name", "generateName"), 1):
            meta.field.add(name=name, number=index, type=_Proto.TYPE_STRING, label=_Proto.LABEL_OPTIONAL)
        for index, name in enumerate(("apiVersion", "kind"), 1):
            message.field.add(name=name, number=index, type=_Proto.TYPE_STRING, label=_Proto.LABEL_OPTIONAL)
        message.field.add(name="metadata", number=3, type=_Proto.TYPE_MESSAGE, type_name=f".{_PACKAGE}.Identity",
                          label=_Proto.LABEL_OPTIONAL)  # fmt: skip

    def _add_field(self, message: Any, name: str, node: Node) -> None:
        number = len(message.field) + 1
        match kind_of(node):
            case "list":
                items = node.items
                plain = items is not None and kind_of(items) not in ("list", "map")
                kind, type_name = (
                    self._proto_type(items)
                    if plain and items is not None
                    else (_Proto.TYPE_MESSAGE, _WELL_KNOWN["dyn"])
                )
                message.field.add(name=name, number=number, type=kind, type_name=type_name, label=_Proto.LABEL_REPEATED)
                if items is not None and not plain:
                    self._declare_below(items)
            case "map":
                self._add_map(message, name, number, node)
            case _:
                kind, type_name = self._proto_type(node)
                message.field.add(name=name, number=number, type=kind, type_name=type_name, label=_Proto.LABEL_OPTIONAL)

    def _add_map(self, message: Any, name: str, number: int, node: Node) -> None:
        values = node.additional
        if values is None:
            raise TypeError("a map without a schema of its values")
        plain = kind_of(values) not in ("list", "map")
        kind, type_name = self._proto_type(values) if plain else (_Proto.TYPE_MESSAGE, _WELL_KNOWN["dyn"])
        if not plain:
            self._declare_below(values)
        entry_name = "".join(part[:1].upper() + part[1:] for part in name.split("_")) + "Entry"
        entry = message.nested_type.add(name=entry_name)
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, type=_Proto.TYPE_STRING, label=_Proto.LABEL_OPTIONAL)
        entry.field.add(name="value", number=2, type=kind, type_name=type_name, label=_Proto.LABEL_OPTIONAL)
        message.field.add(name=name, number=number, type=_Proto.TYPE_MESSAGE, label=_Proto.LABEL_REPEATED,
                          type_name=f".{_PACKAGE}.{message.name}.{entry_name}")  # fmt: skip

    def _declare_below(self, node: Node) -> None:
        if kind_of(node) == "message":
            self.add(node)
        for child in (node.items, node.additional):
            if child is not None:
                self._declare_below(child)

    def _proto_type(self, node: Node) -> tuple[int, str | None]:
        kind = kind_of(node)
        if kind in _SCALARS:
            return _SCALARS[kind][1], None
        if kind == "message":
            return _Proto.TYPE_MESSAGE, f".{_PACKAGE}.{self.add(node)}"
        return _Proto.TYPE_MESSAGE, _WELL_KNOWN.get(kind, _WELL_KNOWN["dyn"])

    def close(self) -> None:
        """Make the declared types usable."""
        pool = descriptor_pool.DescriptorPool()
        for module in (struct_pb2, timestamp_pb2, duration_pb2):
            described = descriptor_pb2.FileDescriptorProto()
            module.DESCRIPTOR.CopyToProto(described)
            pool.Add(described)
            self._file.dependency.append(described.name)
        pool.Add(self._file)
        self.pool = pool

    def of(self, node: Node) -> Any:
        """The CEL type of a level."""
        kind = kind_of(node)
        if kind in _SCALARS:
            return _SCALARS[kind][0]
        if kind == "timestamp":
            return cel.Type.TIMESTAMP
        if kind == "duration":
            return cel.Type.DURATION
        if kind == "message":
            return cel.Type(f"{_PACKAGE}.{self._names[id(node)]}") if id(node) in self._names else cel.Type.DYN
        if kind == "list" and node.items is not None:
            return cel.Type.List(self.of(node.items))
        if kind == "map" and node.additional is not None:
            return cel.Type.Map(cel.Type.STRING, self.of(node.additional))
        return cel.Type.DYN


def to_cel(node: Node, value: Any) -> Any:
    """The value as rules see it: escaped names, instants and durations, doubles; what no schema knows left out."""
    if type(value) is str and not node.format:
        return value
    match kind_of(node):
        case "message" if isinstance(value, dict):
            out = {}
            for name, item in value.items():
                child = node.properties.get(name)
                if child is not None and (escaped := escape(name)) is not None:
                    out[escaped] = to_cel(child, item)
            return out
        case "map" if isinstance(value, dict) and node.additional is not None:
            return {name: to_cel(node.additional, item) for name, item in value.items()}
        case "list" if isinstance(value, list) and node.items is not None:
            return [to_cel(node.items, item) for item in value]
        case "double" if isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        case "int" if isinstance(value, float):
            return int(value)
        case "timestamp" if isinstance(value, str):
            instant = timestamp_pb2.Timestamp()
            instant.FromDatetime(
                datetime.fromisoformat(value.upper() if "T" in value.upper() else value + "T00:00:00Z")
            )
            return instant
        case "duration" if isinstance(value, str):
            parts = re.findall(r"([0-9.]+)(h|ms|m|s|us|µs|ns)", value)
            seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
            length = duration_pb2.Duration()
            length.FromTimedelta(timedelta(seconds=-seconds if value.startswith("-") else seconds))
            return length
        case "bytes" if isinstance(value, str):
            return value.encode()
        case _:
            return value
