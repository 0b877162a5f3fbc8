"""Draws curves as SVG, both axes logarithmic: one picture for each name that rows have points for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from benchmarks.rows import Point, Row

WIDTH, HEIGHT = 760, 400
LEFT, TOP, RIGHT, BOTTOM = 70, 44, 250, 52  # the legend is at the right
COLORS: Final = (
    "#3274d9",
    "#e0752d",
    "#56a64b",
    "#8f3bb8",
    "#c4162a",
    "#0f9d9d",
    "#8a6d00",
    "#777777",
    "#e377c2",
    "#2b2b2b",
)


@attrs.frozen
class Picture:
    """What is written on a picture."""

    name: str
    title: str
    x: str
    y: str


PICTURES: Final = (
    Picture("placement-bases", "One placement, by the number of bases", "bases", "µs of CPU"),
    Picture(
        "placement-deployments", "One placement, by ModuleDeployments on one pool", "ModuleDeployments", "µs of CPU"
    ),
    Picture("first-sync", "First read of all pods, by their number", "pods", "seconds"),
    Picture(
        "reconcile", "The controllers' own work for one module, by the size of the rollout", "replicas", "µs of CPU"
    ),
    Picture("rollout", "A rollout from end to end, by its size", "modules", "ms a module"),
)


@attrs.frozen
class _Axis:
    """A logarithmic axis from one number to another, drawn from pixel to pixel."""

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def around(cls, values: list[float], start: float, end: float) -> _Axis:
        low, high = min(values) / 1.15, max(values) * 1.15
        if high / low < 10:  # less than a decade would have no mark
            low, high = 10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high))
        return cls(low, high, start, end)

    def at(self, value: float) -> float:
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def marks(self) -> list[float]:
        """Powers of ten, and 2 and 5 between them where there are few."""
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        steps = (1, 2, 5) if len(decades) <= 4 else (1,)
        return [
            step * 10.0**power for power in decades for step in steps if self.low <= step * 10.0**power <= self.high
        ]


def draw(rows: Sequence[Row], folder: Path) -> None:
    """Write NAME.svg for every picture that has points."""
    points = [point for row in rows for point in row.points]
    assert {point.picture for point in points} <= {picture.name for picture in PICTURES}
    for picture in PICTURES:
        if own := [point for point in points if point.picture == picture.name]:
            (folder / f"{picture.name}.svg").write_text(_svg(picture, own), encoding="utf-8")


def _svg(picture: Picture, points: list[Point]) -> str:
    across = _Axis.around([point.x for point in points], LEFT, WIDTH - RIGHT)
    up = _Axis.around([point.y for point in points], HEIGHT - BOTTOM, TOP)
    curves: dict[str, list[Point]] = {}
    for point in points:
        curves.setdefault(point.curve, []).append(point)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text(LEFT, 24, picture.title, 'font-size="15" font-weight="bold"'),
        *_frame(picture, across, up),
    ]
    for number, (name, own) in enumerate(curves.items()):
        color = COLORS[number % len(COLORS)]
        parts += _curve(sorted(own, key=lambda point: point.x), color, across.at, up.at)
        y = TOP + 10 + 20 * number
        parts.append(f'<rect x="{WIDTH - RIGHT + 16}" y="{y - 9}" width="12" height="10" fill="{color}"/>')
        parts.append(_text(WIDTH - RIGHT + 34, y, name))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _frame(picture: Picture, across: _Axis, up: _Axis) -> list[str]:
    parts = []
    for mark in across.marks():
        x = across.at(mark)
        parts.append(f'<line x1="{x}" y1="{TOP}" x2="{x}" y2="{HEIGHT - BOTTOM}" stroke="#e4e4e4"/>')
        parts.append(_text(x, HEIGHT - BOTTOM + 18, f"{mark:,.10g}", 'text-anchor="middle"'))
    for mark in up.marks():
        y = up.at(mark)
        parts.append(f'<line x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}" stroke="#e4e4e4"/>')
        parts.append(_text(LEFT - 8, y + 4, f"{mark:,.10g}", 'text-anchor="end"'))
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, picture.x, 'text-anchor="middle"'))
    parts.append(_text(18, middle, picture.y, f'text-anchor="middle" transform="rotate(-90 18 {middle})"'))
    return parts


def _curve(points: list[Point], color: str, x: Callable[[float], float], y: Callable[[float], float]) -> list[str]:
    places = [(x(point.x), y(point.y)) for point in points]
    line = " ".join(f"{left},{top}" for left, top in places)
    dots = [f'<circle cx="{left}" cy="{top}" r="3" fill="{color}"/>' for left, top in places]
    return [f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2"/>', *dots]


def _text(x: float, y: float, words: str, attributes: str = "") -> str:
    return f'<text x="{x}" y="{y}" fill="#333333" {attributes}>{escape(words)}</text>'
