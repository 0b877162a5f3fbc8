"""The one budget."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moduledeploy.api.spec import Percent
from moduledeploy.rollout.budget import Budget, resolve_max_unavailable


@pytest.mark.parametrize(
    ("limit", "desired", "takes_away", "resolved"),
    [
        (Percent(25), 10, False, 2),
        (Percent(25), 3, False, 0),
        (Percent(25), 3, True, 1),
        (Percent(100), 3, False, 3),
        (Percent(0), 3, False, 0),
        (Percent(1), 0, True, 0),
        (5, 3, False, 3),
        (0, 3, False, 0),
    ],
)
def test_a_percentage_is_rounded_down_and_never_blocks_what_must_take_away(
    limit: int | Percent, desired: int, takes_away: bool, resolved: int
):
    assert resolve_max_unavailable(limit, desired, takes_away=takes_away) == resolved


@settings(deadline=None)  # how long it takes says more of the machine
@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 60), st.integers(0, 80))
def test_no_number_of_steps_gets_below_the_floor(desired: int, limit: int, available: int, steps: int):
    limit = min(limit, desired)
    budget = Budget(desired=desired, max_unavailable=limit, available=available)

    taken = sum(budget.take() for _ in range(steps))

    assert taken == 0 or available - taken >= desired - limit
    assert taken == steps or available - taken <= desired - limit
