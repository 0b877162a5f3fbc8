"""Panels in the style of both boards: what a panel needs is said once, ids and places are given out in order."""

from __future__ import annotations

from typing import Any, Final

import attrs
from grafana_foundation_sdk.builders import common as options
from grafana_foundation_sdk.builders import dashboard, prometheus
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.dashboard import (
    AnnotationQuery,
    DashboardCursorSync,
    DataSourceRef,
    DynamicConfigValue,
    GridPos,
    VariableRefresh,
)

SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
COLUMNS: Final = 24


def query(expression: str, legend: str, ref: str, *, instant: bool = False, form: str = "time_series") -> Any:
    """One query, with everything that Grafana would otherwise guess."""
    made = prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(ref).datasource(SOURCE).format(form)
    return made.instant() if instant else made.range()


def panel(kind: Any, title: str, description: str, unit: str, *queries: tuple[str, str], instant: bool = False) -> Any:
    """A panel of any kind with its queries (expression, legend)."""
    made = kind.Panel().title(title).description(description).unit(unit).datasource(SOURCE)
    for number, (expression, legend) in enumerate(queries):
        made = made.with_target(query(expression, legend, "ABCDEFGHIJ"[number], instant=instant))
    return made


def legend_below() -> options.VizLegendOptions:
    """The legend that time series have."""
    shown = options.VizLegendOptions().display_mode(common.LegendDisplayMode.LIST)
    return shown.placement(common.LegendPlacement.BOTTOM).show_legend(True)


@attrs.define
class Layout:
    """Places panels from left to right and from top to bottom, without gaps and overlaps."""

    board: dashboard.Dashboard
    _x: int = 0
    _y: int = 0
    _number: int = 0

    def row(self, height: int, *placed: tuple[int, Any]) -> None:
        """One line of panels with their widths, which sum up to the columns there are."""
        assert sum(width for width, _ in placed) == COLUMNS, [width for width, _ in placed]
        for width, made in placed:
            self._number += 1
            self.board.with_panel(made.id(self._number).grid_pos(GridPos(h=height, w=width, x=self._x, y=self._y)))
            self._x += width
        self._x, self._y = 0, self._y + height


def board(uid: str, title: str, description: str) -> dashboard.Dashboard:
    """An empty board with its data source."""
    made = dashboard.Dashboard(title).uid(uid).description(description).tags(["moduledeploy"]).readonly()
    made = made.refresh("30s").time("now-6h", "now").timezone("browser").tooltip(DashboardCursorSync.CROSSHAIR)
    return made.with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))


def choice(name: str, label: str, values_of: str) -> dashboard.QueryVariable:
    """A variable with the values of a label, all of them at first."""
    made = dashboard.QueryVariable(name).label(label).query(values_of).datasource(SOURCE).multi(True).include_all(True)
    return made.all_value(".*").refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)


@attrs.frozen
class Annotation:
    """Marks on the time axis where the expression has a value."""

    name: str
    expression: str
    color: str

    def build(self) -> AnnotationQuery:
        """What the library takes in the place of a builder's product."""
        return AnnotationQuery(name=self.name, datasource=SOURCE, icon_color=self.color, expr=self.expression)


def properties(**values: Any) -> list[DynamicConfigValue]:
    """What an override of a field sets."""
    return [DynamicConfigValue(id_val=name, value=value) for name, value in values.items()]
