"""Writes docs/metrics.md from the declarations in moduledeploy/runtime; `python docs/metrics.py` after changing those."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from prometheus_client.metrics import MetricWrapperBase

from moduledeploy.runtime import metrics
from moduledeploy.runtime.metrics import Metrics
from moduledeploy.runtime.object_metrics import ObjectCollector, Rows

PAGE: Final = Path(__file__).with_suffix(".md")
HEAD: Final = """\
# Metrics

Served at `/metrics` (flag `--metrics-address`), in the OpenMetrics or the Prometheus text format, as the scraper asks. Every name
is declared in `moduledeploy/runtime/metrics.py`; this page is made from it by `python docs/metrics.py`. Names that begin with
`controller_runtime_`, `workqueue_`, `rest_client_`, `informer_`, `leader_election_`, `certwatcher_` and `kubernetes_` mean what
they mean in programs with controller-runtime and client-go, so dashboards for those work here too. Two of theirs are missing for
want of anything to tell: webhooks (there are none) and `informer_queued_items` (a change is in the cache when it was read).
`process_*` and `python_*` come from the client library.

## What there is

Told only by the process that leads, from its cache, at each scrape; gone with the object. The `pod` that tells changes when
another takes over, so aggregate with `max by (namespace, moduledeployment)`. These series carry a label `namespace`: scrape with
`honorLabels: true`, as `manifests/monitoring` does, else it arrives as `exported_namespace`. About 35 series for each
ModuleDeployment; `--metrics-max-objects` bounds how many are told, and `moduledeploy_metrics_dropped_objects` counts the others.
"""
PROCESS: Final = """
## What the process does

Told by every process. No label names an object, so the number of series doesn't depend on how much there is.
"""
SETS: Final = """
## Closed sets of label values

| label | of | values |
|---|---|---|
"""


def page() -> str:
    """The page's text."""
    declared = Metrics()
    objects = ObjectCollector(Rows)
    lines = [HEAD, _table_head()]
    lines += [
        _row(family.name, family.type, labels_of(family.name), family.documentation) for family in objects.collect()
    ]
    lines += [PROCESS, _table_head()]
    for group in (value for value in vars(declared).values() if type(value).__module__ == metrics.__name__):
        for metric in vars(group).values():
            if isinstance(metric, MetricWrapperBase):
                (family,) = metric.describe()
                # The library tells a metric's labels nowhere else.
                lines.append(_row(family.name, family.type, tuple(metric._labelnames), family.documentation))
    lines.append(SETS + _sets())
    return "\n".join(lines) + "\n"


def labels_of(name: str) -> tuple[str, ...]:
    """Labels of a family of the object collector, from its declaration."""
    special = (metrics.DEPLOYMENT_INFO, metrics.PHASE_GAUGE, metrics.UNSCHEDULABLE_GAUGE, metrics.SLOTS_GAUGE)
    found = {declared[0]: declared[2] for declared in (*special, metrics.DROPPED_OBJECTS_GAUGE)}
    return found.get(name, ("namespace", "moduledeployment"))


def _table_head() -> str:
    return "| metric | type | labels | meaning |\n|---|---|---|---|"


def _row(name: str, kind: str, labels: tuple[str, ...], text: str) -> str:
    ending = {"counter": "_total", "info": "_info"}.get(kind, "")
    shown = {"info": "gauge"}.get(kind, kind)
    return f"| `{name}{ending}` | {shown} | {', '.join(labels) or '–'} | {text} |"


def _sets() -> str:
    sets = (
        ("phase", "`moduledeploy_phase`", metrics.PHASES),
        ("reason", "`moduledeploy_unschedulable_replicas`", metrics.UNSCHEDULABLE_REASONS),
        ("result", "`moduledeploy_rollouts_total` and the rollouts' durations", metrics.ROLLOUT_RESULTS),
        ("reason", "`moduledeploy_wait_duration_seconds`", metrics.WAIT_REASONS),
        ("operation", "`moduledeploy_module_ready_duration_seconds`", metrics.MODULE_OPERATIONS),
        ("result", "`controller_runtime_reconcile_total`", metrics.RECONCILE_RESULTS),
    )
    return "\n".join(f"| {label} | {of} | {', '.join(values)} |" for label, of, values in sets)


if __name__ == "__main__":
    PAGE.write_text(page())
