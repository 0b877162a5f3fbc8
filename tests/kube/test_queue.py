from __future__ import annotations

import asyncio

import anyio
import pytest

from moduledeploy.kube.queue import LOW_PRIORITY, Queue, QueueShutDown
from moduledeploy.runtime.metrics import Metrics
from tests.clock import ManualClock, settle


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def queue(clock: ManualClock, metrics: Metrics) -> Queue[str]:
    return Queue(name="test", metrics=metrics.queue, clock=clock, draw=lambda: 0.0)


async def test_keys_come_in_the_order_they_were_added(queue: Queue[str]) -> None:
    for key in "abc":
        queue.add(key)

    assert [await queue.get() for _ in range(3)] == ["a", "b", "c"]


async def test_a_key_added_twice_comes_once(queue: Queue[str]) -> None:
    queue.add("a")
    queue.add("a")

    assert await queue.get() == "a"
    assert len(queue) == 0


async def test_16_a_key_added_while_it_is_processed_comes_again_after_it_is_done(queue: Queue[str]) -> None:
    queue.add("a")
    await queue.get()

    queue.add("a")
    assert len(queue) == 0, "it may not be in two workers"
    queue.done("a")

    assert await queue.get() == "a"


async def test_17_of_two_delays_the_earlier_counts(queue: Queue[str], clock: ManualClock) -> None:
    queue.add_after("later", 10)
    queue.add_after("later", 20)
    queue.add_after("earlier", 10)
    queue.add_after("earlier", 5)

    clock.advance(5)
    assert await queue.get() == "earlier"
    clock.advance(4.9)
    assert len(queue) == 0
    clock.advance(0.2)
    assert await queue.get() == "later"
    queue.done("later")
    clock.advance(100)

    assert len(queue) == 0, "the other delays are forgotten"


async def test_17_a_key_that_is_ready_is_not_delayed(queue: Queue[str], clock: ManualClock) -> None:
    queue.add("a")
    queue.add_after("a", 10)
    assert await queue.get() == "a"
    queue.done("a")

    clock.advance(100)

    assert len(queue) == 0


async def test_17_adding_a_delayed_key_makes_it_ready_and_ends_the_delay(queue: Queue[str], clock: ManualClock) -> None:
    queue.add_after("a", 10)
    queue.add("a")
    assert await queue.get() == "a"
    queue.done("a")

    clock.advance(100)

    assert len(queue) == 0


async def test_a_delay_that_ends_while_the_key_is_processed_brings_it_back(
    queue: Queue[str], clock: ManualClock
) -> None:
    queue.add("a")
    await queue.get()
    queue.add_after("a", 10)

    clock.advance(11)
    assert len(queue) == 0
    queue.done("a")

    assert await queue.get() == "a"


async def test_no_delay_is_an_addition(queue: Queue[str]) -> None:
    queue.add_after("a", 0)
    queue.add_after("b", -1)

    assert len(queue) == 2


async def test_a_huge_delay_is_only_a_long_one(queue: Queue[str], clock: ManualClock) -> None:
    queue.add_after("a", 1e12)
    clock.advance(1000)

    assert len(queue) == 0


async def test_a_delay_wakes_a_parked_getter(queue: Queue[str], clock: ManualClock) -> None:
    got: list[str] = []

    async def get() -> None:
        got.append(await queue.get())

    async with anyio.create_task_group() as group:
        group.start_soon(get)
        await settle()
        queue.add_after("a", 3)
        await clock.run_until(lambda: got, at_most_s=3)

    assert got == ["a"]


async def test_18_a_shutdown_ends_parked_getters_after_what_is_ready(queue: Queue[str]) -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            while True:
                queue.done(await queue.get())
        except QueueShutDown:
            ended.append("ended")

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(work)
        await settle()
        queue.add("a")
        queue.add_after("late", 10)
        queue.shut_down()

    assert ended == ["ended"] * 3
    queue.add("b")
    queue.add_after("c", 1)
    assert len(queue) == 0, "nothing is taken any more"


async def test_19_a_cancelled_getter_loses_no_key(queue: Queue[str]) -> None:
    """Cancelled in the very moment that a key woke it: the other getter must get that key."""
    doomed = asyncio.create_task(queue.get())
    other = asyncio.create_task(queue.get())
    await settle()

    queue.add("a")
    doomed.cancel()

    assert await other == "a"
    assert doomed.cancelled()


async def test_19_a_key_stays_when_the_only_getter_is_cancelled(queue: Queue[str]) -> None:
    doomed = asyncio.create_task(queue.get())
    await settle()

    queue.add("a")
    doomed.cancel()
    await settle()

    assert doomed.cancelled()
    assert len(queue) == 1
    queue.check_invariants()


async def test_a_higher_priority_goes_first_and_order_holds_within_one(queue: Queue[str]) -> None:
    for key, priority in (("low1", LOW_PRIORITY), ("a", 0), ("low2", LOW_PRIORITY), ("b", 0)):
        queue.add(key, priority)

    assert [await queue.get() for _ in range(4)] == ["a", "b", "low1", "low2"]


async def test_adding_again_raises_the_priority_and_never_lowers_it(queue: Queue[str]) -> None:
    queue.add("a", LOW_PRIORITY)
    queue.add("b", 0)
    queue.add("a", 5)
    queue.add("a", LOW_PRIORITY)

    assert await queue.get() == "a"


async def test_20_a_low_priority_is_served_now_and_then_however_much_else_there_is(queue: Queue[str]) -> None:
    queue.add("low", LOW_PRIORITY)
    served: list[str] = []
    for number in range(8):
        queue.add(f"n{number}")
        queue.add(f"m{number}")
        key = await queue.get()
        served.append(key)
        queue.done(key)

    assert "low" in served


async def test_a_retry_keeps_the_priority_it_was_fetched_with(queue: Queue[str], clock: ManualClock) -> None:
    queue.add("low", LOW_PRIORITY)
    await queue.get()
    queue.add_rate_limited("low")
    queue.done("low")
    clock.advance(1)
    queue.add("normal")

    assert await queue.get() == "normal"


async def test_a_backoff_doubles_until_it_is_forgotten(queue: Queue[str], clock: ManualClock) -> None:
    delays: list[float] = []
    for _ in range(4):
        queue.add_rate_limited("a")
        delay_s = clock.next_delay_s()
        assert delay_s is not None
        delays.append(round(delay_s, 4))
        clock.advance(delay_s)
        queue.done(await queue.get())
    assert delays == [0.005, 0.01, 0.02, 0.04]
    assert queue.num_requeues("a") == 4

    queue.forget("a")
    queue.add_rate_limited("a")

    assert clock.next_delay_s() == pytest.approx(0.005)


async def test_what_was_refused_for_hours_is_tried_every_two_minutes(queue: Queue[str], clock: ManualClock) -> None:
    for _ in range(200):
        queue.add_rate_limited("a")
        clock.advance(clock.next_delay_s() or 0)
        queue.done(await queue.get())

    queue.add_rate_limited("a")

    assert clock.next_delay_s() == pytest.approx(120)


async def test_draining_waits_for_what_is_processed(queue: Queue[str], clock: ManualClock) -> None:
    queue.add("a")
    await queue.get()
    queue.shut_down()
    results: list[bool] = []

    async def wait() -> None:
        results.append(await queue.wait_drained(60))

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await clock.run_for(30)
        assert results == []
        queue.done("a")

    assert results == [True]


async def test_draining_ends_at_its_bound_when_done_never_comes(queue: Queue[str], clock: ManualClock) -> None:
    queue.add("a")
    await queue.get()
    queue.shut_down()
    results: list[bool] = []

    async def wait() -> None:
        results.append(await queue.wait_drained(20))

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await clock.run_until(lambda: results, at_most_s=20)

    assert results == [False]


async def test_every_metric_of_the_queue_moves(queue: Queue[str], clock: ManualClock, metrics: Metrics) -> None:
    labels = {"name": "test", "controller": "test"}

    def value(name: str, **more: str) -> float | None:
        return metrics.registry.get_sample_value(name, labels | more)

    queue.add("a")
    queue.add("b", LOW_PRIORITY)
    assert value("workqueue_depth", priority="0") == 1
    assert value("workqueue_depth", priority="-100") == 1
    clock.advance(2)
    await queue.get()
    await queue.get()
    clock.advance(3)
    assert value("workqueue_unfinished_work_seconds") == 6
    assert value("workqueue_longest_running_processor_seconds") == 3
    queue.done("a")
    queue.add_rate_limited("a")

    assert value("workqueue_adds_total") == 2
    assert value("workqueue_retries_total") == 1
    assert value("workqueue_queue_duration_seconds_sum") == 4
    assert value("workqueue_work_duration_seconds_sum") == 3
    assert value("workqueue_depth", priority="0") == 0
