"""json and yaml for programs: camelCase names, a kind and a version on top; documented in docs/cli.md."""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

import attrs
import msgspec
import yaml

from moduledeploy.api.times import encode_time
from moduledeploy.cli.pictures.words import steady

SCHEMA: Final = "cli.koupleless.alipay.com/v1"
_AGES: Final = frozenset({"ageSeconds", "untilSeconds"})


def document(kind: str, value: object) -> dict[str, Any]:
    """The value under its kind."""
    return {"apiVersion": SCHEMA, "kind": kind, **plain(value)}


def documents(kind: str, values: list[Any]) -> dict[str, Any]:
    """A list of values."""
    return {"apiVersion": SCHEMA, "kind": f"{kind}List", "items": [plain(value) for value in values]}


def plain(value: Any) -> Any:  # noqa: ANN401  # any value of ours
    """Values made of attrs classes as what JSON has; what is unknown is absent."""
    if isinstance(value, Enum):
        return value.value
    if attrs.has(type(value)):
        return {
            camel(field.name): encode_time(item) if _is_instant(field.name) else plain(item)
            for field in attrs.fields(type(value))
            if (item := getattr(value, field.name)) is not None
        }
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return round(value, 3) if isinstance(value, float) else value


def _is_instant(name: str) -> bool:
    return name == "at" or name.endswith("_at")


def camel(name: str) -> str:
    """lower_case to lowerCase; a trailing _s, seconds, is spelled out."""
    words = name.removesuffix("_s").split("_") + (["seconds"] if name.endswith("_s") else [])
    return words[0] + "".join(word.capitalize() for word in words[1:])


def text(body: dict[str, Any], form: str, *, is_one_of_many: bool = False) -> str:
    """The document as json or yaml, without a line end; what a terminal would obey is escaped, and reads as the same.

    One of many, as a watch prints them, is a line of its own in json, and begins with `---` in yaml.
    """
    if form == "json":
        encoded = msgspec.json.encode(body)
        made = (encoded if is_one_of_many else msgspec.json.format(encoded, indent=2)).decode()
        return "".join(map(_seen, made)) if not made.replace("\n", "").isprintable() else made
    made = yaml.safe_dump(body, sort_keys=False, allow_unicode=_is_seen(body), width=120).rstrip("\n")
    return f"---\n{made}" if is_one_of_many else made


def ageless(value: Any) -> Any:  # noqa: ANN401  # a document or a part of it
    """The same without what time alone changes."""
    if isinstance(value, dict):
        return {key: ageless(item) for key, item in value.items() if key not in _AGES}
    if isinstance(value, list):
        return [ageless(item) for item in value]
    return steady(value) if isinstance(value, str) else value


def _seen(character: str) -> str:
    """The character, or its JSON escape."""
    if character == "\n" or character.isprintable():
        return character
    units = character.encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def _is_seen(value: object) -> bool:
    if isinstance(value, dict):
        return all(_is_seen(item) for pair in value.items() for item in pair)
    if isinstance(value, list):
        return all(_is_seen(item) for item in value)
    return not isinstance(value, str) or value.isprintable()
