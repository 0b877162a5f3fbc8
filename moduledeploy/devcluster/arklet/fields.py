"""Request bodies as fastjson 1.2 reads them, which is laxer than JSON.

Comments and single quotes are accepted, names match without regard to case, `_` and `-`, numbers and texts are turned into
each other.  A body that is empty or `null` has no fields at all.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import attrs

from moduledeploy.devcluster.arklet.faults import CommandFault, null_pointer

if TYPE_CHECKING:
    from collections.abc import Mapping

_LAX: Final = re.compile(r"""("(?:[^"\\]|\\.)*")|'((?:[^'\\]|\\.)*)'|(//[^\n]*|/\*.*?\*/)""", re.DOTALL)


class Unreadable(Exception):
    """Raised when a body is no JSON object: a real Arklet never answers it."""


def read_body(data: bytes) -> Fields | None:
    """The fields of a request, None where the body has none at all; raises `Unreadable`."""
    text = data.decode(errors="replace").strip()
    if text in {"", "null"}:
        return None
    try:
        value = json.loads(text)
    except ValueError:
        value = _read_lax(text)
    if not isinstance(value, dict):
        raise Unreadable("the body is no JSON object")
    return Fields({_plain(name): item for name, item in value.items()})


@attrs.frozen
class Fields:
    """The fields of one request by their plain names."""

    _values: Mapping[str, Any]

    def text(self, name: str) -> str:
        """A text field; "" where it is missing, null or blank."""
        value = self._values.get(_plain(name))
        if value is None:
            return ""
        text = value if isinstance(value, str) else json.dumps(value)
        return text if text.strip() else ""

    def flag(self, name: str) -> bool:
        """A boolean field, false where it is missing; raises `CommandFault` for what can't be one."""
        value = self._values.get(_plain(name))
        if isinstance(value, list | dict):
            raise null_pointer()
        word = str(value).lower()
        if word not in {"true", "1", "false", "0", "none", "", "null"}:
            raise CommandFault(f"com.alibaba.fastjson.JSONException: can not cast to boolean, value : {value}")
        return word in {"true", "1"}

    def texts(self, name: str) -> list[str]:
        """A list of texts, empty where it is missing; raises `CommandFault` for another type."""
        return [str(item) for item in self._list(name)]

    def mapping(self, name: str) -> dict[str, str]:
        """A map of texts, empty where it is missing; raises `CommandFault` for another type."""
        value = self._values.get(_plain(name), {})
        if not isinstance(value, dict):
            raise null_pointer()
        return {key: str(item) for key, item in value.items()}

    def items(self, name: str) -> list[Fields]:
        """A list of objects, empty where it is missing; raises `CommandFault` for another type."""
        items = self._list(name)
        if not all(isinstance(item, dict) for item in items):
            raise null_pointer()
        return [Fields({_plain(key): value for key, value in item.items()}) for item in items]

    def _list(self, name: str) -> list[Any]:
        value = self._values.get(_plain(name))
        if not isinstance(value, list | None):
            raise null_pointer()
        return value or []


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _read_lax(text: str) -> object:
    def strict(found: re.Match[str]) -> str:
        if found[1] is not None:
            return found[1]
        if found[3] is not None:
            return " "
        return json.dumps(found[2].replace("\\'", "'"))

    try:
        return json.loads(_LAX.sub(strict, text))
    except ValueError as error:
        raise Unreadable(str(error)) from error
