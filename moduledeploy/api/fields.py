"""Read one JSON object field by field; whatever is wrong is said with its path, its value and what is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import attrs

T = TypeVar("T")
INT32_MAX: Final = 2**31 - 1


class DecodeError(ValueError):
    """A field that can't be right. `path` names it as kubectl explain does."""

    def __init__(self, path: str, value: object, allowed: str) -> None:
        shown = repr(value)
        super().__init__(f"{path}: {shown if len(shown) <= 80 else shown[:77] + '...'} is not {allowed}")
        self.path = path


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


@attrs.frozen
class Fields:
    """One JSON object under a path."""

    path: str
    values: Mapping[str, Any]

    @classmethod
    def of(cls, path: str, value: object) -> Fields:
        """The object at the path; an absent one has no fields."""
        if value is None:
            return cls(path, {})
        if not isinstance(value, Mapping):
            raise DecodeError(path, value, "an object")
        return cls(path, value)

    def child(self, name: str) -> Fields:
        """The object in a field."""
        return Fields.of(self.at(name), self.values.get(name))

    def at(self, name: str) -> str:
        """The path of a field."""
        return f"{self.path}.{name}"

    def fail(self, name: str, allowed: str) -> DecodeError:
        """The error for a field that is not what is allowed."""
        return DecodeError(self.at(name), self.values.get(name), allowed)

    def text(self, name: str, default: str | None = "") -> str:
        """A string; without a default it is required and not empty."""
        value = self.values.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or (default is None and not value):
            raise self.fail(name, "a string" if default is not None else "a string that isn't empty")
        return value

    def flag(self, name: str, default: bool | None = False) -> bool | None:
        """true or false; the default where the field is absent."""
        value = self.values.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.fail(name, "true or false")
        return value

    def integer(self, name: str, *, default: int, least: int = 0, most: int = INT32_MAX) -> int:
        """A whole number within bounds."""
        return default if (number := self.optional_integer(name, least=least, most=most)) is None else number

    def optional_integer(self, name: str, *, least: int = 0, most: int = INT32_MAX) -> int | None:
        """A whole number within bounds, None where the field is absent."""
        value = self.values.get(name)
        if value is None:
            return None
        if not _is_integer(value) or not least <= value <= most:
            bound = f"of at least {least}" if most == INT32_MAX else f"from {least} to {most}"
            raise self.fail(name, f"a whole number {bound}")
        return int(value)

    def choice(self, name: str, words: Mapping[str, T], default: T) -> T:
        """One of the words, as what it stands for."""
        value = self.values.get(name)
        if value is None or value == "":
            return default
        if not isinstance(value, str) or value not in words:
            raise self.fail(name, "one of " + ", ".join(words))
        return words[value]

    def texts(self, name: str) -> dict[str, str]:
        """A map of strings."""
        child = self.child(name)
        for key in child.values:
            child.text(key)
        return dict(child.values)
