"""The queue against a model that is too simple to be wrong, over 100 000 operations."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from moduledeploy.kube.queue import Queue
from moduledeploy.runtime.backoff import Backoff
from moduledeploy.runtime.metrics import Metrics
from tests.clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import Coroutine

KEYS = st.sampled_from("abcdefgh")
PRIORITIES = st.sampled_from([-100, 0, 7])
DELAYS = st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0, 30.0])


@attrs.define
class Model:
    """What a queue is: keys that are ready with a priority and a rank, keys being processed, keys due later."""

    now: float
    ready: dict[str, tuple[int, int]] = attrs.field(factory=dict)
    processing: dict[str, int] = attrs.field(factory=dict)
    again: dict[str, int] = attrs.field(factory=dict)
    due: dict[str, tuple[float, int]] = attrs.field(factory=dict)
    failures: dict[str, int] = attrs.field(factory=dict)
    rank: int = 0
    gets: int = 0

    def add(self, key: str, priority: int) -> None:
        self.due.pop(key, None)
        self.make_ready(key, priority)

    def make_ready(self, key: str, priority: int) -> None:
        self.rank += 1
        if key in self.processing:
            self.again[key] = max(priority, self.again.get(key, priority))
        elif key not in self.ready or priority > self.ready[key][0]:
            self.ready[key] = (priority, self.rank)

    def add_after(self, key: str, delay_s: float, priority: int) -> None:
        if delay_s <= 0:
            self.add(key, priority)
        elif key in self.ready:
            self.make_ready(key, priority)
        else:
            at, before = self.due.get(key, (self.now + delay_s, priority))
            self.due[key] = (min(at, self.now + delay_s), max(before, priority))

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while due := [(at, key) for key, (at, _) in self.due.items() if at <= end]:
            at, key = min(due, key=lambda entry: entry[0])
            self.now = max(self.now, at)
            self.make_ready(key, self.due.pop(key)[1])
        self.now = end

    def get(self) -> str:
        self.gets += 1
        top = max(priority for priority, _ in self.ready.values())
        lower = [key for key, (priority, _) in self.ready.items() if priority != top]
        candidates = lower if self.gets % 8 == 0 and lower else [key for key in self.ready if key not in lower]
        key = min(candidates, key=lambda key: self.ready[key][1])
        self.processing[key] = self.ready.pop(key)[0]
        return key

    def done(self, key: str) -> None:
        del self.processing[key]
        if key in self.again:
            self.due.pop(key, None)
            self.make_ready(key, self.again.pop(key))


class QueueMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.queue: Queue[str] = Queue(
            name="model",
            metrics=Metrics().queue,
            clock=self.clock,
            retry=Backoff(base_s=0.5, cap_s=4.0),
            draw=lambda: 0.0,
        )
        self.model = Model(self.clock.now)

    @rule(key=KEYS, priority=PRIORITIES)
    def add(self, key: str, priority: int) -> None:
        self.queue.add(key, priority)
        self.model.add(key, priority)

    @rule(key=KEYS, delay_s=DELAYS, priority=PRIORITIES)
    def add_after(self, key: str, delay_s: float, priority: int) -> None:
        # Distinct moments: the order of two keys due at the same one is nobody's promise.
        if delay_s > 0:
            self.advance(0.001)
        self.queue.add_after(key, delay_s, priority)
        self.model.add_after(key, delay_s, priority)

    @rule(key=KEYS)
    def add_rate_limited(self, key: str) -> None:
        self.advance(0.001)
        failures = self.model.failures.get(key, 0)
        self.model.failures[key] = failures + 1
        self.queue.add_rate_limited(key)
        self.model.add_after(key, min(4.0, 0.5 * 2.0**failures), self.model.processing.get(key, 0))

    @rule(key=KEYS)
    def forget(self, key: str) -> None:
        self.queue.forget(key)
        self.model.failures.pop(key, None)

    @rule(seconds=st.sampled_from([0.1, 0.5, 1.0, 40.0]))
    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.model.advance(seconds)

    @precondition(lambda self: self.model.ready)
    @rule()
    def get(self) -> None:
        assert _result(self.queue.get()) == self.model.get()

    @precondition(lambda self: self.model.processing)
    @rule(pick=st.integers(min_value=0))
    def done(self, pick: int) -> None:
        key = sorted(self.model.processing)[pick % len(self.model.processing)]
        self.queue.done(key)
        self.model.done(key)

    @invariant()
    def agrees(self) -> None:
        self.queue.check_invariants()
        assert len(self.queue) == len(self.model.ready)
        for key in "abcdefgh":
            assert self.queue.num_requeues(key) == self.model.failures.get(key, 0)


def _result(coroutine: Coroutine[object, None, str]) -> str:
    """Result of a `get` that doesn't have to wait."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: str = stop.value
        return result
    raise AssertionError("a getter waits though a key is ready")


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)


def test_21_a_hundred_thousand_random_operations_agree_with_the_model() -> None:
    """One long life: what hypothesis's many short ones would not reach."""
    seed = random.randrange(2**32)
    try:
        asyncio.run(_live(QueueMachine(), random.Random(seed), 100_000))
    except AssertionError as error:
        error.add_note(f"seed {seed}")
        raise


async def _live(machine: QueueMachine, rng: random.Random, operations: int) -> None:
    for number in range(operations):
        match rng.randrange(8):
            case 0 | 1:
                machine.add(rng.choice("abcdefgh"), rng.choice([-100, 0, 7]))
            case 2:
                machine.add_after(
                    rng.choice("abcdefgh"), rng.choice([-1.0, 0.0, 0.5, 1.0, 2.0, 30.0]), rng.choice([-100, 0, 7])
                )
            case 3:
                machine.add_rate_limited(rng.choice("abcdefgh"))
            case 4:
                machine.forget(rng.choice("abcdefgh"))
            case 5:
                machine.advance(rng.choice([0.01, 0.1, 1.0]))
            case 6 if machine.model.ready:
                machine.get()
            case _ if machine.model.processing:
                machine.done(rng.randrange(100))
        if number % 50 == 0:
            machine.agrees()
    machine.agrees()
