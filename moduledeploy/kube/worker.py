"""Workers: take a key, reconcile it, decide from what came of it when it is looked at again."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final, TypeVar

import anyio
import attrs
import structlog

from moduledeploy.kube.errors import ApiError, Conflict, KubeError
from moduledeploy.kube.queue import Queue, QueueShutDown
from moduledeploy.runtime.clock import Clock, SystemClock, move_on_after
from moduledeploy.runtime.metrics import RECONCILE_RESULTS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from moduledeploy.runtime.metrics import ReconcileMetrics

_log: Final = structlog.get_logger()
# Of failures in a row the first, every eighth, and after two eights all are logged: by then minutes lie between them.
_TOLD_EVERY: Final = 8
K = TypeVar("K", bound="Hashable")


@attrs.frozen
class Done:
    """Nothing is left to do until something changes."""


@attrs.frozen
class RequeueAfter:
    """Look again in `delay_s` seconds, whatever happens; no failure."""

    delay_s: float


class Terminal(Exception):
    """Raised by a reconcile that no retry can help; the key comes again when something changes."""


async def run_workers(
    queue: Queue[K],
    reconcile: Callable[[K], Awaitable[Done | RequeueAfter]],
    *,
    count: int,
    timeout_s: float,
    metrics: ReconcileMetrics,
    clock: Clock | None = None,
) -> None:
    """Reconcile keys with `count` workers until the queue is shut down and empty.

    A key fails by any exception or after `timeout_s` seconds and comes again with its backoff; only cancellation ends a
    worker. Logs inside a reconcile carry the controller, the key and an id of the pass.
    """
    worker = _Worker(queue.name, timeout_s, metrics, clock or SystemClock())
    metrics.workers.labels(queue.name).set(count)
    async with anyio.create_task_group() as group:
        for _ in range(count):
            group.start_soon(worker.run, queue, reconcile)


class _Worker:
    def __init__(self, controller: str, timeout_s: float, metrics: ReconcileMetrics, clock: Clock) -> None:
        self._controller: Final = controller
        self._timeout_s: Final = timeout_s
        self._clock: Final = clock
        self._results: Final = {result: metrics.total.labels(controller, result) for result in RECONCILE_RESULTS}
        self._errors: Final = metrics.errors.labels(controller)
        self._terminal: Final = metrics.terminal_errors.labels(controller)
        self._panics: Final = metrics.panics.labels(controller)
        self._timeouts: Final = metrics.timeouts.labels(controller)
        self._time: Final = metrics.time.labels(controller)
        self._active: Final = metrics.active_workers.labels(controller)

    async def run(self, queue: Queue[K], reconcile: Callable[[K], Awaitable[Done | RequeueAfter]]) -> None:
        while True:
            try:
                key = await queue.get()
            except QueueShutDown:
                return
            self._active.inc()
            began_at = self._clock.monotonic()
            # A worker is a task with a context of its own: what the next pass binds replaces this.
            structlog.contextvars.bind_contextvars(
                controller=self._controller, key=str(key), reconcile_id=f"{random.getrandbits(48):012x}"
            )
            try:
                await self._work_on(key, queue, reconcile)
            finally:
                self._active.dec()
                self._time.observe(self._clock.monotonic() - began_at)
                queue.done(key)

    async def _work_on(self, key: K, queue: Queue[K], reconcile: Callable[[K], Awaitable[Done | RequeueAfter]]) -> None:
        """Run one pass and decide about the key before `done`; only cancellation comes out of here."""
        try:
            with move_on_after(self._clock, self._timeout_s) as scope:
                result = await reconcile(key)
            if scope.cancelled_caught:
                self._timeouts.inc()
                self._fail(key, queue, TimeoutError(f"no end within {self._timeout_s:g} s"))
                return
        except Terminal as error:
            self._terminal.inc()
            self._errors.inc()
            self._results["error"].inc()
            queue.forget(key)
            _log.error("reconcile failed for good", error=str(error))
            return
        except Exception as error:
            self._fail(key, queue, error)
            return
        queue.forget(key)
        match result:
            case RequeueAfter(delay_s=delay_s):
                self._results["requeue_after"].inc()
                queue.add_after(key, delay_s, queue.priority_of(key))
            case Done():
                self._results["success"].inc()

    def _fail(self, key: K, queue: Queue[K], error: Exception) -> None:
        queue.add_rate_limited(key)
        if isinstance(error, Conflict):
            # Somebody else wrote first: the next pass reads anew. This is how it is meant to work, not an error.
            self._results["requeue"].inc()
            _log.debug("reconcile lost a race", error=str(error), tries=queue.num_requeues(key))
            return
        self._errors.inc()
        self._results["error"].inc()
        tries = queue.num_requeues(key)
        is_told = tries == 1 or tries % _TOLD_EVERY == 0 or tries > 2 * _TOLD_EVERY
        if not isinstance(error, KubeError | TimeoutError):
            self._panics.inc()
            if is_told:
                _log.error("reconcile failed", exc_info=error, tries=tries)
        elif is_told:
            audit_id = error.audit_id if isinstance(error, ApiError) else ""
            _log.warning("reconcile failed", error=str(error), tries=tries, audit_id=audit_id)
