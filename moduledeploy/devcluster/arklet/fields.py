"""The fields of a request as the JVM converts them: names match without regard to case, `_` and `-`, but the exact one wins."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import attrs

from moduledeploy.devcluster.arklet import fastjson

if TYPE_CHECKING:
    from collections.abc import Mapping

_TRUE: Final = frozenset({"T", "Y", "y", "1"})
_TRIMMED: Final = "".join(map(chr, range(0x21)))  # by Java's String.trim
_LARGEST_SCALE: Final = 100  # of a decimal that may be cut to an integer
_FALSE: Final = frozenset({"F", "f", "N", "0", "", "null", "NULL"})


class Unreadable(Exception):
    """Raised when a body is no JSON object: a real Arklet never answers it."""


class Unconvertible(Exception):
    """Raised when a field can't be made what it has to be: a real Arklet goes on as if there were no fields at all."""


def read_body(data: bytes) -> Fields | None:
    """The fields of a request, None where the body has none at all; raises `Unreadable`."""
    text = data.decode(errors="replace").strip(_TRIMMED)
    if not data or text == "null":
        return None
    try:
        value = fastjson.read(text)
    except fastjson.Malformed as error:
        raise Unreadable(str(error)) from error
    if not isinstance(value, dict):
        raise Unreadable("the body is no JSON object")
    return Fields(value)


@attrs.frozen
class Fields:
    """The fields of one request."""

    _exact: Mapping[str, Any]
    _plain: Mapping[str, Any] = attrs.field(init=False)

    @_plain.default
    def _by_plain_name(self) -> Mapping[str, Any]:
        return {_plain(name): value for name, value in self._exact.items()}

    def text(self, name: str) -> str:
        """A text field; "" where it is missing, null or blank."""
        value = self._value(name)
        text = "" if value is None else fastjson.as_text(value)
        return text if text.strip() else ""

    def flag(self, name: str) -> bool:
        """A boolean field, false where it is missing; raises `Unconvertible`."""
        value = self._value(name)
        value = self._value(f"is{name}") if value is None else value
        if value is None or isinstance(value, bool):
            return bool(value)
        if isinstance(value, int | Decimal):
            return _as_int(value) == 1
        if not isinstance(value, str):
            raise Unconvertible(name)
        if value in _TRUE or value.lower() == "true":
            return True
        if value in _FALSE or value.lower() == "false":
            return False
        raise Unconvertible(name)

    def texts(self, name: str) -> list[str]:
        """A list of texts, empty where it is missing or an empty text; raises `Unconvertible`."""
        return [] if self._value(name) == "" else [fastjson.as_text(item) for item in self._list(name)]

    def mapping(self, name: str) -> dict[str, str]:
        """A map of texts, empty where it is missing; raises `Unconvertible`."""
        value = self._value(name)
        if not isinstance(value, dict | None):
            raise Unconvertible(name)
        return {key: fastjson.as_text(item) for key, item in (value or {}).items()}

    def items(self, name: str) -> list[Fields]:
        """A list of objects, empty where it is missing; raises `Unconvertible`."""
        items = self._list(name)
        if not all(isinstance(item, dict) for item in items):
            raise Unconvertible(name)
        return [Fields(item) for item in items]

    def _value(self, name: str) -> Any:
        value = self._exact.get(name)
        return self._plain.get(_plain(name)) if value is None else value

    def _list(self, name: str) -> list[Any]:
        value = self._value(name)
        if not isinstance(value, list | None):
            raise Unconvertible(name)
        return value or []


def _as_int(value: int | Decimal) -> int:
    """As Java's int; raises `Unconvertible` for an integer that is none, and for a decimal far from any."""
    if isinstance(value, int):
        if not -(2**31) <= value < 2**31:
            raise Unconvertible(str(value))
        return value
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > _LARGEST_SCALE or (not exponent and value):
        raise Unconvertible("a number")
    return int(value) % 2**32


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")
