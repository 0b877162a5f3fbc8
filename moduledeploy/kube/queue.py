"""The workqueue: which key is to be worked on next, by whom, and when again.

Invariants, as in client-go's workqueue: a ready key is dirty; a key that is being processed is never ready; so no key is
ever in two workers, and a key added while it is processed comes again afterwards. Dirty is kept implicitly: a key is dirty
when it is ready, or when it is in `_again`.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import attrs

from moduledeploy.runtime.backoff import Backoff
from moduledeploy.runtime.clock import Clock, SystemClock, move_on_after

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from prometheus_client import Gauge

    from moduledeploy.runtime.clock import Timer
    from moduledeploy.runtime.metrics import QueueMetrics

K = TypeVar("K", bound="Hashable")

# controller-runtime, pkg/handler: what a first listing and resyncs enqueue must not delay what people just did.
LOW_PRIORITY: Final = -100
# client-go's item limiter, 5 ms doubling, but up to 2 minutes and not 1000 s: a right, a quota or a definition that comes back
# is no event of ours, so the cap is how late that is noticed. Jitter is ours too, so that keys that failed together part.
RETRY: Final = Backoff(base_s=0.005, cap_s=120.0, jitter=0.2)
# Each so many gets the longest waiting key of a lower level is served (controller-runtime #3496 starves it).
_AGING_EVERY: Final = 8


class QueueShutDown(Exception):
    """Raised by `get` when the queue was shut down and nothing is left in it."""


@attrs.define
class _Ready:
    priority: int
    since: float
    seq: int


@attrs.frozen
class _Work:
    priority: int
    began_at: float


@attrs.frozen(order=True)
class _Due:
    at: float
    seq: int
    key: object = attrs.field(order=False)


class Queue(Generic[K]):
    """Single-loop and lock-free: everything but `get` and `wait_drained` is plain, so atomic.

    Unbounded in keys, but a key is in it at most once; the number of objects is the bound.
    """

    def __init__(
        self,
        *,
        name: str,
        metrics: QueueMetrics,
        clock: Clock | None = None,
        retry: Backoff = RETRY,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.name: Final = name
        self._clock: Final[Clock] = clock or SystemClock()
        self._retry: Final = retry
        self._draw: Final = draw
        self._metrics: Final = _Meters(name, metrics, self)
        self._ready: Final[dict[K, _Ready]] = {}
        self._levels: Final[dict[int, OrderedDict[K, None]]] = {}
        self._processing: Final[dict[K, _Work]] = {}
        self._again: Final[dict[K, int]] = {}
        self._delayed: Final[dict[K, tuple[_Due, int]]] = {}
        self._heap: Final[list[_Due]] = []
        self._timer: Timer | None = None
        self._timer_at = float("inf")
        self._failures: Final[dict[K, int]] = {}
        self._getters: Final[deque[asyncio.Future[None]]] = deque()
        self._drained: Final[list[asyncio.Future[None]]] = []
        self._seq = 0
        self._gets = 0
        self._is_shut_down = False

    def __len__(self) -> int:
        """Keys that are ready."""
        return len(self._ready)

    def add(self, key: K, priority: int = 0) -> None:
        """Have `key` worked on soon; once, however often it is added before. The highest priority given counts."""
        if self._is_shut_down:
            return
        self._metrics.adds.inc()
        self._drop_delayed(key)
        self._make_ready(key, priority)

    def add_after(self, key: K, delay_s: float, priority: int = 0) -> None:
        """Add `key` in `delay_s` seconds; of several calls the earliest and the highest priority count."""
        if self._is_shut_down:
            return
        self._metrics.retries.inc()
        if delay_s <= 0:
            self.add(key, priority)
            return
        if (ready := self._ready.get(key)) is not None:
            self._raise_priority(key, ready, priority)
            return
        due = _Due(self._clock.monotonic() + delay_s, self._next_seq(), key)
        if (known := self._delayed.get(key)) is not None:
            earlier = min(known[0], due)
            self._delayed[key] = (earlier, max(known[1], priority))
            if earlier is known[0]:
                return
        else:
            self._delayed[key] = (due, priority)
        heapq.heappush(self._heap, due)
        self._arm()

    def add_rate_limited(self, key: K) -> None:
        """Add `key` after its backoff, which doubles with each call until `forget`, at the priority it was fetched with."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        work = self._processing.get(key)
        self.add_after(key, self._retry.delay_s(failures, self._draw()), work.priority if work else 0)

    def forget(self, key: K) -> None:
        """Start the backoff of `key` anew: it succeeded, or trying again is of no use."""
        self._failures.pop(key, None)

    def num_requeues(self, key: K) -> int:
        """Calls of `add_rate_limited` since the last `forget`."""
        return self._failures.get(key, 0)

    def priority_of(self, key: K) -> int:
        """Priority at which `key`, which is being processed, was fetched; 0 for any other."""
        work = self._processing.get(key)
        return work.priority if work else 0

    async def get(self) -> K:
        """Wait for a key and take it; the caller owes one `done`. Raises QueueShutDown when there will be none."""
        while not self._ready:
            if self._is_shut_down:
                raise QueueShutDown(self.name)
            await self._wait_ready()
        return self._pop()

    def done(self, key: K) -> None:
        """End the work on a key from `get`; if it was added meanwhile, it is ready again."""
        work = self._processing.pop(key)
        self._metrics.work_duration.observe(self._clock.monotonic() - work.began_at)
        if key in self._again:
            # The pass that comes now decides anew when the next one is due.
            self._drop_delayed(key)
            self._make_ready(key, self._again.pop(key))
        self._tell_drained()

    def shut_down(self) -> None:
        """Take nothing more, forget what is delayed; what is ready is still given out, then getters end."""
        self._is_shut_down = True
        self._delayed.clear()
        self._heap.clear()
        self._arm()
        while self._getters:
            self._wake_one()
        self._tell_drained()

    async def wait_drained(self, timeout_s: float) -> bool:
        """Wait until nothing is ready or processed; False when that takes longer than `timeout_s`."""
        with move_on_after(self._clock, timeout_s) as scope:
            while self._ready or self._processing:
                future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._drained.append(future)
                await future
        return not scope.cancelled_caught

    def unfinished_s(self) -> float:
        """Sum of the ages of the work in progress, in seconds."""
        now = self._clock.monotonic()
        return sum(now - work.began_at for work in tuple(self._processing.values()))

    def longest_running_s(self) -> float:
        """Age of the oldest work in progress, in seconds."""
        now = self._clock.monotonic()
        return max((now - work.began_at for work in tuple(self._processing.values())), default=0.0)

    def check_invariants(self) -> None:
        """Raise AssertionError unless the parts agree with each other."""
        in_levels = {key: level for level, keys in self._levels.items() for key in keys}
        assert in_levels == {key: ready.priority for key, ready in self._ready.items()}
        assert not self._ready.keys() & self._processing.keys(), "ready while processed"
        assert self._again.keys() <= self._processing.keys(), "dirty but lost"
        assert not self._delayed.keys() & self._ready.keys(), "delayed though ready"
        assert {due for due, _ in self._delayed.values()} <= set(self._heap)
        assert not self._delayed or self._timer_at <= self._heap[0].at

    def _make_ready(self, key: K, priority: int) -> None:
        if key in self._processing:
            self._again[key] = max(priority, self._again.get(key, priority))
            return
        if (ready := self._ready.get(key)) is not None:
            self._raise_priority(key, ready, priority)
            return
        self._ready[key] = _Ready(priority, self._clock.monotonic(), self._next_seq())
        self._level(priority)[key] = None
        self._metrics.depth(priority).inc()
        self._wake_one()

    def _raise_priority(self, key: K, ready: _Ready, priority: int) -> None:
        if priority <= ready.priority:
            return
        del self._levels[ready.priority][key]
        self._metrics.depth(ready.priority).dec()
        ready.priority, ready.seq = priority, self._next_seq()
        self._level(priority)[key] = None
        self._metrics.depth(priority).inc()

    def _level(self, priority: int) -> OrderedDict[K, None]:
        return self._levels.setdefault(priority, OrderedDict())

    def _pop(self) -> K:
        self._gets += 1
        waiting = [priority for priority, keys in self._levels.items() if keys]
        priority = max(waiting)
        if self._gets % _AGING_EVERY == 0 and len(waiting) > 1:
            lower = (level for level in waiting if level != priority)
            priority = min(lower, key=lambda level: self._ready[next(iter(self._levels[level]))].seq)
        key, _ = self._levels[priority].popitem(last=False)
        ready = self._ready.pop(key)
        now = self._clock.monotonic()
        self._processing[key] = _Work(priority, now)
        self._metrics.depth(priority).dec()
        self._metrics.queue_duration.observe(now - ready.since)
        return key

    async def _wait_ready(self) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._getters.append(future)
        try:
            await future
        except asyncio.CancelledError:
            # Woken and cancelled at once: the key is still there, so the wake-up must go to somebody else.
            if future.done() and not future.cancelled():
                self._wake_one()
            elif future in self._getters:
                self._getters.remove(future)
            raise

    def _wake_one(self) -> None:
        while self._getters:
            future = self._getters.popleft()
            if not future.done():
                future.set_result(None)
                return

    def _tell_drained(self) -> None:
        if not self._ready and not self._processing:
            for future in self._drained:
                if not future.done():
                    future.set_result(None)
            self._drained.clear()

    def _drop_delayed(self, key: K) -> None:
        # What stays in the heap is recognised as stale by not being in the map.
        self._delayed.pop(key, None)

    def _arm(self) -> None:
        """Keep exactly one timer, set to the head of the heap."""
        while self._heap and not self._is_current(self._heap[0]):
            heapq.heappop(self._heap)
        at = self._heap[0].at if self._heap else float("inf")
        if at == self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = at
        if self._heap:
            self._timer = self._clock.call_later(at - self._clock.monotonic(), self._release_due)

    def _release_due(self) -> None:
        self._timer, self._timer_at = None, float("inf")
        now = self._clock.monotonic()
        while self._heap and (self._heap[0].at <= now or not self._is_current(self._heap[0])):
            due = heapq.heappop(self._heap)
            if self._is_current(due):
                key: K = due.key  # type: ignore[assignment]  # the heap holds keys of this queue alone
                _, priority = self._delayed.pop(key)
                self._metrics.adds.inc()
                self._make_ready(key, priority)
        self._arm()

    def _is_current(self, due: _Due) -> bool:
        known = self._delayed.get(due.key)  # type: ignore[arg-type]  # as above
        return known is not None and known[0] is due

    def _next_seq(self) -> int:
        self._seq += 1
        return self._seq


class _Meters:
    """The queue's metric children, looked up once."""

    def __init__(self, name: str, metrics: QueueMetrics, queue: Queue[K]) -> None:
        labels = (name, name)
        self._name: Final = name
        self._depth: Final = metrics.depth
        self._depths: Final = {0: metrics.depth.labels(name, name, "0")}
        self.adds: Final = metrics.adds.labels(*labels)
        self.retries: Final = metrics.retries.labels(*labels)
        self.queue_duration: Final = metrics.queue_duration.labels(*labels)
        self.work_duration: Final = metrics.work_duration.labels(*labels)
        metrics.unfinished.labels(*labels).set_function(queue.unfinished_s)
        metrics.longest_running.labels(*labels).set_function(queue.longest_running_s)

    def depth(self, priority: int) -> Gauge:
        child = self._depths.get(priority)
        if child is None:
            child = self._depths[priority] = self._depth.labels(self._name, self._name, str(priority))
        return child
