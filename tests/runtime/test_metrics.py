from __future__ import annotations

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from moduledeploy.runtime.metrics import PHASES, Metrics
from moduledeploy.runtime.object_metrics import BaseRow, DeploymentRow, ObjectCollector, Rows


def row(name: str = "shop", **changes: object) -> DeploymentRow:
    values: dict[str, object] = {
        "namespace": "prod",
        "name": name,
        "module": "shop",
        "version": "1.0.0",
        "strategy": "install_then_uninstall",
        "scheduling": "scatter",
        "phase": "Executing",
        "phase_start_at": 1_700_000_000.0,
        "spec_replicas": 10,
        "max_unavailable": 2,
        "is_paused": False,
        "replicas": 9,
        "updated": 4,
        "ready": 8,
        "available": 7,
        "unavailable": 3,
        "updated_available": 3,
        "batches": 4,
        "batches_completed": 1,
        "batch_current": 2,
        "batch_replicas": 3,
        "generation": 6,
        "observed_generation": 5,
        "unschedulable": {"CapacityFull": 1},
    }
    return DeploymentRow(**(values | changes))  # type: ignore[arg-type]


def collected(rows: Rows, **options: int) -> Metrics:
    metrics = Metrics()
    collector = ObjectCollector(lambda: rows, **options)
    metrics.registry.register(collector)
    collector.take()
    return metrics


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("moduledeploy_spec_replicas", 10),
        ("moduledeploy_spec_max_unavailable", 2),
        ("moduledeploy_spec_paused", 0),
        ("moduledeploy_status_replicas", 9),
        ("moduledeploy_status_replicas_updated", 4),
        ("moduledeploy_status_replicas_ready", 8),
        ("moduledeploy_status_replicas_available", 7),
        ("moduledeploy_status_replicas_unavailable", 3),
        ("moduledeploy_status_replicas_updated_available", 3),
        ("moduledeploy_batches", 4),
        ("moduledeploy_batches_completed", 1),
        ("moduledeploy_batch_current", 2),
        ("moduledeploy_batch_replicas", 3),
        ("moduledeploy_phase_start_timestamp_seconds", 1_700_000_000),
        ("moduledeploy_metadata_generation", 6),
        ("moduledeploy_status_observed_generation", 5),
    ],
)
def test_each_gauge_of_a_module_deployment_tells_its_field(name: str, value: float) -> None:
    metrics = collected(Rows([row()]))

    assert metrics.registry.get_sample_value(name, {"namespace": "prod", "moduledeployment": "shop"}) == value


def test_exactly_one_phase_is_1_and_all_are_there() -> None:
    metrics = collected(Rows([row(phase="GrayWaiting")]))

    phases = {
        phase: metrics.registry.get_sample_value(
            "moduledeploy_phase", {"namespace": "prod", "moduledeployment": "shop", "phase": phase}
        )
        for phase in PHASES
    }
    assert phases == {phase: float(phase == "GrayWaiting") for phase in PHASES}


def test_free_text_is_only_in_the_info() -> None:
    metrics = collected(Rows([row()]))

    labels = {
        "namespace": "prod",
        "moduledeployment": "shop",
        "module": "shop",
        "version": "1.0.0",
        "strategy": "install_then_uninstall",
        "scheduling": "scatter",
    }
    assert metrics.registry.get_sample_value("moduledeploy_moduledeployment_info", labels) == 1


def test_an_unschedulable_replica_is_told_by_why() -> None:
    metrics = collected(Rows([row()]))
    labels = {"namespace": "prod", "moduledeployment": "shop"}

    def value(reason: str) -> float | None:
        return metrics.registry.get_sample_value("moduledeploy_unschedulable_replicas", labels | {"reason": reason})

    assert value("CapacityFull") == 1
    assert value("NoMatchingBase") == 0


def test_slots_of_a_base_without_a_cap_have_no_free_ones() -> None:
    metrics = collected(
        Rows(
            bases=[
                BaseRow(namespace="prod", base="web", used=3, free=7),
                BaseRow(namespace="prod", base="any", used=3, free=None),
            ]
        )
    )

    def value(base: str, state: str) -> float | None:
        return metrics.registry.get_sample_value(
            "moduledeploy_base_slots", {"namespace": "prod", "base": base, "state": state}
        )

    assert (value("web", "used"), value("web", "free")) == (3, 7)
    assert (value("any", "used"), value("any", "free")) == (3, None)


def test_an_object_that_is_gone_is_forgotten() -> None:
    rows = [row()]
    metrics = Metrics()
    collector = ObjectCollector(lambda: Rows(list(rows)))
    metrics.registry.register(collector)
    collector.take()
    rows.clear()
    collector.take()

    assert b'moduledeployment="shop"' not in generate_latest(metrics.registry)


def test_beyond_the_limit_objects_are_left_out_and_counted() -> None:
    metrics = collected(Rows([row(f"md{number}") for number in range(5)]), max_objects=3)

    text = generate_latest(metrics.registry).decode()
    assert "md2" in text
    assert "md3" not in text
    assert metrics.registry.get_sample_value("moduledeploy_metrics_dropped_objects") == 2


def test_names_follow_the_conventions() -> None:
    """What promtool's linter would say, for every family of ours."""
    metrics = collected(Rows([row()], [BaseRow(namespace="p", base="b", used=1, free=1)]))

    for family in text_string_to_metric_families(generate_latest(metrics.registry).decode()):
        if family.name.startswith(("python_", "process_")):
            continue
        assert family.documentation, family.name
        assert (family.type == "counter") == any(sample.name.endswith("_total") for sample in family.samples) or (
            family.type == "counter" and not family.samples
        ), family.name
        assert family.type != "unknown"
        assert not family.name.endswith(("_count", "_sum", "_bucket")), family.name
        assert "_milliseconds" not in family.name


def test_registries_are_independent() -> None:
    one, other = Metrics(), Metrics()
    one.rollout.rollouts.labels("completed").inc()

    assert other.registry.get_sample_value("moduledeploy_rollouts_total", {"result": "completed"}) == 0
