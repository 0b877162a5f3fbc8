"""Pauses, confirmations and gray time: whose pause it is, what confirms, and what changes meanwhile do to it."""

from __future__ import annotations

import pytest

from moduledeploy.api.status import Progress, Release
from moduledeploy.rollout.gate import GateWrite, read_gate, token
from tests.rollout.world import World

INIT, WAITING, GRAY = Progress.INIT, Progress.WAITING_FOR_CONFIRMATION, Progress.GRAY_WAITING


def release(made: World) -> Release:
    assert made.status.release is not None
    return made.status.release


def gated(bases: int = 6, replicas: int = 6, **strategy: object) -> World:
    """Three batches of which the first is done; a confirmation is awaited."""
    made = World()
    made.add_bases(bases)
    made.edit(replicas=replicas, maxUnavailable=2)
    made.strategy(**{"batchCount": 3, "needConfirm": True, **strategy})
    made.template("1")
    made.settle()
    return made


def upgrading(**strategy: object) -> World:
    """The second version waits after its first batch of three."""
    made = gated(bases=8, **strategy)
    while release(made).progress is WAITING:
        made.edit(pause=False)
        made.run(100)
    made.template("2")
    made.settle()
    return made


def new_ones(made: World) -> int:
    return sum(version == "2" for version in made.serving().values())


# What stands in the object, whether the batch is done, whether it is confirmed, confirmBatchNum now (it was 1 when the revision
# began) → waiting, confirms, the user's own pause, what is written.
OWN = "the revision and batch"
TABLE = [
    (None, False, True, False, 1, (True, False, False, GateWrite.SET)),
    (None, False, False, False, 1, (False, False, False, None)),
    (None, False, True, True, 1, (False, False, False, None)),
    (None, True, True, False, 1, (True, False, True, None)),
    (None, True, False, False, 1, (False, False, True, None)),
    (None, True, True, True, 1, (False, False, True, None)),
    (None, False, True, False, 2, (False, True, False, None)),
    (None, True, True, False, 3, (False, True, True, None)),
    (OWN, True, True, False, 1, (True, False, False, None)),
    (OWN, True, False, False, 1, (True, False, False, None)),
    (OWN, False, True, False, 1, (False, True, False, GateWrite.FORGET)),
    (OWN, False, False, False, 1, (False, True, False, GateWrite.FORGET)),
    (OWN, True, True, False, 2, (False, True, False, GateWrite.TAKE_BACK)),
    (OWN, False, True, False, 2, (False, True, False, GateWrite.FORGET)),
    (OWN, True, True, True, 1, (False, False, False, GateWrite.TAKE_BACK)),
    (OWN, False, True, True, 1, (False, False, False, GateWrite.FORGET)),
    ("another/1", True, True, False, 1, (True, False, False, GateWrite.SET)),
    ("another/1", False, True, False, 1, (True, False, False, GateWrite.SET)),
    ("another/1", True, True, False, 2, (False, True, False, GateWrite.TAKE_BACK)),
    ("another/1", False, True, False, 2, (False, True, False, GateWrite.FORGET)),
    ("another/1", True, False, False, 1, (False, False, False, GateWrite.TAKE_BACK)),
    ("another/1", False, False, False, 1, (False, False, False, GateWrite.FORGET)),
    ("another/1", True, True, True, 1, (False, False, False, GateWrite.TAKE_BACK)),
    ("another/1", False, True, True, 1, (False, False, False, GateWrite.FORGET)),
]


@pytest.mark.parametrize(("annotation", "paused", "is_done", "is_confirmed", "number", "expected"), TABLE)
def test_what_stands_in_the_object_says_whose_pause_it_is(
    annotation: str | None,
    paused: bool,
    is_done: bool,
    is_confirmed: bool,
    number: int,
    expected: tuple[bool, bool, bool, GateWrite | None],
) -> None:
    made = gated()
    made.edit(pause=False)
    made.settle()
    at = release(made)
    assert at.current_batch == 2
    made.waiting = token(at.revision, 2) if annotation == OWN else annotation
    made.edit(pause=paused or None, confirmBatchNum=number)
    changes = {"confirmed_batch": 2 if is_confirmed else 1, "confirm_num_seen": 1}

    gate = read_gate(made.view().parent, Release(**{**_fields(at), **changes}), is_done=is_done)

    assert (gate.is_waiting, gate.confirms, gate.is_user_paused, gate.write) == expected


def _fields(at: Release) -> dict[str, object]:
    return {name: getattr(at, name) for name in Release.__slots__ if name != "__weakref__"}


@pytest.mark.parametrize("paused", [True, None])
def test_an_annotation_of_another_rollout_written_over_the_controllers_confirms_nothing(paused: bool | None) -> None:
    made = upgrading()
    at = release(made)

    made.waiting = token(at.completed_revision, 1)
    made.edit(pause=paused)
    made.settle()

    assert (release(made).current_batch, release(made).progress) == (1, WAITING)
    assert (made.waiting, made.spec["pause"]) == (token(at.revision, 1), True)
    assert new_ones(made) == 2


def test_a_users_pause_before_the_gate_and_its_end_confirm_nothing() -> None:
    made = gated(grayTime=0)
    made.edit(pause=False)
    made.reconcile()  # the second batch is open, not done
    made.edit(pause=True)
    made.settle()
    while_paused = release(made).progress
    made.edit(pause=False)
    made.settle()

    assert while_paused is Progress.PAUSED
    assert release(made).progress is WAITING
    assert release(made).current_batch == 2
    assert len(made.serving()) == 4


def test_a_confirmation_for_a_batch_not_reached_confirms_those_before_it_and_itself() -> None:
    made = gated()

    made.edit(confirmBatchNum=2)
    made.settle()

    assert release(made).progress is Progress.COMPLETED
    assert made.spec["confirmBatchNum"] == 2
    assert made.spec.get("pause") is None


def test_a_number_that_was_there_when_the_revision_began_confirms_nothing_until_it_is_changed() -> None:
    made = gated()
    made.edit(confirmBatchNum=2)
    made.settle()

    made.template("2")
    made.settle()
    stale = release(made)
    made.edit(confirmBatchNum=1)
    made.settle()
    first = release(made)
    made.edit(confirmBatchNum=2)
    made.settle()

    assert (stale.current_batch, stale.progress) == (1, WAITING)
    assert (first.current_batch, first.progress) == (2, WAITING)
    assert release(made).progress is Progress.COMPLETED


def test_a_new_template_takes_the_controllers_pause_back_and_begins_at_batch_one() -> None:
    made = upgrading()
    assert release(made).progress is WAITING

    made.template("3")
    made.settle()

    assert made.waiting == token(release(made).revision, 1)
    assert (release(made).current_batch, release(made).progress) == (1, WAITING)
    assert sum(version == "3" for version in made.serving().values()) == 2
    assert len(made.serving()) == 6


def test_going_back_while_waiting_brings_the_old_version_everywhere() -> None:
    made = upgrading()

    made.template("1")
    made.settle()
    while release(made).progress is WAITING:
        made.edit(pause=False)
        made.settle()

    assert made.installed() == ["1"] * 6
    assert made.waiting is None
    assert not made.spec.get("pause")


def test_a_new_template_while_the_user_paused_replaces_nothing_until_he_resumes() -> None:
    made = upgrading()
    made.edit(pause=False)
    made.settle()
    made.edit(confirmBatchNum=9)
    made.settle()
    assert release(made).progress is Progress.COMPLETED
    made.edit(pause=True)

    made.template("3")
    made.settle()
    paused = dict(made.serving())
    made.edit(pause=False)
    made.settle()

    assert set(paused.values()) == {"2"}
    assert sum(version == "3" for version in made.serving().values()) == 2


def test_a_new_template_in_gray_time_begins_without_waiting_for_its_end() -> None:
    made = upgrading(needConfirm=False, grayTime=1000)
    assert release(made).progress is GRAY

    made.template("3")
    made.settle()

    assert sum(version == "3" for version in made.serving().values()) == 2
    assert release(made).gray_until == made.now + 1000


def test_confirmation_is_shown_before_gray_time_and_both_have_to_end() -> None:
    made = gated(grayTime=60)
    first = release(made).progress
    made.run(30)
    made.edit(pause=False)
    made.settle()
    then = release(made).progress
    made.run(29)
    before = release(made).current_batch
    made.run(2)

    assert (first, then, before) == (WAITING, GRAY, 1)
    assert release(made).current_batch == 2


def test_gray_time_begins_again_when_a_batch_that_fell_back_is_done_again() -> None:
    made = gated(needConfirm=False, grayTime=100)
    made.run(90)
    made.lose(next(iter(made.serving())))
    made.reconcile()
    fallen = release(made)
    made.run(20)
    again = release(made)
    made.run(100)

    assert not fallen.batch_done
    assert fallen.gray_until is None
    assert again.progress is GRAY
    assert release(made).current_batch == 2


def test_a_gray_time_that_is_made_shorter_ends_no_later_than_it_would_if_it_began_now() -> None:
    made = gated(needConfirm=False, grayTime=1000)
    began_at = made.now
    made.run(30)
    made.strategy(grayTime=50)
    made.reconcile()
    shortened = release(made).gray_until
    made.run(30)
    made.strategy(grayTime=5000)
    made.reconcile()
    lengthened = release(made).gray_until
    made.strategy(grayTime=0)
    made.reconcile()

    assert shortened == lengthened == began_at + 80
    assert release(made).current_batch == 2


def test_a_confirmation_stays_valid_when_the_batch_falls_back() -> None:
    made = gated(bases=6, grayTime=100)
    made.edit(pause=False)
    made.settle()
    made.lose(next(iter(made.serving())))
    made.settle()

    assert made.waiting is None
    made.run(101)
    assert release(made).current_batch == 2


def test_a_batch_that_falls_back_while_a_person_is_awaited_says_whose_pause_it_is() -> None:
    made = gated(bases=3, replicas=3)
    made.set_ready(next(iter(made.serving())), ready=False)
    made.settle()

    assert release(made).progress is Progress.EXECUTING
    assert made.spec["pause"] is True
    assert "spec.pause is the controller's own" in made.status.message


def test_scaling_goes_on_while_a_person_is_awaited() -> None:
    made = upgrading()

    made.edit(replicas=8)
    made.settle()
    up = dict(made.serving())
    made.edit(replicas=3)
    made.settle()

    assert sorted(up.values()) == ["1"] * 6 + ["2"] * 2
    assert len(made.serving()) == 3
    assert new_ones(made) == 2
    assert release(made).progress is WAITING


def test_turning_confirmation_off_takes_the_pause_back_and_goes_on() -> None:
    made = upgrading()

    made.strategy(needConfirm=False)
    made.settle()

    assert made.installed() == ["2"] * 6
    assert made.waiting is None
    assert made.spec.get("pause") is None


def test_deletion_takes_the_controllers_pause_back() -> None:
    made = upgrading()

    made.is_terminating = True
    made.settle()

    assert made.deleted
    assert made.waiting is None
    assert made.spec.get("pause") is None


def test_a_rollback_takes_the_controllers_pause_back() -> None:
    made = upgrading(onFailure="rollback")
    made.bad.add("2")
    made.restart(next(uid for uid, version in made.serving().items() if version == "2"))

    made.settle()

    assert release(made).failure is not None
    assert made.waiting is None
    assert made.spec.get("pause") is None
    assert set(made.serving().values()) == {"1"}


def test_more_batches_than_replicas_are_as_many_as_replicas() -> None:
    made = gated(replicas=2, batchCount=1000)

    assert release(made).batches == (1, 1)


def test_a_beta_of_one_replica_is_the_whole() -> None:
    made = gated(replicas=1, useBeta=True)

    assert release(made).batches == (1,)
    assert release(made).progress is Progress.COMPLETED


def test_no_replicas_are_complete_at_once_and_growing_is_a_first_deployment() -> None:
    made = gated(replicas=0)
    nothing = release(made)

    made.edit(replicas=3)
    made.settle()

    assert nothing.progress is Progress.COMPLETED
    assert release(made).batches == (1, 1, 1)
    assert release(made).progress is WAITING


def test_scaling_in_batches_waits_between_them_and_the_user_pause_does_not_hold_it() -> None:
    made = gated(bases=6, replicas=2, batchCount=2, needConfirm=False, batchScaling=True, grayTime=60)
    made.run(100)
    assert release(made).progress is Progress.COMPLETED

    made.edit(replicas=6, pause=True)
    made.settle()
    first = len(made.serving())
    made.run(61)

    assert first == 4
    assert len(made.serving()) == 6
    assert release(made).progress is Progress.COMPLETED


def test_scaling_in_batches_waits_for_confirmation_though_the_user_paused() -> None:
    made = gated(bases=6, replicas=2, batchCount=2, needConfirm=False, batchScaling=True)
    made.settle()
    made.strategy(needConfirm=True)

    made.edit(replicas=6, pause=True)
    made.settle()
    while_paused = release(made)
    made.edit(pause=False)
    made.settle()
    asked = made.waiting
    made.edit(pause=False)
    made.settle()

    assert (while_paused.progress, while_paused.current_batch) == (WAITING, 1)
    assert asked == token(while_paused.revision, 1)
    assert release(made).progress is Progress.COMPLETED
