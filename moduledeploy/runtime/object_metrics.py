"""Gauges of what there is, made at each scrape from rows of plain values; they forget an object with its row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from moduledeploy.runtime.metrics import (
    DEPLOYMENT_GAUGES,
    DEPLOYMENT_INFO,
    DROPPED_OBJECTS_GAUGE,
    PHASE_GAUGE,
    PHASES,
    SLOTS_GAUGE,
    UNSCHEDULABLE_GAUGE,
    UNSCHEDULABLE_REASONS,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from prometheus_client.metrics_core import Metric


@attrs.frozen(kw_only=True)
class DeploymentRow:
    """One ModuleDeployment as the metrics tell it; instants are seconds since the epoch, None leaves a gauge out."""

    namespace: str
    name: str
    module: str
    version: str
    strategy: str
    scheduling: str
    phase: str
    phase_start_at: float | None
    spec_replicas: int
    max_unavailable: int
    is_paused: bool
    replicas: int
    updated: int
    ready: int
    available: int
    unavailable: int
    updated_available: int
    batches: int
    batches_completed: int
    batch_current: int
    batch_replicas: int
    generation: int
    observed_generation: int
    unschedulable: Mapping[str, int] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class BaseRow:
    """The places on the bases of one Deployment; `free` is None when no cap is set."""

    namespace: str
    base: str
    used: int
    free: int | None


@attrs.frozen
class Rows:
    """Everything that is told at one scrape."""

    deployments: Sequence[DeploymentRow] = ()
    bases: Sequence[BaseRow] = ()


class ObjectCollector(Collector):
    """Renders the rows of the last `take`, at most `max_objects` ModuleDeployments of them.

    `take` belongs to the event loop, where the rows' sources can't change meanwhile; `collect` may run in any thread.
    """

    def __init__(self, rows: Callable[[], Rows], *, max_objects: int = 1000) -> None:
        self._source: Final = rows
        self._max_objects: Final = max_objects
        self._rows = Rows()

    def take(self) -> None:
        """Read the rows anew; call it before each rendering."""
        self._rows = self._source()

    def collect(self) -> Iterator[Metric]:
        """Give the families; what prometheus_client calls."""
        rows = self._rows
        shown = rows.deployments[: self._max_objects]
        yield from _deployment_gauges(shown)
        yield _infos(shown)
        yield _phases(shown)
        yield _unschedulable(shown)
        yield _slots(rows.bases)
        dropped = GaugeMetricFamily(*DROPPED_OBJECTS_GAUGE[:2])
        dropped.add_metric([], len(rows.deployments) - len(shown))
        yield dropped


def _deployment_gauges(rows: Sequence[DeploymentRow]) -> Iterator[Metric]:
    for name, text, field in DEPLOYMENT_GAUGES:
        family = GaugeMetricFamily(name, text, labels=("namespace", "moduledeployment"))
        for row in rows:
            value: float | None = getattr(row, field)
            if value is not None:
                family.add_metric([row.namespace, row.name], value)
        yield family


def _infos(rows: Sequence[DeploymentRow]) -> Metric:
    name, text, labels = DEPLOYMENT_INFO
    family = InfoMetricFamily(name, text, labels=labels)
    for row in rows:
        values = [row.namespace, row.name, row.module, row.version, row.strategy, row.scheduling]
        family.add_metric(values, {})
    return family


def _phases(rows: Sequence[DeploymentRow]) -> Metric:
    name, text, labels = PHASE_GAUGE
    family = GaugeMetricFamily(name, text, labels=labels)
    for row in rows:
        for phase in PHASES:
            family.add_metric([row.namespace, row.name, phase], phase == row.phase)
    return family


def _unschedulable(rows: Sequence[DeploymentRow]) -> Metric:
    name, text, labels = UNSCHEDULABLE_GAUGE
    family = GaugeMetricFamily(name, text, labels=labels)
    for row in rows:
        for reason in UNSCHEDULABLE_REASONS:
            family.add_metric([row.namespace, row.name, reason], row.unschedulable.get(reason, 0))
    return family


def _slots(rows: Sequence[BaseRow]) -> Metric:
    name, text, labels = SLOTS_GAUGE
    family = GaugeMetricFamily(name, text, labels=labels)
    for row in rows:
        family.add_metric([row.namespace, row.base, "used"], row.used)
        if row.free is not None:
            family.add_metric([row.namespace, row.base, "free"], row.free)
    return family
