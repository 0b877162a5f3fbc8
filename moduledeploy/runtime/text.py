"""Texts from outside made harmless before they reach status, events, logs or a terminal.

Bases, API servers and whoever writes objects choose what such a text says; a line end in it forges a second line, an escape
moves a terminal's cursor, a right-to-left mark shows another word. Harmless is what `str.isprintable` calls printable.
"""

from __future__ import annotations

from typing import Final

AT_MOST: Final = 1024  # bytes; what an Event's note may hold
_CUT: Final = "…"
_UNSEEN: Final = "\ufffd"


def one_line(text: object, at_most: int = AT_MOST) -> str:
    """The text as one line of at most `at_most` bytes; what can't be printed becomes a space, a cut is marked by `…`."""
    whole = str(text)
    if whole.isprintable() and len(whole) * 4 <= at_most:
        return whole.strip()
    seen = whole[: 4 * at_most]
    parts = "".join(character if character.isprintable() else "\n" for character in seen).split("\n")
    line = " ".join(part for part in parts if part).strip()
    data = line.encode()
    if len(data) <= at_most and len(seen) == len(whole):
        return line
    return data[: at_most - len(_CUT.encode())].decode(errors="ignore") + _CUT


def visible(text: str) -> str:
    """The text, as long as before, with a mark in the place of what can't be printed; line ends stay."""
    if text.isprintable():
        return text
    return "".join(character if character == "\n" or character.isprintable() else _UNSEEN for character in text)
