"""Tables as kubectl prints them: columns three spaces apart, no lines, nothing at the ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

Cells = list[list[Text]]
GAP: Final = "   "
SHORTEST: Final = 12  # cells to which a first column is cut, beyond which the ends of lines go


@attrs.frozen(kw_only=True)
class Fit:
    """How a table fits into `width` cells: columns go in the order of `drop` until it does.

    The last column counts as `least` cells wide at most, for its ends may go before other columns do. What is still too long
    loses the middles of the first column's cells, then the ends of lines; but nothing of that where lines may wrap.
    """

    width: int
    drop: tuple[str, ...] = ()
    least: int | None = None
    wraps: bool = False


def table(head: Sequence[str], rows: Sequence[Sequence[str | Text]], fit: Fit | None = None) -> list[Text]:
    """One line per row, the head first; cells may be styled."""
    cells = [[Text(word) for word in head], *([one_line(cell) for cell in row] for row in rows)]
    if fit is not None:
        cells = _fitting(cells, fit)
    widths = _widths(cells)
    lines = [_line(row, widths) for row in cells]
    for line in lines:
        if fit is not None and not fit.wraps:
            line.truncate(fit.width, overflow="ellipsis")
    return lines


def _widths(cells: Cells) -> list[int]:
    return [max(cell.cell_len for cell in column) for column in zip(*cells, strict=True)]


def _fitting(cells: Cells, fit: Fit) -> Cells:
    elastic = cells[0][-1].plain
    for name in fit.drop:
        if _excess(cells, fit, elastic) <= 0:
            return cells
        at = [cell.plain for cell in cells[0]].index(name)
        cells = [row[:at] + row[at + 1 :] for row in cells]
    if not fit.wraps and (excess := _excess(cells, fit, elastic)) > 0:
        room = max(SHORTEST, _widths(cells)[0] - excess)
        cells = [[_without_middle(row[0], room), *row[1:]] for row in cells]
    return cells


def _excess(cells: Cells, fit: Fit, elastic: str) -> int:
    """How many cells too wide it is."""
    *widths, last = _widths(cells)
    if fit.least is not None and cells[0][-1].plain == elastic:
        last = min(last, fit.least)
    return sum(widths) + len(widths) * len(GAP) + last - fit.width


def _without_middle(cell: Text, room: int) -> Text:
    """The cell in at most `room` cells: the ends of names tell them apart."""
    if cell.cell_len <= room:
        return cell
    front, back = cell.copy(), cell.copy()
    front.truncate(room - room // 3, overflow="ellipsis")
    while back.cell_len > room // 3:
        back = back[1:]
    return front + back


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
