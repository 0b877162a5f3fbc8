"""Draws the boards from their JSON with a Prometheus' data; no Grafana is needed, but matplotlib is.

python docs/operations_boards.py http://127.0.0.1:9090 600   # docs/operations-*.png, of the last 600 seconds

A third argument ends the span as many seconds ago.
"""

from __future__ import annotations

import json
import math
import re
import sys
import time
import urllib.parse
import urllib.request
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import matplotlib as mpl

mpl.use("Agg")
from matplotlib import dates, ticker
from matplotlib import pyplot as plt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HERE: Final = Path(__file__).parent
BOARDS: Final = HERE.parent / "manifests" / "monitoring" / "dashboards"
VARIABLES: Final = {"$__rate_interval": "20s", "$namespace": ".*", "$moduledeployment": ".*", "$job": ".*"}
POINTS: Final = 300
CELL: Final = (0.7, 0.4)  # inches of a column and a row of the grid
HEAD: Final = 1.4  # rows for the board's title
GAP: Final = 0.05  # inches between a card's ground and the edge of its place
DPI: Final = 75
COLORS: Final = (
    "#3274d9",
    "#56a64b",
    "#e0b400",
    "#e02f44",
    "#8f3bb8",
    "#ff780a",
    "#37872d",
    "#5794f2",
    "#b877d9",
    "#c4162a",
)
NAMED: Final = {
    "text": "#c7d0d9", "blue": "#3274d9", "yellow": "#e0b400", "light-blue": "#8ab8ff", "orange": "#ff780a",
    "green": "#56a64b", "red": "#e02f44", "dark-red": "#8b1a26", "purple": "#8f3bb8",
}  # fmt: skip


@attrs.frozen
class Line:
    """One series: what the legend says of it, times in seconds since the epoch, values."""

    name: str
    labels: dict[str, str]
    times: list[float]
    values: list[float]


@attrs.frozen
class Source:
    """A Prometheus and the span of time to be shown."""

    url: str
    begin: float
    end: float

    def lines(self, target: dict[str, Any]) -> list[Line]:
        """The series of one query over the span, or at its end for an instant one."""
        expression = target["expr"]
        for variable, value in VARIABLES.items():
            expression = expression.replace(variable, value)
        span = {"query": expression, "start": self.begin, "end": self.end, "step": (self.end - self.begin) / POINTS}
        at_once = {"query": expression, "time": self.end}
        path, parameters = ("query", at_once) if target.get("instant") else ("query_range", span)
        address = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310  # the address that was given
            found = json.load(answer)["data"]["result"]
        return [_line(one, target["legendFormat"]) for one in found]


def _line(found: dict[str, Any], legend: str) -> Line:
    samples = found.get("values") or [found["value"]]
    labels = found["metric"]
    name = re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match[1], ""), legend)
    return Line(name, labels, [float(at) for at, _ in samples], [float(value) for _, value in samples])


def readable(value: float, unit: str) -> str:
    """A number for people."""
    if math.isnan(value):
        return "–"
    match unit:
        case "s":
            size, word = (0.001, "ms") if value < 1 else (1, "s") if value < 120 else (60, "min")
            return f"{value / size:.3g} {word}"
        case "bytes":
            power = min(int(math.log2(value) / 10), 3) if value >= 1 else 0
            return f"{value / 1024**power:.3g} {('B', 'KiB', 'MiB', 'GiB')[power]}"
        case "percentunit":
            return f"{value:.0%}"
        case "reqps" | "ops":
            return f"{value:.3g}/s"
        case _:
            return f"{value:.3g}"


def draw(name: str, source: Source) -> Path:
    """One board as a picture, every panel on a card at its place."""
    board = json.loads((BOARDS / f"{name}.json").read_text())
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"])
    width, height = 24 * CELL[0], (rows + HEAD) * CELL[1]
    figure = plt.figure(figsize=(width, height), facecolor="#eceef0")
    title = f"{board['title']}   (drawn from the board's JSON)"
    figure.text(0.01, 1 - 0.5 * HEAD * CELL[1] / height, title, fontsize=15, weight="bold", va="center")
    for panel in board["panels"]:
        at = panel["gridPos"]
        corner = at["x"] * CELL[0] / width, 1 - (at["y"] + at["h"] + HEAD) * CELL[1] / height
        card = Card(figure, corner, at["w"] * CELL[0], at["h"] * CELL[1])
        card.lay(panel["title"])
        PAINTERS[panel["type"]](card, panel, source)
    path = HERE / f"operations-{name}.png"
    figure.savefig(path, dpi=DPI)
    plt.close(figure)
    return path


@attrs.frozen
class Card:
    """A panel's place: its lower left corner in the figure, its size in inches."""

    figure: Figure
    corner: tuple[float, float]
    width: float
    height: float

    def lay(self, title: str) -> None:
        """The white ground, and the title on it."""
        ground = self.axes(left=GAP, right=GAP, top=GAP, below=GAP)
        ground.set(xticks=[], yticks=[])
        for spine in ground.spines.values():
            spine.set_color("#d8d9da")
        at = 0.12 / (self.width - 2 * GAP), 1 - 0.17 / (self.height - 2 * GAP)
        ground.text(*at, title, transform=ground.transAxes, fontsize=10.5, weight="bold", va="center")

    def axes(self, *, left: float = 0.75, right: float = 0.25, top: float = 0.42, below: float = 0.4) -> Axes:
        """Axes that keep so many inches off the card's edges."""
        whole = self.figure.get_size_inches()
        box = (
            self.corner[0] + left / whole[0],
            self.corner[1] + below / whole[1],
            (self.width - left - right) / whole[0],
            (self.height - top - below) / whole[1],
        )
        return self.figure.add_axes(box)

    def keyed(self, names: list[str]) -> tuple[Axes, dict[str, Any]]:
        """Axes with room for a legend of these names below them, and how that legend is to be drawn."""
        columns = max(1, int((self.width - 0.3) / (0.6 + 0.072 * max([len(name) for name in names], default=1))))
        rows = math.ceil(len(names) / columns)
        axes = self.axes(below=0.45 + 0.17 * rows)
        inches = self.height - 0.42 - 0.45 - 0.17 * rows
        style = {"loc": "upper left", "bbox_to_anchor": (-0.02, -0.26 / inches), "borderaxespad": 0.0, "frameon": False}
        spacing = {"columnspacing": 1.2, "handlelength": 1.2, "labelspacing": 0.25}
        return axes, {"ncol": columns, "fontsize": 8, **style, **spacing}


def _all(panel: dict[str, Any], source: Source) -> list[Line]:
    return [line for target in panel["targets"] for line in source.lines(target)]


def _unit(panel: dict[str, Any]) -> str:
    return str(panel["fieldConfig"]["defaults"].get("unit", "short"))


def _clock(axes: Axes, source: Source) -> None:
    axes.set_xlim(_moment(source.begin), _moment(source.end))
    minutes = next((step for step in (1, 2, 5, 10, 15, 30) if (source.end - source.begin) / 60 / step < 6), 60)
    axes.xaxis.set_major_locator(dates.MinuteLocator(range(0, 60, minutes)))
    axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M"))
    axes.tick_params(labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _time_series(card: Card, panel: dict[str, Any], source: Source) -> None:
    lines, unit = sorted(_all(panel, source), key=lambda line: line.name), _unit(panel)
    names, colors = [line.name for line in lines], [COLORS[at % len(COLORS)] for at in range(len(lines))]
    axes, key = card.keyed(names)
    if panel["fieldConfig"]["defaults"].get("custom", {}).get("stacking", {}).get("mode") == "normal" and lines:
        times = sorted({at for line in lines for at in line.times})
        known = [dict(zip(line.times, line.values, strict=True)) for line in lines]
        heights = [
            [0.0 if math.isnan(values.get(at, 0.0)) else values.get(at, 0.0) for at in times] for values in known
        ]
        axes.stackplot([_moment(at) for at in times], heights, labels=names, colors=colors, alpha=0.75)
    else:
        for line, color in zip(lines, colors, strict=True):
            times, values = _broken(line, 3 * (source.end - source.begin) / POINTS)
            axes.plot(times, values, label=line.name, lw=1.4, color=color)
    highest = max((value for line in lines for value in line.values if not math.isnan(value)), default=0)
    axes.set_ylim(0, axes.get_ylim()[1] * 1.05 if highest else 1)
    steps = ticker.MaxNLocator(5, steps=[1, 2, 2.5, 5, 10])
    axes.yaxis.set_major_locator(ticker.MultipleLocator(_binary_step(highest)) if unit == "bytes" else steps)
    axes.yaxis.set_major_formatter(lambda value, _: readable(value, unit))
    axes.grid(alpha=0.3)
    _clock(axes, source)
    axes.legend(**key)


def _broken(line: Line, gap: float) -> tuple[list[datetime], list[float]]:
    """The line with a hole where nothing was told for longer than the gap."""
    times, values = [_moment(line.times[0])], [line.values[0]]
    for (before, at), value in zip(pairwise(line.times), line.values[1:], strict=True):
        if at - before > gap:
            times.append(_moment(before))
            values.append(math.nan)
        times.append(_moment(at))
        values.append(value)
    return times, values


def _binary_step(highest: float) -> float:
    return 2.0 ** math.ceil(math.log2(max(highest, 4) / 4))


def _stat(card: Card, panel: dict[str, Any], source: Source) -> None:
    lines = _all(panel, source)
    value = lines[0].values[-1] if lines else 0.0
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    color = [step["color"] for step in steps if step["value"] is None or value >= step["value"]][-1]
    axes = card.axes(left=0.2, right=0.2, below=0.1)
    axes.axis("off")
    shown = "#52545c" if color == "text" else NAMED[color]
    style = {"fontsize": 26, "weight": "bold", "ha": "center", "va": "center"}
    axes.text(0.5, 0.5, readable(value, _unit(panel)), color=shown, **style)


def _table(card: Card, panel: dict[str, Any], source: Source) -> None:
    axes = card.axes(left=0.2, right=0.2, below=0.1)
    axes.axis("off")
    columns = [target["legendFormat"] for target in panel["targets"]]
    words = _phase_words(panel["fieldConfig"]["overrides"][0]["properties"][0]["value"])
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for column, target in zip(columns, panel["targets"], strict=True):
        for line in source.lines(target):
            row = rows.setdefault((line.labels["namespace"], line.labels["moduledeployment"]), {})
            value = line.values[-1]
            if column == "Info":
                row |= {"Module": line.labels["module"], "Version": line.labels["version"]}
            elif column == "Phase":
                row[column] = words[int(value)][0]
            else:
                row[column] = readable(value, "s" if column == "Phase for" else "short")
    head = ["Namespace", "ModuleDeployment", "Module", "Version", *columns[1:]]
    cells = [[*key, *(row.get(column, "") for column in head[2:])] for key, row in sorted(rows.items())]
    _grid(axes, head, cells or [[""] * len(head)], dict(words.values()))


def _grid(axes: Axes, head: list[str], cells: list[list[str]], colors: dict[str, str]) -> None:
    widest = [max(len(text) for text in column) + 3 for column in zip(head, *cells, strict=True)]
    shares = [width / sum(widest) for width in widest]
    table = axes.table(cellText=cells, colLabels=head, colWidths=shares, loc="upper center", cellLoc="left")
    table.auto_set_font_size(False)
    table.set_fontsize(9.5)
    table.scale(1, 1.6)
    for (at, column), cell in table.get_celld().items():
        cell.set_edgecolor("#d8d9da")
        if not at:
            cell.set_text_props(weight="bold", ha="left")
        elif head[column] == "Phase":
            cell.set_text_props(color=NAMED.get(colors.get(cells[at - 1][column], ""), "black"), weight="bold")


def _phase_words(mappings: list[dict[str, Any]]) -> dict[int, tuple[str, str]]:
    options = mappings[0]["options"]
    return {int(number): (shown["text"], shown["color"]) for number, shown in options.items()}


def _state_timeline(card: Card, panel: dict[str, Any], source: Source) -> None:
    lines = sorted(_all(panel, source), key=lambda line: line.name, reverse=True)
    words = _phase_words(panel["fieldConfig"]["defaults"]["mappings"])
    seen = sorted({int(value) for line in lines for value in line.values})
    axes, key = card.keyed([words[number][0] for number in seen])
    step = (source.end - source.begin) / POINTS / 86400
    for at, line in enumerate(lines):
        for moment, value in zip(line.times, line.values, strict=True):
            color = NAMED[words[int(value)][1]]
            axes.barh(at, step, left=dates.date2num(_moment(moment)), height=0.7, color=color, lw=0)
    axes.set_yticks(range(len(lines)), [line.name.partition("/")[2] for line in lines])
    axes.xaxis_date()
    _clock(axes, source)
    axes.set_ylim(-0.6, len(lines) - 0.4)
    axes.legend([plt.Rectangle((0, 0), 1, 1, color=NAMED[words[number][1]]) for number in seen],
                [words[number][0] for number in seen], **key)  # fmt: skip


def _bar_gauge(card: Card, panel: dict[str, Any], source: Source) -> None:
    lines = sorted(_all(panel, source), key=lambda line: line.name, reverse=True)
    axes = card.axes(right=0.7, below=0.2)
    for at, line in enumerate(lines):
        axes.barh(at, 1, color="#e8e9ea", height=0.6)
        axes.barh(at, line.values[-1], color=COLORS[1], height=0.6)
        axes.text(1.02, at, readable(line.values[-1], _unit(panel)), va="center", fontsize=9)
    axes.set_xlim(0, 1)
    axes.set_yticks(range(len(lines)), [line.name.partition("/")[2] for line in lines], fontsize=8)
    axes.set_xticks([])
    axes.set_frame_on(False)


def _heatmap(card: Card, panel: dict[str, Any], source: Source) -> None:
    lines = sorted(_all(panel, source), key=lambda line: float(line.labels["le"]))
    axes = card.axes()
    if not lines:
        return
    times = lines[-1].times
    known = [dict(zip(line.times, line.values, strict=True)) for line in lines]
    totals = [[values.get(at, 0.0) for at in times] for values in known]
    counts = [
        totals[0],
        *([b - a for a, b in zip(low, high, strict=True)] for low, high in pairwise(totals)),
    ]
    first, last = dates.date2num(_moment(times[0])), dates.date2num(_moment(times[-1]))
    axes.imshow(counts, aspect="auto", origin="lower", extent=(first, last, -0.5, len(lines) - 0.5), cmap="Blues")
    names = ["more" if line.labels["le"] == "+Inf" else readable(float(line.labels["le"]), "s") for line in lines]
    axes.set_yticks(range(len(lines)), names)
    axes.xaxis_date()
    _clock(axes, source)


PAINTERS: Final = {
    "timeseries": _time_series,
    "stat": _stat,
    "table": _table,
    "state-timeline": _state_timeline,
    "bargauge": _bar_gauge,
    "heatmap": _heatmap,
}


if __name__ == "__main__":
    address, seconds = sys.argv[1], float(sys.argv[2])
    now = time.time() - (float(sys.argv[3]) if len(sys.argv) > 3 else 0)
    for name in ("rollouts", "controller"):
        draw(name, Source(address, now - seconds, now))
