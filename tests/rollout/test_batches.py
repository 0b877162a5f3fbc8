"""Sizes of batches, first by the examples that the field's documentation gives, then by what always holds."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moduledeploy.api.spec import Strategy
from moduledeploy.api.status import Deadline, Release, ReleaseKind
from moduledeploy.rollout.batches import batches_left, resize, split


@pytest.mark.parametrize(
    ("replicas", "batch_count", "use_beta", "sizes"),
    [
        (10, 4, True, (1, 3, 3, 3)),
        (10, 4, False, (2, 2, 3, 3)),
        (6, 4, False, (1, 1, 2, 2)),
        (9, 8, False, (1, 1, 1, 1, 1, 1, 1, 2)),
        (2, 3, True, (1, 1)),
        (3, 5, False, (1, 1, 1)),
        (1, 2, True, (1,)),
        (0, 4, True, ()),
    ],
)
def test_sizes_differ_by_at_most_one_smaller_first(
    replicas: int, batch_count: int, use_beta: bool, sizes: tuple[int, ...]
):
    strategy = Strategy(batch_count=batch_count, use_beta=use_beta)

    assert batches_left(replicas, strategy, ReleaseKind.DEPLOY, opened=0) == sizes


@settings(deadline=None)  # how long it takes says more of the machine
@given(st.integers(0, 500), st.integers(1, 60))
def test_a_split_is_whole_even_and_without_empty_batches(replicas: int, parts: int):
    sizes = split(replicas, parts)

    assert sum(sizes) == replicas
    assert len(sizes) == min(replicas, parts)
    assert list(sizes) == sorted(sizes)
    assert not sizes or sizes[-1] - sizes[0] <= 1


@settings(deadline=None)  # how long it takes says more of the machine
@given(st.integers(1, 200), st.integers(1, 30), st.booleans(), st.integers(0, 30))
def test_planning_the_rest_anew_gives_what_was_planned_at_first(
    replicas: int, batch_count: int, beta: bool, opened: int
):
    strategy = Strategy(batch_count=batch_count, use_beta=beta and batch_count > 1)
    planned = batches_left(replicas, strategy, ReleaseKind.DEPLOY, opened=0)
    release = Release(
        revision="r",
        batches=planned,
        current_batch=min(opened, len(planned)),
        transition_at=0,
        started_at=0,
        deadline=Deadline(progressed_at=0),
    )

    assert resize(release, strategy, replicas).batches == planned


@settings(deadline=None)  # how long it takes says more of the machine
@given(st.integers(1, 100), st.integers(0, 100), st.integers(1, 20), st.integers(1, 20), st.integers(0, 20))
def test_another_size_or_strategy_leaves_opened_batches_alone(
    before: int, after: int, count: int, other: int, opened: int
):
    planned = batches_left(before, Strategy(batch_count=count), ReleaseKind.DEPLOY, opened=0)
    opened = min(opened, len(planned))
    release = Release(
        revision="r",
        batches=planned,
        current_batch=opened,
        transition_at=0,
        started_at=0,
        deadline=Deadline(progressed_at=0),
    )

    resized = resize(release, Strategy(batch_count=other), after)

    assert resized.batches[:opened] == planned[:opened]
    assert sum(resized.batches) == max(after, sum(planned[:opened]))
    assert attrs.evolve(resized, batches=planned) == release


def test_scaling_is_one_batch_unless_asked_for_in_batches():
    assert batches_left(5, Strategy(batch_count=3, use_beta=True), ReleaseKind.SCALE, opened=0) == (5,)
    assert batches_left(5, Strategy(batch_count=3, use_beta=True, batch_scaling=True), ReleaseKind.SCALE, opened=0) == (
        1,
        2,
        2,
    )
