"""What a benchmark gives: rows, and with them points of curves.

A benchmark is a module of this package that is named in `benchmarks.__main__.BENCHMARKS` and has

    def rows(size: Size) -> Iterator[Row]: ...

It runs in a process of its own, yields a row as soon as it is measured, prints nothing on stdout, and measures each reference
in the same run. `what` ends with the unit in brackets.
"""

from __future__ import annotations

import operator
from typing import Final, Literal

import attrs

Size = Literal["full", "quick"]
_HOLDS: Final = {"<=": operator.le, "<": operator.lt, ">=": operator.ge, "=": operator.eq}


@attrs.frozen(kw_only=True)
class Target:
    """What a row shall reach: its ratio, or its own number where `of` says so; `words` say what the number counts."""

    sign: Literal["<=", "<", ">=", "="]
    limit: float
    of: Literal["ratio", "ours"] = "ratio"
    words: str = ""

    def __str__(self) -> str:
        name = "ratio " if self.of == "ratio" else ""
        return f"{name}{self.sign} {self.limit:g} {self.words}".strip()


@attrs.frozen(kw_only=True)
class Point:
    """One point of a curve: the picture (a name in `benchmarks.pictures.PICTURES`), the curve in it, and where it is."""

    picture: str
    curve: str
    x: float
    y: float


@attrs.frozen(kw_only=True)
class Row:
    """One line of the table: `ratio` is ours / reference; without a reference or a target those after it are None."""

    what: str
    size: str
    ours: float
    reference: float | None = None
    ratio: float | None = None
    target: str | None = None
    met: bool | None = None
    points: tuple[Point, ...] = ()


def measured(
    *,
    what: str,
    size: str,
    ours: float,
    reference: float | None = None,
    ratio: float | None = None,
    target: Target | None = None,
    points: tuple[Point, ...] = (),
) -> Row:
    """The row of a measurement, judged; `ratio` is given where it is no quotient of the two, as a median of ratios."""
    if ratio is None and reference:
        ratio = ours / reference
    met = None
    if target is not None:
        number = ours if target.of == "ours" else ratio
        met = number is not None and bool(_HOLDS[target.sign](number, target.limit))
    shown = None if target is None else str(target)
    return Row(what=what, size=size, ours=ours, reference=reference, ratio=ratio, target=shown, met=met, points=points)
