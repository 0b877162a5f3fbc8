"""When a batch has failed, and what becomes of the rollout then."""

from __future__ import annotations

import pytest

from moduledeploy.api.kinds import FailureClass
from moduledeploy.api.status import Progress, Release
from tests.rollout.world import World


def upgrading(
    bad: set[str], failure: FailureClass = FailureClass.PERMANENT, *, bases: int = 6, **strategy: object
) -> World:
    made = World()
    made.add_bases(bases)
    made.edit(replicas=6, maxUnavailable=2, progressDeadlineSeconds=600)
    made.strategy(**{"batchCount": 3, **strategy})
    made.template("1")
    made.settle()
    made.bad |= bad
    made.failure_class = failure
    made.template("2")
    made.settle()
    return made


def release(made: World) -> Release:
    assert made.status.release is not None
    return made.status.release


def versions(made: World) -> list[str]:
    return sorted(made.serving().values())


def test_failures_up_to_the_threshold_are_forgiven_and_still_tried_again() -> None:
    made = upgrading({"2@b00"}, failureThreshold=1)
    while_failing = (release(made).progress, versions(made))

    made.bad.clear()
    made.run(4000)

    assert while_failing == (Progress.EXECUTING, ["1"] + ["2"] * 5)
    assert release(made).progress is Progress.COMPLETED
    assert made.installed() == ["2"] * 6


def test_failures_are_forgiven_as_well_when_an_earlier_version_comes_back() -> None:
    made = upgrading(set(), failureThreshold=1)
    made.bad.add("1@b00")

    made.template("1")
    made.settle()

    assert versions(made) == ["1"] * 5 + ["2"]
    assert {module.number for module in made.modules.values() if module.source.version == "1"} == {3}


def test_a_batch_of_which_nothing_came_up_is_not_done_whatever_the_threshold() -> None:
    made = upgrading({"2@b00", "2@b01"}, failureThreshold=6)

    assert release(made).current_batch == 1
    assert not release(made).batch_done


@pytest.mark.parametrize("decision", ["pause", "abort", "rollback"])
def test_a_base_where_a_replica_fails_holds_no_scaling(decision: str) -> None:
    made = World()
    made.add_bases(12)
    made.strategy(onFailure=decision)
    made.edit(replicas=2)
    made.template("1")
    made.settle()
    made.bad.add("1@b02")

    serving = []
    for replicas in (4, 8, 1, 6):
        made.edit(replicas=replicas)
        made.settle()
        serving.append(len(made.serving()))

    assert serving == [3, 7, 1, 5]


def test_a_lack_of_room_is_no_failure_even_at_the_deadline() -> None:
    made = upgrading({"2"}, FailureClass.CAPACITY)
    made.run(2000)

    assert release(made).failure is None
    condition = made.status.condition("Progressing")
    assert condition is not None
    assert (condition.status, condition.reason) == (False, "ProgressDeadlineExceeded")


def test_a_rollback_without_a_completed_revision_is_a_pause() -> None:
    made = World()
    made.add_bases(3)
    made.edit(replicas=3)
    made.strategy(onFailure="rollback", batchCount=3)
    made.bad.add("1")
    made.template("1")

    made.settle()

    assert release(made).progress is Progress.FAILED
    assert made.status.message.startswith("failed, nothing more is replaced")
    assert "there is no completed revision to go back to" in made.status.message
    assert len(made.modules) == 1


def test_a_rollback_is_told_from_its_first_pass() -> None:
    made = upgrading(set(), onFailure="rollback")
    messages = list[str]()
    made.watch = lambda _view, planned, _world: messages.append(planned.status.message)
    made.bad.add("3")

    made.template("3")
    made.settle()

    failed = [message for message in messages if "failureThreshold" in message]
    back = made.status.release.completed_revision if made.status.release else ""
    assert failed[0].startswith(f"failed, rolling back to {back} until the template or annotation")
    assert failed[-1].startswith(f"rolled back to {back} until the template or annotation")
    assert "nothing more is replaced" not in " ".join(failed)


def test_a_rollback_that_fails_too_says_so_and_replaces_nothing_more() -> None:
    made = upgrading(set(), onFailure="rollback", upgradePolicy="uninstall_then_install")
    made.bad |= {"2", "3"}
    made.template("3")
    made.settle()

    assert made.status.message.startswith("failed, and so did rolling back to ")
    assert "nothing more is replaced until the template" in made.status.message


def test_a_decision_stands_whatever_gets_better_until_the_retry_annotation_changes() -> None:
    made = upgrading({"2"})
    made.bad.clear()
    made.run(4000)
    standing = (release(made).progress, release(made).current_batch)

    made.retry = "again"
    made.settle()

    assert standing == (Progress.FAILED, 1)
    assert release(made).progress is Progress.COMPLETED
    assert made.installed() == ["2"] * 6


def test_a_rollback_that_is_tried_again_begins_at_batch_one() -> None:
    made = upgrading({"2"}, onFailure="rollback", needConfirm=False)
    back = versions(made)
    made.bad.clear()

    made.retry = "again"
    made.settle()

    assert back == ["1"] * 6
    assert made.installed() == ["2"] * 6
    assert release(made).progress is Progress.COMPLETED


def test_replicas_added_after_a_rollback_are_of_the_old_revision() -> None:
    made = upgrading({"2"}, bases=8, onFailure="rollback")

    made.edit(replicas=8)
    made.settle()

    assert versions(made) == ["1"] * 8


def test_bases_that_join_after_an_abort_get_the_last_completed_revision() -> None:
    made = upgrading({"2"}, bases=8, onFailure="abort")

    made.edit(replicas=8)
    made.settle()

    assert release(made).progress is Progress.ABORTED
    assert versions(made) == ["1"] * 8


@pytest.mark.parametrize("decision", ["pause", "abort", "rollback"])
def test_another_template_lifts_every_decision(decision: str) -> None:
    made = upgrading({"2"}, onFailure=decision)

    made.template("3")
    made.settle()

    assert release(made).failure is None
    assert made.installed() == ["3"] * 6


def test_pausing_stops_the_deadline_and_resuming_lets_it_go_on() -> None:
    made = upgrading({"2@b00"}, FailureClass.RETRYABLE, batchCount=1)
    made.run(500)
    made.edit(pause=True)
    made.run(5000)
    paused = release(made).progress
    made.edit(pause=False)
    made.run(90)
    before = release(made).progress
    made.run(20)

    assert (paused, before) == (Progress.PAUSED, Progress.EXECUTING)
    assert release(made).progress is Progress.FAILED
