"""What becomes of a key after its reconcile, told by what the worker does next."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import attrs
import pytest
import structlog
from structlog.testing import capture_logs

from moduledeploy.kube.errors import Conflict, Forbidden, ServerError
from moduledeploy.kube.queue import Queue
from moduledeploy.kube.worker import Done, RequeueAfter, Terminal, run_workers
from moduledeploy.runtime.metrics import Metrics
from tests.clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

Outcome = Done | RequeueAfter | Exception


@attrs.define
class Rig:
    clock: ManualClock
    metrics: Metrics
    queue: Queue[str]
    passes: list[tuple[str, float]]

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, {"controller": "test"} | labels)


@asynccontextmanager
async def working(
    *outcomes: Outcome | Callable[[], Awaitable[Done]], count: int = 1, timeout_s: float = 30
) -> AsyncIterator[Rig]:
    """Workers whose passes end as `outcomes` say, and well after that."""
    clock, metrics = ManualClock(), Metrics()
    queue: Queue[str] = Queue(name="test", metrics=metrics.queue, clock=clock, draw=lambda: 0.0)
    rig = Rig(clock, metrics, queue, [])
    script = list(outcomes)
    began_at = clock.now

    async def reconcile(key: str) -> Done | RequeueAfter:
        rig.passes.append((key, round(clock.now - began_at, 3)))
        match script.pop(0) if script else Done():
            case Done() | RequeueAfter() as result:
                return result
            case Exception() as error:
                raise error
            case call:
                return await call()

    async with anyio.create_task_group() as group:
        group.start_soon(
            lambda: run_workers(
                queue, reconcile, count=count, timeout_s=timeout_s, metrics=metrics.reconcile, clock=clock
            )
        )
        yield rig
        group.cancel_scope.cancel()


async def test_done_is_done() -> None:
    async with working(Done()) as rig:
        rig.queue.add("a")
        await rig.clock.run_for(1000)

        assert rig.passes == [("a", 0)]
        assert rig.value("controller_runtime_reconcile_total", result="success") == 1


async def test_a_failed_key_comes_again_with_a_growing_delay() -> None:
    async with working(ServerError("no"), ValueError("no"), ServerError("no"), Done()) as rig:
        rig.queue.add("a")
        await rig.clock.run_for(1000)

        assert rig.passes == [("a", 0), ("a", 0.005), ("a", 0.015), ("a", 0.035)]
        assert rig.queue.num_requeues("a") == 0, "success forgets the failures"
        assert rig.value("controller_runtime_reconcile_errors_total") == 3
        assert rig.value("controller_runtime_reconcile_panics_total") == 1


async def test_requeue_after_is_kept_and_is_no_failure() -> None:
    async with working(RequeueAfter(30), Done()) as rig:
        rig.queue.add("a")
        await rig.clock.run_for(1000)

        assert rig.passes == [("a", 0), ("a", 30)]
        assert rig.value("controller_runtime_reconcile_total", result="requeue_after") == 1
        assert rig.value("controller_runtime_reconcile_errors_total") == 0


async def test_a_change_during_the_pass_overtakes_the_requeue() -> None:
    async with working(RequeueAfter(0), Done()) as rig:
        rig.queue.add("a")
        await rig.clock.run_for(10)

        assert rig.passes == [("a", 0), ("a", 0)]


async def test_a_terminal_error_is_not_tried_again_until_something_changes() -> None:
    async with working(Terminal("bad spec"), Done()) as rig:
        rig.queue.add("a")
        await rig.clock.run_for(10_000)
        assert len(rig.passes) == 1
        assert rig.value("controller_runtime_terminal_reconcile_errors_total") == 1

        rig.queue.add("a")
        await rig.clock.run_for(0)

        assert len(rig.passes) == 2


async def test_24_a_storm_of_conflicts_converges_without_counting_as_errors() -> None:
    async with working(*[Conflict("changed")] * 6, Done()) as rig:
        rig.queue.add("a")
        await rig.clock.run_for(10)

        assert len(rig.passes) == 7
        assert rig.value("controller_runtime_reconcile_errors_total") == 0
        assert rig.value("controller_runtime_reconcile_total", result="requeue") == 6


async def test_a_pass_that_doesnt_end_is_cut_off_and_tried_again() -> None:
    async def hang() -> Done:
        await anyio.sleep_forever()
        return Done()

    async with working(hang, Done()) as rig:
        rig.queue.add("a")
        await rig.clock.run_for(100)

        assert rig.passes == [("a", 0), ("a", 30.005)]
        assert rig.value("controller_runtime_reconcile_timeouts_total") == 1


async def test_32_a_slow_key_holds_one_worker_and_no_other_key() -> None:
    release = anyio.Event()

    async def wait() -> Done:
        await release.wait()
        return Done()

    async with working(wait, Done(), Done(), count=2) as rig:
        rig.queue.add("slow")
        for key in "abc":
            rig.queue.add(key)
        await rig.clock.run_for(0)

        assert [key for key, _ in rig.passes] == ["slow", "a", "b", "c"]
        assert rig.value("controller_runtime_active_workers") == 1
        release.set()


async def test_a_key_is_never_in_two_workers() -> None:
    running: list[int] = []

    async def overlap() -> Done:
        running.append(1)
        await anyio.sleep_forever()
        return Done()

    async with working(overlap, overlap, count=4, timeout_s=5) as rig:
        rig.queue.add("a")
        await rig.clock.run_for(0)
        rig.queue.add("a")
        await rig.clock.run_for(0)

        assert running == [1]


async def test_cancelling_a_worker_gives_its_key_back() -> None:
    async def hang() -> Done:
        await anyio.sleep_forever()
        return Done()

    async with working(hang) as rig:
        rig.queue.add("a")
        await rig.clock.run_for(0)
    assert rig.queue.unfinished_s() == 0
    assert rig.value("controller_runtime_active_workers") == 0


async def test_workers_end_when_the_queue_is_shut_down_and_empty() -> None:
    clock, metrics = ManualClock(), Metrics()
    queue: Queue[str] = Queue(name="test", metrics=metrics.queue, clock=clock)
    done: list[str] = []

    async def reconcile(key: str) -> Done:
        done.append(key)
        return Done()

    queue.add("a")
    queue.add("b")
    queue.shut_down()
    await run_workers(queue, reconcile, count=3, timeout_s=10, metrics=metrics.reconcile, clock=clock)

    assert done == ["a", "b"]


async def test_logs_of_a_pass_say_whose_it_is() -> None:
    log = structlog.get_logger()

    async def say() -> Done:
        log.info("hello")
        return Done()

    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        async with working(say) as rig:
            rig.queue.add("default/a")
            await rig.clock.run_for(0)

    (entry,) = [entry for entry in logs if entry["event"] == "hello"]
    assert entry["controller"] == "test"
    assert entry["key"] == "default/a"
    assert len(entry["reconcile_id"]) == 12


async def test_a_failure_that_lasts_is_not_logged_at_every_try() -> None:
    with capture_logs() as logs:
        async with working(*[Forbidden("no")] * 12) as rig:
            rig.queue.add("default/a")
            await rig.clock.run_for(60)

    assert [entry["tries"] for entry in logs if entry["event"] == "reconcile failed"] == [1, 8]


@pytest.mark.parametrize("result", ["success", "error", "requeue_after", "requeue"])
async def test_every_result_is_there_from_the_start(result: str) -> None:
    async with working() as rig:
        await rig.clock.run_for(0)

        assert rig.value("controller_runtime_reconcile_total", result=result) == 0
        assert rig.value("controller_runtime_max_concurrent_reconciles") == 1
