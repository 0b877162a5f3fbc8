from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import pytest

from moduledeploy.api.kinds import Module, ModuleStatus
from moduledeploy.api.meta import Metadata
from moduledeploy.api.spec import SchedulingPolicy
from moduledeploy.controllers.measured import MeasuredPool, ModuleDurations
from moduledeploy.kube.informer import Change
from moduledeploy.kube.resources import ObjectKey
from moduledeploy.placement.bases import Base
from moduledeploy.placement.pool import Pool
from moduledeploy.runtime.metrics import Metrics
from tests.clock import ManualClock

BEGIN: Final = 1_700_000_000.0
KEY: Final = ObjectKey("prod", "shop-1-a")


def moment(after: float) -> datetime:
    return datetime.fromtimestamp(BEGIN + after, UTC)


def module(status: ModuleStatus = ModuleStatus(), deleted_after: float | None = None) -> Module:  # noqa: B008  # frozen
    deleted = None if deleted_after is None else moment(deleted_after)
    return Module(Metadata(name="shop-1-a", creationTimestamp=moment(0), deletionTimestamp=deleted), status=status)


def available(after: float, slot_after: float) -> ModuleStatus:
    return ModuleStatus(status="Available", activeSince=moment(after), slotActiveSince=moment(slot_after))


def observed(*changes: Change[Module], is_leading: bool = True) -> dict[str, float | None]:
    metrics, clock = Metrics(), ManualClock(wall=BEGIN + 9)
    durations = ModuleDurations(metrics.rollout, clock, lambda: is_leading)
    for change in changes:
        durations.on_module(change)
    name = "moduledeploy_module_ready_duration_seconds"
    found = {
        operation: metrics.registry.get_sample_value(f"{name}_sum", {"operation": operation})
        for operation in ("install", "replace", "uninstall")
    }
    return {operation: seconds for operation, seconds in found.items() if seconds}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (Change(KEY, module(), module(available(3, 3))), {"install": 3}),
        (Change(KEY, module(), module(available(4, -60))), {"replace": 4}),
        (Change(KEY, module(available(3, 3), deleted_after=2), None), {"uninstall": 7}),
        (Change(KEY, module(available(3, 3)), module(available(3, 3))), {}),
        (Change(KEY, None, module(available(3, 3)), is_initial=True), {}),
        (Change(KEY, module(), module(ModuleStatus(status="Failed"))), {}),
    ],
)
def test_a_modules_way_is_told_when_it_ends(change: Change[Module], told: dict[str, float]) -> None:
    assert observed(change) == pytest.approx(told)


def test_a_standby_tells_nothing() -> None:
    assert observed(Change(KEY, module(), module(available(3, 3))), is_leading=False) == {}


def test_placements_are_counted_by_what_came_of_them() -> None:
    metrics, pool = Metrics(), Pool()
    for number in range(3):
        pool.set_base(Base(uid=f"u{number}", name=f"b{number}"))
    measured = MeasuredPool(pool, metrics.placement, ManualClock())

    placed = measured.place("shop", 5, SchedulingPolicy.SCATTER)

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"moduledeploy_placement_{name}", {"policy": "scatter"} | labels)

    assert len(placed.bases) == 3
    assert value("decisions_total", result="placed") == 3
    assert value("decisions_total", result="unschedulable") == 2
    assert value("duration_seconds_count") == 1
