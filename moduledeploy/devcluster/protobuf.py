"""Reads objects that typed clients send as protobuf, such as `kubectl create deployment` and `kubectl auth can-i`.

Answers are JSON: those clients accept both.  What has no field number here is refused, never dropped.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import attrs

from moduledeploy.devcluster.errors import ApiError, bad_request
from moduledeploy.devcluster.gotypes import Type, Types
from moduledeploy.devcluster.protobuf_numbers import NUMBERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moduledeploy.devcluster.storage import Object

MEDIA_TYPE: Final = "application/vnd.kubernetes.protobuf"
_MAGIC: Final = b"k8s\0"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SIGN: Final = 1 << 63


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        if at >= len(data):
            raise bad_request("unexpected end of a protobuf message")
        byte = data[at]
        result |= (byte & 0x7F) << shift
        at += 1
        if not byte & 0x80:
            return result, at
        shift += 7


def read_fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The field numbers and values of a message, in their order; raises ApiError 400 for what is none."""
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        match tag & 7:
            case 0:
                value, at = _read_varint(data, at)
                yield tag >> 3, value - (1 << 64) if value >= _SIGN else value
            case 2:
                size, at = _read_varint(data, at)
                yield tag >> 3, data[at : at + size]
                at += size
            case 1:
                yield tag >> 3, data[at : at + 8]
                at += 8
            case 5:
                yield tag >> 3, data[at : at + 4]
                at += 4
            case other:
                raise bad_request(f"protobuf wire type {other} is not used by Kubernetes")


def _text(data: int | bytes) -> str:
    return data.decode() if isinstance(data, bytes) else str(data)


@attrs.frozen
class Reader:
    """Reads messages of the given types."""

    types: Types
    numbers: dict[str, dict[int, str]]

    @classmethod
    def of(cls, types: Types) -> Reader:
        """With the published numbers."""
        numbers: dict[str, dict[int, str]] = {}
        name = ""
        for line in NUMBERS.strip().splitlines():
            words = line.split()
            if not line.startswith(" "):
                name = words.pop(0).rstrip(":")
                numbers[name] = {}
            numbers[name] |= {int(number): field for field, _, number in (word.partition("=") for word in words)}
        return cls(types, numbers)

    def read(self, body: bytes, struct: Type | None, meta: Type) -> Object:
        """The object of a request body; `struct` is the kind's type.  Raises ApiError 400, 415."""
        if not body.startswith(_MAGIC):
            raise bad_request("provided data does not appear to be a protobuf message, expected prefix k8s")
        head: dict[int, Any] = dict(read_fields(body[len(_MAGIC) :]))
        kind: dict[int, Any] = dict(read_fields(head.get(1, b"")))
        if struct is None:
            raise _refused(_text(kind.get(2, b"")))
        obj: Object = {"apiVersion": _text(kind.get(1, b"")), "kind": _text(kind.get(2, b""))}
        rest = []
        for number, value in read_fields(head.get(2, b"")):
            if number == 1 and self.numbers[struct.name].get(1) is None:
                obj["metadata"] = self._struct(value, meta)
            else:
                rest.append((number, value))
        return {**obj, **self._decoded(rest, struct)}

    def _struct(self, data: int | bytes, struct: Type) -> Object:
        return self._decoded(list(read_fields(data if isinstance(data, bytes) else b"")), struct)

    def _decoded(self, fields: list[tuple[int, int | bytes]], struct: Type) -> Object:
        names = self.numbers.get(struct.name, {})
        out: Object = {}
        for number, value in fields:
            name = names.get(number)
            known = struct.fields.get(name) if name else None
            if name is None or known is None:
                if not value:  # Go writes empty values of fields that are no pointers
                    continue
                raise _refused(f"{struct.name}, field {number}")
            kind = known.type
            match kind.form:
                case "map" if kind.item is not None:
                    pair: dict[int, Any] = dict(read_fields(value if isinstance(value, bytes) else b""))
                    out.setdefault(name, {})[_text(pair.get(1, b""))] = self._value(pair.get(2, b""), kind.item)
                case "list" | "keyed" | "set" if kind.item is not None:
                    out.setdefault(name, []).append(self._value(value, kind.item))
                case _:
                    out[name] = self._value(value, kind)
        return out

    def _value(self, value: int | bytes, kind: Type) -> Any:
        if kind.form == "struct":
            return self._struct(value, kind)
        if kind.form != "scalar":
            raise _refused(kind.form)
        match kind.name:
            case "bool":
                return bool(value)
            case "int32" | "int64":
                return value if isinstance(value, int) else 0
            case "time" | "microtime":
                parts: dict[int, Any] = dict(read_fields(value if isinstance(value, bytes) else b""))
                instant = datetime.fromtimestamp(parts.get(1, 0), UTC).replace(microsecond=parts.get(2, 0) // 1000)
                return instant.isoformat().replace("+00:00", "Z") if parts else None
            case "intstr":
                choice: dict[int, Any] = dict(read_fields(value if isinstance(value, bytes) else b""))
                return _text(choice.get(3, b"")) if choice.get(1) else choice.get(2, 0)
            case "quantity":
                return _text(dict(read_fields(value if isinstance(value, bytes) else b"")).get(1, b""))
            case "bytes":
                return base64.b64encode(value if isinstance(value, bytes) else b"").decode()
            case _:
                return _text(value)


def _refused(what: str) -> ApiError:
    message = f"the body of the request was in an unknown format - protobuf isn't understood for {what}; send application/json"
    return ApiError(415, "UnsupportedMediaType", message)
