"""JSON as fastjson 1.2 reads it, which is laxer than JSON, and writes it.

Comments, single quotes, bare names, superfluous commas, control characters in texts and `\\x41` are accepted; numbers keep
their digits.  `NaN`, `undefined` and `{"$ref": …}` are null.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, Final

import attrs

_BLANKS: Final = re.compile(r"(?:[\s\x00\ufeff]|//[^\n]*(?:\n|$)|/\*.*?\*/)*", re.DOTALL)
_NUMBER: Final = re.compile(r"[+-]?(\d+)(\.\d+)?([eE][+-]?\d+)?")
_NAME: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_QUOTED: Final = {quote: re.compile(rf"{quote}((?:[^{quote}\\]|\\.)*){quote}", re.DOTALL) for quote in "\"'"}
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", re.DOTALL)
_ESCAPED: Final = {
    **dict(zip("bfnrtv", "\b\f\n\r\t\v", strict=True)),
    **dict(zip("01234567", map(chr, range(8)), strict=True)),
    **{char: char for char in "\"'/\\"},
}
_WORDS: Final = {"true": True, "false": False, "null": None, "NaN": None, "undefined": None}
_ALSO_ESCAPED: Final = re.compile("[\x7f-\x9f\u2028\u2029]")


class Malformed(ValueError):
    """Raised when fastjson could make nothing of a text."""


def read(text: str) -> Any:
    """The value; raises `Malformed`."""
    reader = _Reader(text)
    try:
        value = reader.value()
    except RecursionError as error:
        raise Malformed("too deep") from error
    reader.skip()
    if reader.at < len(text):
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
        match self.skip():
            case "{":
                return self._object()
            case "[":
                return self._array()
            case '"' | "'":
                return self._quoted()
        if found := _NUMBER.match(self.text, self.at):
            self.at = found.end()
            digits, fraction, exponent = found[0], found[2], found[3]
            return Decimal(digits) if fraction or exponent else int(digits)
        return self._word()

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
            if self.skip() not in (",", "]"):
                raise self.malformed()
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
        if name not in _WORDS:
            raise self.malformed()
        return _WORDS[name]
