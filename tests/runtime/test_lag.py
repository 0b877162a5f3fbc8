from __future__ import annotations

import anyio
import pytest
from structlog.testing import capture_logs

from moduledeploy.runtime.lag import LoopLag
from moduledeploy.runtime.metrics import Metrics
from tests.clock import ManualClock, settle


async def test_a_blocked_loop_is_measured_and_logged() -> None:
    clock, metrics = ManualClock(), Metrics()
    lag = LoopLag(histogram=metrics.process.loop_lag, clock=clock)
    with capture_logs() as logs:
        async with anyio.create_task_group() as group:
            group.start_soon(lag.run)
            await clock.run_for(0.1)
            assert lag.last_s == pytest.approx(0)

            # The timer was due after 0.1 s; the loop comes back to it only after 3.
            clock.now += 3
            clock.advance(0)
            await settle()

            assert lag.last_s == pytest.approx(2.9)
            group.cancel_scope.cancel()

    assert metrics.registry.get_sample_value("moduledeploy_event_loop_lag_seconds_count") == 2
    assert [(entry["event"], entry["seconds"]) for entry in logs] == [("event loop was blocked", 2.9)]
