"""Every metric of the process, declared once: name, help, labels, buckets.

Names follow controller-runtime and client-go where those have the thing, so that published dashboards work; ours begin
with `moduledeploy_`. Durations are seconds, sizes bytes. Each group is handed to the layer that moves it, all live in
one injected registry. Series with a closed set of label values exist from the start, so that `rate()` sees a 0.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

RECONCILE_RESULTS: Final = ("success", "error", "requeue", "requeue_after")
ROLLOUT_RESULTS: Final = ("completed", "superseded", "rolled_back", "aborted", "failed")
WAIT_REASONS: Final = ("confirmation", "paused", "interval")
MODULE_OPERATIONS: Final = ("install", "replace", "uninstall")
# The progress words of a ModuleDeployment's status.
PHASES: Final = (
    *("Init", "Executing", "WaitingForConfirmation", "GrayWaiting", "Paused"),
    *("Completed", "Failed", "Aborted", "Terminating"),
)
# Why a base takes no replica, in the placement's words; NoMatchingBase where there is no base at all.
UNSCHEDULABLE_REASONS: Final = (
    *("NoMatchingBase", "CapacityFull", "AlreadyInstalled"),
    *("BaseNotReady", "BaseNotRunning", "BaseTerminating", "BaseWithoutAddress", "BadCapLabel"),
)

# Gauges of one ModuleDeployment, labelled by namespace and moduledeployment: name, help, field of DeploymentRow.
DEPLOYMENT_GAUGES: Final = (
    ("moduledeploy_spec_replicas", "Replicas wanted; in peer mode the bases there are.", "spec_replicas"),
    ("moduledeploy_spec_max_unavailable", "Replicas that may be missing, as a number.", "max_unavailable"),
    ("moduledeploy_spec_paused", "1 while spec.pause is true.", "is_paused"),
    ("moduledeploy_status_replicas", "Slots there are.", "replicas"),
    ("moduledeploy_status_replicas_updated", "Slots of the newest revision.", "updated"),
    ("moduledeploy_status_replicas_ready", "Slots with an active version on a Ready base.", "ready"),
    ("moduledeploy_status_replicas_available", "Slots ready for minReadySeconds.", "available"),
    ("moduledeploy_status_replicas_unavailable", "Slots missing or not available.", "unavailable"),
    ("moduledeploy_status_replicas_updated_available", "Available slots of the newest revision.", "updated_available"),
    ("moduledeploy_batches", "Batches of the rollout.", "batches"),
    ("moduledeploy_batches_completed", "Batches that are done.", "batches_completed"),
    ("moduledeploy_batch_current", "Number of the batch in progress, from 1.", "batch_current"),
    ("moduledeploy_batch_replicas", "Replicas of the batch in progress.", "batch_replicas"),
    ("moduledeploy_phase_start_timestamp_seconds", "When the present phase began.", "phase_start_at"),
    ("moduledeploy_metadata_generation", "Generation of the spec.", "generation"),
    ("moduledeploy_status_observed_generation", "Generation that the status speaks of.", "observed_generation"),
)
# The families that need labels of their own: name, help, labels.
DEPLOYMENT_INFO: Final = (
    "moduledeploy_moduledeployment",
    "What a ModuleDeployment deploys and how.",
    ("namespace", "moduledeployment", "module", "version", "strategy", "scheduling"),
)
PHASE_GAUGE: Final = (
    "moduledeploy_phase",
    "1 for the phase a ModuleDeployment is in, 0 for the others.",
    ("namespace", "moduledeployment", "phase"),
)
UNSCHEDULABLE_GAUGE: Final = (
    "moduledeploy_unschedulable_replicas",
    "Replicas without a base, all under the reason that keeps most bases from taking them.",
    ("namespace", "moduledeployment", "reason"),
)
SLOTS_GAUGE: Final = (
    "moduledeploy_base_slots",
    "Places for modules on the bases of one Deployment.",
    ("namespace", "base", "state"),
)
DROPPED_OBJECTS_GAUGE: Final = (
    "moduledeploy_metrics_dropped_objects",
    "ModuleDeployments left out of the metrics for their number.",
    (),
)

# controller-runtime, pkg/internal/controller/metrics.
_RECONCILE_BUCKETS: Final = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5),
    *(0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0),
    *(6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60),
)
# client-go, util/workqueue: ten nanoseconds to a thousand seconds.
_QUEUE_BUCKETS: Final = tuple(10.0**exponent for exponent in range(-8, 4))
_CLIENT_BUCKETS: Final = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60)
_DNS_BUCKETS: Final = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30)
_INFORMER_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SIZE_BUCKETS: Final = (64, 256, 512, *(2.0**power for power in (10, 12, 14, 16, 18, 20, 22, 24)))
_LIST_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_WATCH_BUCKETS: Final = (0.1, 1, 5, 15, 30, 60, 120, 300, 450, 600, 900)
_ROLLOUT_BUCKETS: Final = (1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 14400, 86400)
_WAIT_BUCKETS: Final = (0, 60, 300, 600, 1800, 3600, 7200, 14400, 28800, 86400)
_BATCH_BUCKETS: Final = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800)
_MODULE_BUCKETS: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_ARKLET_BUCKETS: Final = (0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_METASPACE_BUCKETS: Final = tuple(float(2**20 * 2**power) for power in range(10))
_PLACEMENT_BUCKETS: Final = tuple(10.0 ** (half / 2 - 5) for half in range(11))
_LAG_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class ReconcileMetrics:
    """What the workers of a controller did, under controller-runtime's names."""

    def __init__(self, registry: CollectorRegistry) -> None:
        label = ["controller"]
        gauge, counter = partial(Gauge, registry=registry), partial(Counter, registry=registry)
        self.total = counter("controller_runtime_reconcile_total", "Reconciliations by result.", [*label, "result"])
        self.errors = counter("controller_runtime_reconcile_errors_total", "Reconciliations that failed.", label)
        self.terminal_errors = counter(
            "controller_runtime_terminal_reconcile_errors_total",
            "Reconciliations that failed in a way that no retry can help.",
            label,
        )
        self.panics = counter(
            "controller_runtime_reconcile_panics_total",
            "Reconciliations that ended in an error nobody expected.",
            label,
        )
        self.timeouts = counter(
            "controller_runtime_reconcile_timeouts_total", "Reconciliations cut off by their timeout.", label
        )
        self.time = _duration(
            "controller_runtime_reconcile_time_seconds",
            "Time of one reconciliation.",
            label,
            _RECONCILE_BUCKETS,
            registry,
        )
        self.workers = gauge("controller_runtime_max_concurrent_reconciles", "Workers of the controller.", label)
        self.active_workers = gauge(
            "controller_runtime_active_workers", "Workers that are in a reconciliation now.", label
        )


class QueueMetrics:
    """The workqueues, under client-go's names; `name` and `controller` carry the same value, as upstream."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["name", "controller"]
        gauge, counter = partial(Gauge, registry=registry), partial(Counter, registry=registry)
        self.depth = gauge("workqueue_depth", "Keys ready to be worked on.", [*labels, "priority"])
        self.adds = counter("workqueue_adds_total", "Keys added.", labels)
        self.retries = counter("workqueue_retries_total", "Keys added with a delay.", labels)
        self.queue_duration = _duration(
            "workqueue_queue_duration_seconds",
            "Time a key was ready before a worker took it.",
            labels,
            _QUEUE_BUCKETS,
            registry,
        )
        self.work_duration = _duration(
            "workqueue_work_duration_seconds", "Time a worker held a key.", labels, _QUEUE_BUCKETS, registry
        )
        self.unfinished = gauge("workqueue_unfinished_work_seconds", "Sum of the ages of the work in progress.", labels)
        self.longest_running = gauge(
            "workqueue_longest_running_processor_seconds", "Age of the oldest work in progress.", labels
        )


class ClientMetrics:
    """Requests to the API server, under client-go's names; never labelled by object."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["verb", "host"]
        histogram = partial(Histogram, labelnames=labels, registry=registry)
        self.requests = Counter(
            "rest_client_requests_total",
            "Requests by HTTP status, method and host; <error> stands for no answer.",
            ["code", "method", "host"],
            registry=registry,
        )
        self.duration = histogram(
            "rest_client_request_duration_seconds",
            "Time of one request, the wait for its answer's body included.",
            buckets=_CLIENT_BUCKETS,
        )
        self.rate_limiter_duration = histogram(
            "rest_client_rate_limiter_duration_seconds",
            "Time a request waited for a free place or for the server's Retry-After.",
            buckets=_CLIENT_BUCKETS,
        )
        self.request_size = histogram(
            "rest_client_request_size_bytes", "Size of a request's body.", buckets=_SIZE_BUCKETS
        )
        self.response_size = histogram(
            "rest_client_response_size_bytes", "Size of an answer's body, watches left out.", buckets=_SIZE_BUCKETS
        )
        self.retries = Counter(
            "rest_client_request_retries_total",
            "Requests sent again because the server asked for it or the connection broke.",
            ["code", *labels],
            registry=registry,
        )
        self.dns_duration = _duration(
            "rest_client_dns_resolution_duration_seconds",
            "Time in which the host's name was resolved; none where it is an address.",
            ["host"],
            _DNS_BUCKETS,
            registry,
        )


class InformerMetrics:
    """Caches and the watches that fill them, one series set per kind."""

    def __init__(self, registry: CollectorRegistry) -> None:
        kind = ["kind"]
        gauge, counter = partial(Gauge, registry=registry), partial(Counter, registry=registry)
        self.objects = gauge("moduledeploy_cache_objects", "Objects in the cache.", kind)
        self.version = gauge(
            "informer_store_resource_version",
            "The resourceVersion up to which the cache is complete.",
            ["name", "group", "version", "resource"],
        )
        self.latency = _duration(
            "informer_processing_latency_seconds",
            "Time in which a change was brought into the cache and told to all who listen.",
            ["name", "group", "version", "resource"],
            _INFORMER_BUCKETS,
            registry,
        )
        self.synced = gauge("moduledeploy_cache_synced", "1 once the cache was filled.", kind)
        self.lists = counter(
            "moduledeploy_lists_total", "Complete reads of a kind, streamed or paged.", [*kind, "mode", "result"]
        )
        self.list_duration = _duration(
            "moduledeploy_list_duration_seconds", "Time of one complete read of a kind.", kind, _LIST_BUCKETS, registry
        )
        self.watches = counter("moduledeploy_watches_total", "Watches opened.", kind)
        self.short_watches = counter(
            "moduledeploy_short_watches_total", "Watches that ended within a second, empty.", kind
        )
        self.watch_duration = _duration(
            "moduledeploy_watch_duration_seconds", "Life of a watch.", kind, _WATCH_BUCKETS, registry
        )
        self.restarts = counter("moduledeploy_watch_restarts_total", "Watches opened again, by why.", [*kind, "reason"])
        self.events = counter("moduledeploy_watch_events_total", "Events of watches.", [*kind, "type"])
        self.dropped = counter(
            "moduledeploy_watch_dropped_events_total", "Objects and events left out, by why.", [*kind, "reason"]
        )
        self.last_activity = gauge(
            "moduledeploy_watch_last_activity_timestamp_seconds",
            "When the server last sent something for this kind.",
            kind,
        )
        self.handler_errors = counter(
            "moduledeploy_handler_errors_total", "Changes whose handler failed.", [*kind, "handler"]
        )
        self.stale_skips = counter(
            "moduledeploy_consistency_skips_total", "Passes put off: the cache had not seen an own write yet.", kind
        )


class EventMetrics:
    """Kubernetes Events that were written or given up."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.written = Counter("moduledeploy_events_total", "Events written, by type.", ["type"], registry=registry)
        self.dropped = Counter(
            "moduledeploy_events_dropped_total", "Events given up, by why.", ["reason"], registry=registry
        )
        for type_ in ("Normal", "Warning"):
            self.written.labels(type_)
        for reason in ("full", "spam", "failed"):
            self.dropped.labels(reason)


class ElectionMetrics:
    """Leadership, under client-go's names."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.master_status = Gauge(
            "leader_election_master_status", "1 while this process leads.", ["name"], registry=registry
        )
        self.slowpath = Counter(
            "leader_election_slowpath_total", "Renewals that had to read the lease first.", ["name"], registry=registry
        )


class ArkletMetrics:
    """Calls to the bases."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "moduledeploy_arklet_requests_total",
            "Calls by command and the answer's word in upper case, or busy, timeout, connect, protocol.",
            ["command", "code"],
            registry=registry,
        )
        self.duration = Histogram(
            "moduledeploy_arklet_request_duration_seconds",
            "Time of one call.",
            ["command"],
            buckets=_ARKLET_BUCKETS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "moduledeploy_arklet_requests_in_flight", "Calls that wait for an answer.", ["command"], registry=registry
        )
        self.metaspace = Histogram(
            "moduledeploy_arklet_install_metaspace_bytes",
            "Metaspace that one install took, as the base reports it.",
            buckets=_METASPACE_BUCKETS,
            registry=registry,
        )


class RolloutMetrics:
    """What rollouts came to and how long they took, without names of objects."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.rollouts = Counter("moduledeploy_rollouts_total", "Rollouts by result.", ["result"], registry=registry)
        self.duration = _duration(
            "moduledeploy_rollout_duration_seconds", "Rollout, begin to end.", ["result"], _ROLLOUT_BUCKETS, registry
        )
        self.active_duration = _duration(
            "moduledeploy_rollout_active_duration_seconds",
            "Rollout without the time it waited for people and gray time.",
            ["result"],
            _ROLLOUT_BUCKETS,
            registry,
        )
        self.wait_duration = _duration(
            "moduledeploy_wait_duration_seconds", "One wait of a rollout.", ["reason"], _WAIT_BUCKETS, registry
        )
        self.batch_duration = _duration(
            "moduledeploy_batch_duration_seconds", "One batch, begin to end.", ["result"], _BATCH_BUCKETS, registry
        )
        self.module_ready_duration = _duration(
            "moduledeploy_module_ready_duration_seconds",
            "One module's way from decision to done.",
            ["operation"],
            _MODULE_BUCKETS,
            registry,
        )
        for result in ROLLOUT_RESULTS:
            self.rollouts.labels(result)
            self.duration.labels(result)
            self.active_duration.labels(result)
        for reason in WAIT_REASONS:
            self.wait_duration.labels(reason)
        for result in ("completed", "failed", "superseded"):
            self.batch_duration.labels(result)
        for operation in MODULE_OPERATIONS:
            self.module_ready_duration.labels(operation)


class PlacementMetrics:
    """Decisions of the placement."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.decisions = Counter(
            "moduledeploy_placement_decisions_total", "Replicas placed or not.", ["policy", "result"], registry=registry
        )
        self.duration = _duration(
            "moduledeploy_placement_duration_seconds",
            "One call of the placement.",
            ["policy"],
            _PLACEMENT_BUCKETS,
            registry,
        )
        for policy in ("scatter", "stacking"):
            self.duration.labels(policy)
            for result in ("placed", "unschedulable"):
                self.decisions.labels(policy, result)


class CertificateMetrics:
    """The certificate that metrics are served with, under controller-runtime's names."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.read = Counter(
            "certwatcher_read_certificate_total", "Times the serving certificate was read.", registry=registry
        )
        self.errors = Counter(
            "certwatcher_read_certificate_errors_total",
            "Times the serving certificate could not be read.",
            registry=registry,
        )


class HealthMetrics:
    """What /healthz and /readyz came to when they were asked last, under the names of Kubernetes' own components."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.state = Gauge(
            "kubernetes_healthcheck",
            "1 if the check passed when it was last made.",
            ["name", "type"],
            registry=registry,
        )
        self.total = Counter(
            "kubernetes_healthchecks_total", "Checks by outcome.", ["name", "type", "status"], registry=registry
        )


class ProcessMetrics:
    """The process itself."""

    def __init__(self, registry: CollectorRegistry, version: str) -> None:
        self.loop_lag = Histogram(
            "moduledeploy_event_loop_lag_seconds",
            "How much later than asked for the event loop came back.",
            buckets=_LAG_BUCKETS,
            registry=registry,
        )
        self.build = Info("moduledeploy_build", "What is running.", registry=registry)
        self.build.info({"version": version})
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)


class Metrics:
    """All groups in one registry of their own; build as many as there are processes or tests."""

    def __init__(self, *, version: str = "unknown") -> None:
        # The _created series double every counter and nothing reads them.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves it untyped
        self.registry: Final = CollectorRegistry()
        self.reconcile: Final = ReconcileMetrics(self.registry)
        self.queue: Final = QueueMetrics(self.registry)
        self.client: Final = ClientMetrics(self.registry)
        self.informer: Final = InformerMetrics(self.registry)
        self.events: Final = EventMetrics(self.registry)
        self.election: Final = ElectionMetrics(self.registry)
        self.arklet: Final = ArkletMetrics(self.registry)
        self.rollout: Final = RolloutMetrics(self.registry)
        self.placement: Final = PlacementMetrics(self.registry)
        self.certificate: Final = CertificateMetrics(self.registry)
        self.health: Final = HealthMetrics(self.registry)
        self.process: Final = ProcessMetrics(self.registry, version)


def _duration(
    name: str, text: str, labels: Iterable[str], buckets: Sequence[float], registry: CollectorRegistry
) -> Histogram:
    return Histogram(name, text, list(labels), buckets=buckets, registry=registry)
