"""Tables as kubectl prints them: columns three spaces apart, no lines, nothing at the ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

GAP = "   "


def table(head: Sequence[str], rows: Sequence[Sequence[str | Text]], width: int | None = None) -> list[Text]:
    """One line per row, the head first; cells may be styled. What is longer than `width` ends with an ellipsis."""
    cells = [[Text(word) for word in head], *([one_line(cell) for cell in row] for row in rows)]
    widths = [max(row[column].cell_len for row in cells) for column in range(len(head))]
    lines = [_line(row, widths) for row in cells]
    for line in lines:
        if width is not None:
            line.truncate(width, overflow="ellipsis")
    return lines


def hanging(line: Text, width: int, *, indent: int) -> list[Text]:
    """The line, broken at spaces where it is longer than `width`; what follows the first part is indented."""
    parts, line = [], one_line(line)
    while line.cell_len > width and (cut := line.plain.rfind(" ", indent + 1, width + 1)) > 0:
        parts.append(line[:cut])
        line = Text.assemble(" " * indent, line[cut + 1 :])
    return [*parts, line]


def one_line(line: str | Text) -> Text:
    """The same without line ends: what objects say would forge lines with them."""
    text = line if isinstance(line, Text) else Text(line)
    if not text.plain.isprintable():
        text.plain = " ".join(text.plain.splitlines())
    return text


def _line(row: Sequence[Text], widths: Sequence[int]) -> Text:
    line = Text(no_wrap=True)
    for number, (cell, width) in enumerate(zip(row, widths, strict=True)):
        line.append_text(cell)
        if number + 1 < len(row):
            line.append(" " * (width - cell.cell_len) + GAP)
    line.rstrip()
    return line
