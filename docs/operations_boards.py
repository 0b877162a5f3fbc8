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
from matplotlib import dates
from matplotlib import pyplot as plt

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HERE: Final = Path(__file__).parent
BOARDS: Final = HERE.parent / "manifests" / "monitoring" / "dashboards"
VARIABLES: Final = {"$__rate_interval": "20s", "$namespace": ".*", "$moduledeployment": ".*", "$job": ".*"}
POINTS: Final = 300
CELL: Final = (0.8, 0.42)  # inches of a column and a row of the grid
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
    if unit == "s":
        return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.3g} s" if value < 120 else f"{value / 60:.0f} min"
    if unit == "bytes":
        return f"{value / 2**20:.1f} MiB" if value < 2**24 else f"{value / 2**20:.0f} MiB"
    return f"{value:.0%}" if unit == "percentunit" else f"{value:.3g}"


def draw(name: str, source: Source) -> Path:
    """One board as a picture, every panel at its place."""
    board = json.loads((BOARDS / f"{name}.json").read_text())
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"])
    width, height = 24 * CELL[0], (rows + 2) * CELL[1]
    figure = plt.figure(figsize=(width, height), facecolor="#f4f5f5")
    title = f"{board['title']}   (drawn from the board's JSON)"
    figure.text(0.01, 1 - 0.5 * CELL[1] / height, title, fontsize=15, weight="bold", va="top")
    for panel in board["panels"]:
        at = panel["gridPos"]
        left, below = at["x"] / 24 + 0.035, 1 - (at["y"] + at["h"] + 1) / (rows + 2)
        box = (left, below, at["w"] / 24 - 0.05, (at["h"] - 2.2) / (rows + 2))
        axes = figure.add_axes(box)
        axes.set_title(panel["title"], loc="left", fontsize=10, weight="bold")
        PAINTERS[panel["type"]](axes, panel, source)
    path = HERE / f"operations-{name}.png"
    figure.savefig(path, dpi=60)
    plt.close(figure)
    return path


def _all(panel: dict[str, Any], source: Source) -> list[Line]:
    return [line for target in panel["targets"] for line in source.lines(target)]


def _unit(panel: dict[str, Any]) -> str:
    return str(panel["fieldConfig"]["defaults"].get("unit", "short"))


def _clock(axes: Axes, source: Source) -> None:
    axes.set_xlim(_moment(source.begin), _moment(source.end))
    axes.set_xticks([_moment(source.begin + (source.end - source.begin) * part / 5) for part in range(6)])
    axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M"))
    axes.tick_params(labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _time_series(axes: Axes, panel: dict[str, Any], source: Source) -> None:
    lines, unit = _all(panel, source), _unit(panel)
    stacking = panel["fieldConfig"]["defaults"].get("custom", {}).get("stacking", {}).get("mode") == "normal"
    if stacking and lines:
        times = sorted({at for line in lines for at in line.times})
        known = [dict(zip(line.times, line.values, strict=True)) for line in lines]
        heights = [
            [0.0 if math.isnan(values.get(at, 0.0)) else values.get(at, 0.0) for at in times] for values in known
        ]
        names = [line.name for line in lines]
        colors = [COLORS[at % len(COLORS)] for at in range(len(lines))]
        axes.stackplot([_moment(at) for at in times], heights, labels=names, colors=colors, alpha=0.75)
    else:
        for at, line in enumerate(lines):
            axes.plot(
                [_moment(at) for at in line.times], line.values, label=line.name, lw=1.3, color=COLORS[at % len(COLORS)]
            )
    axes.set_ylim(0, axes.get_ylim()[1] * 1.3)  # the legend's place
    axes.yaxis.set_major_formatter(lambda value, _: readable(value, unit))
    axes.grid(alpha=0.3)
    _clock(axes, source)
    if lines:
        handles, names = axes.get_legend_handles_labels()
        axes.legend(
            handles[:9], names[:9], fontsize=6.5, ncol=3 if len(lines) > 4 else 4, loc="upper left", framealpha=0.7
        )


def _stat(axes: Axes, panel: dict[str, Any], source: Source) -> None:
    lines = _all(panel, source)
    value = lines[0].values[-1] if lines else 0.0
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    color = [step["color"] for step in steps if step["value"] is None or value >= step["value"]][-1]
    axes.axis("off")
    shown = "#52545c" if color == "text" else NAMED[color]
    axes.text(
        0.5, 0.4, readable(value, _unit(panel)), fontsize=26, ha="center", va="center", color=shown, weight="bold"
    )


def _table(axes: Axes, panel: dict[str, Any], source: Source) -> None:
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
    table = axes.table(cellText=cells or [[""] * len(head)], colLabels=head, loc="upper center", cellLoc="left")
    table.auto_set_font_size(False)
    table.set_fontsize(9)
    table.scale(1, 1.6)
    table.auto_set_column_width(list(range(len(head))))
    colors = dict(words.values())
    for (at, column), cell in table.get_celld().items():
        cell.set_edgecolor("#d8d9da")
        if at and head[column] == "Phase":
            cell.set_text_props(color=NAMED.get(colors.get(cells[at - 1][column], ""), "black"), weight="bold")
        elif not at:
            cell.set_text_props(weight="bold")


def _phase_words(mappings: list[dict[str, Any]]) -> dict[int, tuple[str, str]]:
    options = mappings[0]["options"]
    return {int(number): (shown["text"], shown["color"]) for number, shown in options.items()}


def _state_timeline(axes: Axes, panel: dict[str, Any], source: Source) -> None:
    lines = sorted(_all(panel, source), key=lambda line: line.name, reverse=True)
    words = _phase_words(panel["fieldConfig"]["defaults"]["mappings"])
    step = (source.end - source.begin) / POINTS / 86400
    for at, line in enumerate(lines):
        for moment, value in zip(line.times, line.values, strict=True):
            color = NAMED[words[int(value)][1]]
            axes.barh(at, step, left=dates.date2num(_moment(moment)), height=0.7, color=color, lw=0)
    axes.set_yticks(range(len(lines)), [line.name.partition("/")[2] for line in lines])
    axes.xaxis_date()
    _clock(axes, source)
    seen = sorted({int(value) for line in lines for value in line.values})
    marks = [plt.Rectangle((0, 0), 1, 1, color=NAMED[words[number][1]]) for number in seen]
    axes.set_ylim(-0.6, len(lines) + 0.4)
    axes.legend(marks, [words[number][0] for number in seen], fontsize=7, ncol=7, loc="upper left", framealpha=0.7)


def _bar_gauge(axes: Axes, panel: dict[str, Any], source: Source) -> None:
    lines = sorted(_all(panel, source), key=lambda line: line.name, reverse=True)
    for at, line in enumerate(lines):
        axes.barh(at, 1, color="#e8e9ea", height=0.6)
        axes.barh(at, line.values[-1], color=COLORS[1], height=0.6)
        axes.text(1.02, at, readable(line.values[-1], _unit(panel)), va="center", fontsize=9)
    axes.set_yticks(range(len(lines)), [line.name.partition("/")[2] for line in lines], fontsize=8)
    axes.set_xticks([])
    axes.set_frame_on(False)


def _heatmap(axes: Axes, panel: dict[str, Any], source: Source) -> None:
    lines = sorted(_all(panel, source), key=lambda line: float(line.labels["le"]))
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
    axes.set_yticks(range(len(lines)), names, fontsize=7)
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
