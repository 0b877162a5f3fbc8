"""The rows for people and for programs: the table, results.json, the table in README.md."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.rows import Row

HERE: Final = Path(__file__).parent
RESULTS: Final = {"full": HERE / "results.json", "quick": HERE / "results-quick.json"}
README: Final = HERE / "README.md"
KEYS: Final = ("what", "size", "ours", "reference", "ratio", "target", "met")
BEGIN, END = "<!-- results: written by make bench -->", "<!-- end of results -->"


def machine() -> str:
    """Where this was measured."""
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def as_json(rows: Sequence[Row]) -> str:
    """A list of objects with the keys of KEYS."""
    listed: list[dict[str, object]] = [{key: _rounded(getattr(row, key)) for key in KEYS} for row in rows]
    return json.dumps(listed, indent=1)


def table(rows: Sequence[Row]) -> Table:
    """The rows for the terminal."""
    shown = Table("what", "size", "ours", "reference", "ratio", "target", "met", title=machine())
    for column in shown.columns[2:5]:
        column.justify = "right"
    for row in rows:
        shown.add_row(*map(escape, _cells(row)))
    return shown


def write_readme(rows: Sequence[Row]) -> None:
    """Put the rows between the marks in README.md."""
    text = README.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    tail = rest.partition(END)[2]
    lines = ["| what | size | ours | reference | ratio | target | met |", "|---|---|---:|---:|---:|---|---|"]
    lines += [f"| {' | '.join(_cells(row))} |" for row in rows]
    body = "\n".join(lines)
    README.write_text(f"{head}{BEGIN}\n{machine()}.\n\n{body}\n{END}{tail}", encoding="utf-8")


def _cells(row: Row) -> list[str]:
    met = "" if row.met is None else "yes" if row.met else "NO"
    return [row.what, row.size, *map(_number, (row.ours, row.reference, row.ratio)), row.target or "", met]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 or value == 0 else f"{value:.3g}"


def _rounded(value: object) -> object:
    return float(f"{value:.4g}") if isinstance(value, float) else value
