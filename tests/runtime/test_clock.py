from __future__ import annotations

import time

import anyio
import pytest

from moduledeploy.runtime.clock import SystemClock, fail_after, move_on_after
from tests.clock import ManualClock, settle


async def test_a_block_that_takes_too_long_is_left() -> None:
    clock = ManualClock()
    left: list[bool] = []

    async def wait() -> None:
        with move_on_after(clock, 5) as scope:
            await anyio.sleep_forever()
        left.append(scope.cancelled_caught)

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await clock.run_for(4.9)
        assert left == []
        await clock.run_for(0.2)

    assert left == [True]


async def test_a_block_that_ends_in_time_leaves_no_timer_behind() -> None:
    clock = ManualClock()

    with fail_after(clock, 5):
        await settle()

    assert clock.next_delay_s() is None


async def test_a_block_that_takes_too_long_raises_timeout_error() -> None:
    clock = ManualClock()

    async def wait() -> None:
        with fail_after(clock, 5):
            async with anyio.create_task_group() as group:
                group.start_soon(clock.run_for, 10)
                await anyio.sleep_forever()

    with pytest.raises(TimeoutError, match="5 s"):
        await wait()


async def test_an_error_of_the_block_comes_out_as_it_is() -> None:
    with pytest.raises(ValueError, match="mine"), fail_after(ManualClock(), 5):
        raise ValueError("mine")


async def test_a_sleep_is_woken_at_its_moment_and_its_cancellation_leaves_nothing() -> None:
    clock = ManualClock()
    async with anyio.create_task_group() as group:
        group.start_soon(clock.sleep, 5)
        await settle()
        assert clock.next_delay_s() == 5
        group.cancel_scope.cancel()

    assert clock.next_delay_s() is None


async def test_the_system_clock_is_the_systems() -> None:
    clock = SystemClock()
    called: list[float] = []

    assert clock.monotonic() == pytest.approx(time.monotonic(), abs=0.5)
    assert clock.wall() == pytest.approx(time.time(), abs=0.5)
    clock.call_later(0.001, lambda: called.append(clock.monotonic()))
    clock.call_later(0.001, lambda: called.append(0)).cancel()
    await clock.sleep(0.01)
    await clock.sleep(-1)

    assert len(called) == 1
