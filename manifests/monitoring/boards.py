"""The two boards: what an on-call asks about rollouts, and about the controller."""

from __future__ import annotations

from typing import Any, Final

from grafana_foundation_sdk.builders import bargauge, dashboard, heatmap, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import common as options
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig, Threshold, ThresholdsMode, ValueMap
from grafana_foundation_sdk.models.dashboard import ValueMappingResult as Shown
from panels import SOURCE, Annotation, Layout, board, choice, legend_below, panel, properties, query

# Phases with the color in which each is shown, in the order of a rollout.
PHASES: Final = (
    ("Init", "text"),
    ("Executing", "blue"),
    ("WaitingForConfirmation", "yellow"),
    ("GrayWaiting", "light-blue"),
    ("Paused", "orange"),
    ("Completed", "green"),
    ("Failed", "red"),
    ("Aborted", "dark-red"),
    ("Terminating", "purple"),
)
OWN: Final = 'namespace=~"$namespace", moduledeployment=~"$moduledeployment"'
BY: Final = "by (namespace, moduledeployment)"
NAME: Final = "{{namespace}}/{{moduledeployment}}"
POD: Final = 'job=~"$job"'


def rollouts() -> dashboard.Dashboard:
    """What rolls out where, what waits, what is lost, what fails."""
    made = board(
        "moduledeploy-rollouts",
        "moduledeploy / rollouts",
        "Where every rollout stands, what it waits for and what is lost.",
    )
    source = "moduledeploy_moduledeployment_info"
    made = made.with_variable(choice("namespace", "Namespace", f"label_values({source}, namespace)"))
    chosen = f'label_values({source}{{namespace=~"$namespace"}}, moduledeployment)'
    made = made.with_variable(choice("moduledeployment", "ModuleDeployment", chosen))
    made = made.annotation(Annotation("Batches", f"changes(moduledeploy_batch_current{{{OWN}}}[1m]) > 0", "light-blue"))
    layout = Layout(made)
    layout.row(4, *((4, tile) for tile in _tiles()))
    layout.row(7, (24, _table()))
    layout.row(9, (12, _availability()), (12, _phases()))
    layout.row(8, (8, _batch_progress()), (8, _batch_durations()), (8, _waiting_or_working()))
    layout.row(8, (8, _installs()), (8, _install_times()), (8, _metaspace()))
    layout.row(8, (8, _slots()), (8, _unschedulable()), (8, _results()))
    layout.row(8, (8, _module_times()), (8, _rollout_times()), (8, _placements()))
    return made


def _tiles() -> list[Any]:
    return [
        _tile(
            "In progress", "Rollouts that execute or wait out their gray time.", _in("Executing|GrayWaiting"), "blue"
        ),
        _tile("Await a person", "Rollouts that wait for a confirmation.", _in("WaitingForConfirmation"), "yellow"),
        _tile("Paused", "Rollouts that somebody paused.", _in("Paused"), "orange"),
        _tile("Failed", "Rollouts that were given up.", _in("Failed|Aborted"), "red"),
        _tile(
            "Without a base",
            "Replicas that no base takes.",
            f"sum(max by (namespace, moduledeployment, reason) (moduledeploy_unschedulable_replicas{{{OWN}}}))",
            "red",
        ),
        _tile(
            "Oldest unanswered",
            "How long the rollout that waits longest for a person has waited.",
            f"max(time() - max {BY} (moduledeploy_phase_start_timestamp_seconds{{{OWN}}} and on (namespace, moduledeployment)"
            f' moduledeploy_phase{{phase="WaitingForConfirmation", {OWN}}} == 1)) or vector(0)',
            "yellow",
            "s",
        ),
    ]


def _in(phases: str) -> str:
    return f'sum(max by (namespace, moduledeployment, phase) (moduledeploy_phase{{phase=~"{phases}", {OWN}}}))'


def _tile(title: str, description: str, expression: str, color: str, unit: str = "short") -> Any:
    limits = dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE)
    limits = limits.steps([Threshold(value=None, color="text"), Threshold(value=1, color=color)])
    last = options.ReduceDataOptions().calcs(["lastNotNull"])
    made = panel(stat, title, description, unit, (expression, title), instant=True)
    return made.thresholds(limits).reduce_options(last)


def _table() -> Any:
    columns = (
        (
            f"max by (namespace, moduledeployment, module, version) (moduledeploy_moduledeployment_info{{{OWN}}})",
            "Info",
        ),
        (f"max {BY} ({_numbered()})", "Phase"),
        (f"max {BY} (moduledeploy_batches_completed{{{OWN}}})", "Batches done"),
        (f"max {BY} (moduledeploy_batches{{{OWN}}})", "Batches"),
        (f"max {BY} (moduledeploy_status_replicas_updated{{{OWN}}})", "Updated"),
        (f"max {BY} (moduledeploy_status_replicas_available{{{OWN}}})", "Available"),
        (f"max {BY} (moduledeploy_spec_replicas{{{OWN}}})", "Desired"),
        (f"time() - max {BY} (moduledeploy_phase_start_timestamp_seconds{{{OWN}}})", "Phase for"),
    )
    made = panel(table, "Rollouts", "Each ModuleDeployment, where its rollout stands and for how long.", "short")
    for letter, (expression, name) in zip("ABCDEFGH", columns, strict=True):
        made = made.with_target(query(expression, name, letter, instant=True, form="table"))
    names = {f"Value #{letter}": name for letter, (_, name) in zip("ABCDEFGH", columns, strict=True)}
    made = made.with_transformation(DataTransformerConfig(id_val="merge", options={}))
    hidden = {"Time": True, "Value #A": True}
    made = made.with_transformation(
        DataTransformerConfig(id_val="organize", options={"excludeByName": hidden, "renameByName": names})
    )
    made = made.override_by_name("Phase", properties(mappings=[_phase_names()]))
    return made.override_by_name("Phase for", properties(unit="s"))


def _numbered() -> str:
    """Phases as numbers, since a panel shows one value for each series."""
    return " or ".join(
        f'moduledeploy_phase{{phase="{phase}", {OWN}}} * {number}' for number, (phase, _) in enumerate(PHASES)
    )


def _phase_names() -> ValueMap:
    return ValueMap(
        options={str(number): Shown(text=phase, color=color) for number, (phase, color) in enumerate(PHASES)}
    )


def _lines(title: str, description: str, unit: str, *queries: tuple[str, str]) -> Any:
    made = panel(timeseries, title, description, unit, *queries).legend(legend_below()).fill_opacity(10).min(0)
    return made.show_points(common.VisibilityMode.NEVER)


def _stacked(title: str, description: str, unit: str, *queries: tuple[str, str]) -> Any:
    stack = options.StackingConfig().mode(common.StackingMode.NORMAL)
    return _lines(title, description, unit, *queries).stacking(stack).fill_opacity(60).line_width(0)


def _availability() -> Any:
    return _lines(
        "Available, missing, and what may be missing",
        "Slots that serve and slots that are missing, with the resolved maxUnavailable.",
        "short",
        (f"sum(max {BY} (moduledeploy_status_replicas_available{{{OWN}}}))", "available"),
        (f"sum(max {BY} (moduledeploy_status_replicas_unavailable{{{OWN}}}))", "missing"),
        (f"sum(max {BY} (moduledeploy_status_replicas_updated_available{{{OWN}}}))", "available, new revision"),
        (f"sum(max {BY} (moduledeploy_spec_max_unavailable{{{OWN}}}))", "may be missing"),
    )


def _phases() -> Any:
    shown = f"max {BY} ({_numbered()})"
    made = panel(statetimeline, "Phases", "The phase of each rollout over time.", "short", (shown, NAME))
    return made.mappings([_phase_names()]).legend(legend_below())


def _batch_progress() -> Any:
    made = panel(
        bargauge,
        "Batches done",
        "Share of the planned batches that are done.",
        "percentunit",
        (f"max {BY} (moduledeploy_batches_completed{{{OWN}}}) / max {BY} (moduledeploy_batches{{{OWN}}} > 0)", NAME),
        instant=True,
    )
    return made.min(0).max(1).orientation(common.VizOrientation.HORIZONTAL)


def _batch_durations() -> Any:
    buckets = "sum by (le) (increase(moduledeploy_batch_duration_seconds_bucket[$__rate_interval]))"
    made = heatmap.Panel().title("Batch durations").description("How long batches took, as many as ended in each span.")
    made = made.unit("s").datasource(SOURCE)
    return made.with_target(query(buckets, "{{le}}", "A", form="heatmap"))


def _waiting_or_working() -> Any:
    return _stacked(
        "Waiting for people, waiting on purpose, working",
        "Seconds a second that ended waits and batches took, of all rollouts.",
        "short",
        ("sum by (reason) (rate(moduledeploy_wait_duration_seconds_sum[$__rate_interval]))", "{{reason}}"),
        ("sum(rate(moduledeploy_batch_duration_seconds_sum[$__rate_interval]))", "batches"),
    )


def _installs() -> Any:
    return _stacked(
        "Installs by answer",
        "Answers of the bases to installBiz.",
        "reqps",
        (
            'sum by (code) (rate(moduledeploy_arklet_requests_total{command="installBiz"}[$__rate_interval]))',
            "{{code}}",
        ),
    )


def _quantiles(metric: str, selector: str, *quantiles: str) -> list[tuple[str, str]]:
    rate = f"sum by (le) (rate({metric}_bucket{{{selector}}}[$__rate_interval]))"
    return [(f"histogram_quantile({quantile}, {rate})", f"p{quantile[2:]:0<2}") for quantile in quantiles]


def _install_times() -> Any:
    shown = _quantiles("moduledeploy_arklet_request_duration_seconds", 'command="installBiz"', "0.5", "0.95", "0.99")
    return _lines("Time of an install", "How long bases take to answer installBiz.", "s", *shown)


def _metaspace() -> Any:
    shown = _quantiles("moduledeploy_arklet_install_metaspace_bytes", "", "0.5", "0.95")
    return _lines("Metaspace of an install", "What one install takes of a base's metaspace.", "bytes", *shown)


def _slots() -> Any:
    return _stacked(
        "Slots of the bases",
        "Places for modules on the bases of each Deployment; free ones only where a cap is set.",
        "short",
        (
            'max by (namespace, base, state) (moduledeploy_base_slots{namespace=~"$namespace"})',
            "{{namespace}}/{{base}} {{state}}",
        ),
    )


def _unschedulable() -> Any:
    shown = (
        f"sum by (reason) (max by (namespace, moduledeployment, reason) (moduledeploy_unschedulable_replicas{{{OWN}}}))"
    )
    return _stacked("Replicas without a base", "Replicas that no base takes, by why.", "short", (shown, "{{reason}}"))


def _results() -> Any:
    shown = "sum by (result) (increase(moduledeploy_rollouts_total[$__rate_interval]))"
    return _stacked("Rollouts that ended", "What rollouts came to.", "short", (shown, "{{result}}"))


def _module_times() -> Any:
    rate = "sum by (operation, le) (rate(moduledeploy_module_ready_duration_seconds_bucket[$__rate_interval]))"
    shown = f"histogram_quantile(0.95, {rate})", "{{operation}} p95"
    return _lines("A module's way", "From its creation to available, from its deletion to gone.", "s", shown)


def _rollout_times() -> Any:
    def mean(metric: str) -> str:
        return f"sum(rate({metric}_sum[$__rate_interval])) / sum(rate({metric}_count[$__rate_interval]))"

    whole = mean("moduledeploy_rollout_duration_seconds"), "whole"
    active = mean("moduledeploy_rollout_active_duration_seconds"), "without waits"
    return _lines(
        "Time of a rollout", "Mean over the rollouts that ended, whole and without waits.", "s", whole, active
    )


def _placements() -> Any:
    shown = "sum by (policy, result) (rate(moduledeploy_placement_decisions_total[$__rate_interval]))"
    return _stacked(
        "Placements", "Replicas that were placed or found no base.", "ops", (shown, "{{policy}} {{result}}")
    )


def controller() -> dashboard.Dashboard:
    """Whether the controller itself is well."""
    made = board(
        "moduledeploy-controller", "moduledeploy / controller", "Leadership, queues, watches, requests, process."
    )
    made = made.with_variable(choice("job", "Job", "label_values(moduledeploy_build_info, job)"))
    layout = Layout(made)
    layout.row(8, (8, _leaders()), (8, _passes()), (8, _errors()))
    layout.row(8, (8, _queue_depth()), (8, _queue_wait()), (8, _work()))
    layout.row(8, (8, _freshness()), (8, _cache()), (8, _restarts()))
    layout.row(8, (8, _requests()), (8, _refused()), (8, _request_times()))
    layout.row(8, (8, _arklet()), (8, _arklet_times()), (8, _events()))
    layout.row(8, (6, _lag()), (6, _cpu()), (6, _memory()), (6, _files()))
    return made


def _leaders() -> Any:
    return _lines(
        "Leader", "1 for the process that leads.", "short", (f"leader_election_master_status{{{POD}}}", "{{instance}}")
    )


def _passes() -> Any:
    shown = f"sum by (controller, result) (rate(controller_runtime_reconcile_total{{{POD}}}[$__rate_interval]))"
    return _stacked("Passes", "Passes of the controllers by result.", "ops", (shown, "{{controller}} {{result}}"))


def _errors() -> Any:
    shown = (
        f"sum by (controller) (rate(controller_runtime_reconcile_errors_total{{{POD}}}[$__rate_interval]))"
        f" / sum by (controller) (rate(controller_runtime_reconcile_total{{{POD}}}[$__rate_interval]))"
    )
    return _lines(
        "Share of failed passes", "Above 10 % for 10 minutes is an alert.", "percentunit", (shown, "{{controller}}")
    )


def _queue_depth() -> Any:
    # A standby's keys wait for it to lead, which is no backlog.
    standby = f"leader_election_master_status{{{POD}}} == 0"
    shown = f"sum by (name) (workqueue_depth{{{POD}}} unless on (instance) {standby})"
    description = "Families and bases that are to be looked at by the one that leads."
    return _lines("Keys that wait", description, "short", (shown, "{{name}}"))


def _by_name(metric: str, quantile: str, label: str) -> tuple[str, str]:
    rate = f"sum by ({label}, le) (rate({metric}_bucket{{{POD}}}[$__rate_interval]))"
    return f"histogram_quantile({quantile}, {rate})", f"{{{{{label}}}}} p{quantile[2:]:0<2}"


def _queue_wait() -> Any:
    metric = "workqueue_queue_duration_seconds"
    shown = [_by_name(metric, quantile, "name") for quantile in ("0.5", "0.99")]
    return _lines("Wait in the queue", "From ready to taken; above 10 s for 10 minutes is an alert.", "s", *shown)


def _work() -> Any:
    shown = _by_name("workqueue_work_duration_seconds", "0.99", "name")
    oldest = f"max by (name) (workqueue_longest_running_processor_seconds{{{POD}}})", "{{name}} oldest"
    return _lines("Work on a key", "A pass over a base lasts as long as its installs do.", "s", shown, oldest)


def _freshness() -> Any:
    shown = f"time() - min by (kind) (moduledeploy_watch_last_activity_timestamp_seconds{{{POD}}})"
    description = (
        "How long each kind's watch has been silent in the process where it is longest; bookmarks come once a minute."
    )
    return _lines("Silence of the watches", description, "s", (shown, "{{kind}}"))


def _cache() -> Any:
    shown = f"max by (kind) (moduledeploy_cache_objects{{{POD}}})"
    return _lines("Objects in the cache", "What the controller knows of the cluster.", "short", (shown, "{{kind}}"))


def _none(label: str) -> str:
    """A line at 0 where nothing has happened yet, which its legend calls none."""
    return f'label_replace(vector(0), "{label}", "none", "", "")'


def _restarts() -> Any:
    again = f"sum by (kind, reason) (increase(moduledeploy_watch_restarts_total{{{POD}}}[$__rate_interval]))"
    shown = f"{again} or on () {_none('reason')}"
    return _stacked(
        "Watches opened again",
        "Servers end watches after minutes; other reasons are rare.",
        "short",
        (shown, "{{kind}} {{reason}}"),
    )


def _requests() -> Any:
    shown = f"sum by (method, code) (rate(rest_client_requests_total{{{POD}}}[$__rate_interval]))"
    return _stacked(
        "Requests to the API server", "Requests by method and answer.", "reqps", (shown, "{{method}} {{code}}")
    )


def _refused() -> Any:
    refused = f'sum by (code) (rate(rest_client_requests_total{{{POD}, code!~"2.."}}[$__rate_interval]))'
    shown = f"{refused} or on () {_none('code')}"
    return _lines(
        "Refused requests",
        "Conflicts, too many requests, errors of the server, no answer.",
        "reqps",
        (shown, "{{code}}"),
    )


def _request_times() -> Any:
    shown = _by_name("rest_client_request_duration_seconds", "0.99", "verb")
    return _lines("Time of a request", "From sending to the end of the answer.", "s", shown)


def _arklet() -> Any:
    shown = f"sum by (command) (moduledeploy_arklet_requests_in_flight{{{POD}}})"
    return _lines(
        "Calls to bases under way", "Commands that bases have not answered yet.", "short", (shown, "{{command}}")
    )


def _arklet_times() -> Any:
    shown = _by_name("moduledeploy_arklet_request_duration_seconds", "0.99", "command")
    return _lines("Time of a call to a base", "By Arklet's command.", "s", shown)


def _events() -> Any:
    written = f"sum by (type) (rate(moduledeploy_events_total{{{POD}}}[$__rate_interval]))", "{{type}}"
    dropped = (
        f"sum by (reason) (rate(moduledeploy_events_dropped_total{{{POD}}}[$__rate_interval]))",
        "dropped: {{reason}}",
    )
    return _lines("Events", "Kubernetes Events that were written or given up.", "ops", written, dropped)


def _lag() -> Any:
    shown = _by_name("moduledeploy_event_loop_lag_seconds", "0.99", "instance")
    return _lines("Lag of the event loop", "Above 1 s for 5 minutes is an alert.", "s", shown)


def _cpu() -> Any:
    shown = f"sum by (instance) (rate(process_cpu_seconds_total{{{POD}}}[$__rate_interval]))"
    return _lines("CPU", "Cores in use.", "short", (shown, "{{instance}}"))


def _memory() -> Any:
    shown = f"max by (instance) (process_resident_memory_bytes{{{POD}}})"
    return _lines("Memory", "Resident set.", "bytes", (shown, "{{instance}}"))


def _files() -> Any:
    shown = f"max by (instance) (process_open_fds{{{POD}}})"
    return _lines(
        "Open files", "Connections to the API server and to bases above all.", "short", (shown, "{{instance}}")
    )
