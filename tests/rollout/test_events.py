"""One event per transition, and none for what didn't happen."""

from __future__ import annotations

import pytest

from moduledeploy.api.times import encode_time
from tests.rollout.world import World


def world(**strategy: object) -> World:
    made = World()
    made.add_bases(4)
    made.edit(replicas=4)
    made.strategy(**strategy)
    made.template("1")
    return made


@pytest.mark.parametrize(
    "obstacle",
    [{"conflict": "another family is older"}, {"refusal": "scheme ftp is not allowed"}, {"has_base_deployment": False}],
    ids=lambda obstacle: next(iter(obstacle)),
)
def test_a_rollout_that_may_not_start_has_not_started(obstacle: dict[str, object]) -> None:
    made = world()
    for name, value in obstacle.items():
        setattr(made, name, value)

    made.settle()
    while_held = made.reasons()
    made.conflict = made.refusal = None
    made.has_base_deployment = True
    made.settle()

    assert "RolloutStarted" not in while_held
    assert "BatchStarted" not in while_held
    assert made.reasons()[-4:] == ["RolloutStarted", "BatchStarted", "BatchCompleted", "RolloutCompleted"]


def test_a_life_in_events() -> None:
    made = world(batchCount=2, needConfirm=True, grayTime=30)
    made.settle()
    made.edit(pause=False)
    made.run(31)
    made.edit(replicas=2)
    made.settle()
    made.edit(replicas=3)
    made.settle()
    made.bad.add("2")
    made.template("2")
    made.settle()
    made.template("1")
    made.settle()

    assert [(event.reason, event.note) for event in made.events if event.reason.startswith("Rollout")] == [
        ("RolloutStarted", "orders-6qtnk4xhjc in batches of 2, 2"),
        ("RolloutCompleted", "all replicas are of orders-6qtnk4xhjc and available"),
        ("RolloutCompleted", "all replicas are of orders-6qtnk4xhjc and available"),
        ("RolloutCompleted", "all replicas are of orders-6qtnk4xhjc and available"),
        ("RolloutStarted", "orders-dg2kmdfr74 in batches of 1, 2"),
        ("RolloutSuperseded", "orders-dg2kmdfr74 gives way to orders-6qtnk4xhjc"),
        ("RolloutStarted", "orders-6qtnk4xhjc has its replicas already"),
        ("RolloutCompleted", "all replicas are of orders-6qtnk4xhjc and available"),
    ]
    assert [event.note for event in made.events if event.reason.startswith("Scaled")] == [
        "from 4 to 2 replicas of orders-6qtnk4xhjc",
        "from 2 to 3 replicas of orders-6qtnk4xhjc",
    ]


def test_a_pass_that_changes_nothing_tells_nothing() -> None:
    made = world()
    made.settle()
    before = list(made.events)

    for _ in range(10):
        made.reconcile()

    assert made.events == before


def test_every_batch_is_told_to_have_begun_and_to_be_done_though_the_next_one_opens_at_once() -> None:
    made = world(batchCount=2, grayTime=0)
    made.settle()
    made.strategy(batchCount=2, grayTime=5)
    made.template("2")
    made.settle()
    done_at = made.now
    made.run(6)

    told = [(event.reason, event.action[-2:]) for event in made.events if event.action[-2:] in ("/1", "/2")]
    assert told == [
        ("BatchStarted", "/1"),
        ("BatchCompleted", "/1"),
        ("BatchStarted", "/2"),
        ("BatchCompleted", "/2"),
        ("BatchStarted", "/1"),
        ("BatchCompleted", "/1"),
        ("GrayWaiting", "/1"),
        ("BatchStarted", "/2"),
        ("BatchCompleted", "/2"),
    ]
    assert next(event.note for event in made.events if event.reason == "GrayWaiting").endswith(encode_time(done_at + 5))


def test_a_repair_after_the_end_is_no_batch_that_ends_again() -> None:
    made = world(batchCount=2)
    made.settle()
    before = made.reasons()

    made.set_ready("b00", ready=False)
    made.settle()
    made.set_ready("b00", ready=True)
    made.settle()

    assert made.status.counts.available == 4
    assert made.reasons() == before


def test_replicas_that_were_scaled_away_are_not_missing_when_it_grows_again() -> None:
    made = world()
    made.settle()
    made.edit(replicas=1)
    made.settle()

    made.edit(replicas=4)
    made.reconcile()
    growing = made.status.condition("Available")
    made.settle()
    for uid in list(made.serving())[:2]:
        made.lose(uid)
    made.reconcile()
    lost = made.status.condition("Available")

    assert growing is not None
    assert lost is not None
    assert (growing.reason, lost.reason) == ("MinimumReplicasUnavailable", "MaxUnavailableExceeded")
    assert made.reasons().count("MaxUnavailableExceeded") == 1
