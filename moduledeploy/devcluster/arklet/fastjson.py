"""JSON as fastjson 1.2 reads it, which is laxer than JSON, and writes it.

Comments, single quotes, bare names, superfluous and missing commas, control characters in texts, `\\x41` and Java's suffixes of
numbers are accepted; numbers keep their digits.  `NaN`, `undefined` and `{"$ref": …}` are null.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, Final

import attrs

_BLANKS: Final = re.compile(r"(?:[ \r\n\t\f\b]|//[^\n]*(?:\n|$)|/\*.*?\*/)*", re.DOTALL)
_NUMBER: Final = re.compile(r"([+-]?\d+)(\.\d*)?([eE][+-]?\d+)?([LSBFD]?)")
_NAME: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_QUOTED: Final = {quote: re.compile(rf"{quote}((?:[^{quote}\\]|\\.)*){quote}", re.DOTALL) for quote in "\"'"}
_LONGEST_INTEGER: Final = 1000
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", re.DOTALL)
_ESCAPED: Final = {
    **dict(zip("bfFnrtv", "\b\f\f\n\r\t\v", strict=True)),
    **dict(zip("01234567", map(chr, range(8)), strict=True)),
    **{char: char for char in "\"'/\\"},
}
_WORDS: Final = {
    "true": True,
    "false": False,
    "NaN": None,
    "undefined": None,
    **dict.fromkeys(("null", "Null", "NULL")),
}
_SETS: Final = frozenset({"Set", "TreeSet"})
_BITS: Final = {"S": 16, "B": 8}  # of the suffixes that cut an integer
_ALSO_ESCAPED: Final = re.compile("[\x7f-\x9f\u2028\u2029]")


class Malformed(ValueError):
    """Raised when fastjson could make nothing of a text."""


def read(text: str) -> Any:
    """The value; raises `Malformed`."""
    reader = _Reader(text.removeprefix("\ufeff"))
    try:
        value = reader.value()
    except RecursionError as error:
        raise Malformed("too deep") from error
    if reader.skip() and not reader.text.startswith("/*", reader.at):
        raise reader.malformed()
    return value


def write(value: Any) -> bytes:
    """Sorted, without blanks, in UTF-8; half a surrogate pair becomes a question mark, as in Java."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=float)
    return _ALSO_ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04X}", text).encode(errors="replace")


def as_text(value: Any) -> str:
    """A value where a text is wanted."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, Decimal) else write(value).decode()


@attrs.define
class _Reader:
    """A place in a text."""

    text: str
    at: int = 0

    def malformed(self) -> Malformed:
        return Malformed(f"syntax error at {self.at}")

    def skip(self) -> str:
        """Go on to what is no blank and no comment; that character, empty at the end."""
        found = _BLANKS.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.text[self.at : self.at + 1]

    def value(self) -> Any:
        match char := self.skip():
            case "{":
                return self._object()
            case "[":
                return self._array()
            case '"' | "'":
                return self._quoted()
        if found := _NUMBER.match(self.text, self.at):
            self.at = found.end()
            return self._number(found)
        if char == "+":
            self.at += 1
            return 0
        return self._word()

    def _number(self, found: re.Match[str]) -> int | Decimal:
        """An integer of more digits than Python turns into text is a `Decimal` as well."""
        digits, fraction, exponent, suffix = found.groups()
        try:
            number = Decimal(f"{digits}{(fraction or '').rstrip('.')}{exponent or ''}")
            if suffix in ("F", "D"):
                return Decimal(repr(float(number)))
        except ArithmeticError as error:
            raise self.malformed() from error
        if exponent or (fraction or ".") != "." or len(digits) > _LONGEST_INTEGER:
            return abs(number) if number == 0 else number
        if bits := _BITS.get(suffix):
            half = 1 << bits - 1
            return (int(number) + half) % (2 * half) - half
        return int(number)

    def _object(self) -> Any:
        out: dict[str, Any] = {}
        self.at += 1
        while (char := self._after_commas()) != "}":
            name = self._quoted() if char in "\"'" and char else self._bare_name()
            if self.skip() != ":" or name == "@type":
                raise self.malformed()
            self.at += 1
            out[name] = self.value()
            if self.skip() not in (",", "}"):
                raise self.malformed()
        self.at += 1
        return None if out.keys() == {"$ref"} else out

    def _array(self) -> list[Any]:
        out = []
        self.at += 1
        while self._after_commas() != "]":
            out.append(self.value())
        self.at += 1
        return out

    def _after_commas(self) -> str:
        while (char := self.skip()) == ",":
            self.at += 1
        return char

    def _quoted(self) -> str:
        found = _QUOTED[self.text[self.at]].match(self.text, self.at)
        if found is None:
            raise self.malformed()
        self.at = found.end()
        text = _ESCAPE.sub(self._unescaped, found[1])
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")

    def _unescaped(self, found: re.Match[str]) -> str:
        sequence = found[1]
        if len(sequence) > 1:
            return chr(int(sequence[1:], 16))
        if sequence not in _ESCAPED:
            raise self.malformed()
        return _ESCAPED[sequence]

    def _bare_name(self) -> str:
        if (found := _NAME.match(self.text, self.at)) is None:
            raise self.malformed()
        self.at = found.end()
        return found[0]

    def _word(self) -> Any:
        name = self._bare_name()
        if name in _SETS and self.skip() == "[":
            return self._array()
        if name not in _WORDS:
            raise self.malformed()
        return _WORDS[name]
