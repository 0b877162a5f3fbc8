from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moduledeploy.runtime.backoff import Backoff, BackoffCounter
from tests.clock import ManualClock


@given(
    st.integers(0, 10_000),
    st.floats(0, 1, exclude_max=True),
    st.floats(0.001, 10),
    st.floats(0.001, 1000),
    st.floats(0, 1),
)
def test_a_delay_is_never_negative_and_never_above_its_cap(
    attempt: int, draw: float, base_s: float, cap_s: float, jitter: float
) -> None:
    delay_s = Backoff(base_s=base_s, cap_s=cap_s, jitter=jitter).delay_s(attempt, draw)

    assert 0 <= delay_s <= cap_s


def test_delays_double_up_to_the_cap() -> None:
    policy = Backoff(base_s=0.8, cap_s=30)

    assert [policy.delay_s(attempt, 0) for attempt in range(7)] == [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30]


def test_jitter_takes_off_at_most_its_part() -> None:
    policy = Backoff(base_s=10, cap_s=10, jitter=0.5)

    assert policy.delay_s(0, 0.0) == 10
    assert policy.delay_s(0, 0.999999) == pytest.approx(5, rel=1e-5)


def test_a_counter_starts_over_after_a_reset_and_after_a_quiet_time() -> None:
    clock = ManualClock()
    counter = BackoffCounter(policy=Backoff(base_s=1, cap_s=30), clock=clock, draw=lambda: 0.0)
    assert [counter.next_delay_s() for _ in range(3)] == [1, 2, 4]
    assert counter.attempts == 3

    counter.reset()
    assert counter.next_delay_s() == 1
    counter.next_delay_s()
    clock.advance(100)
    assert counter.next_delay_s() == 4, "the quiet time counts from the end of the wait"
    clock.advance(200)

    assert counter.next_delay_s() == 1
