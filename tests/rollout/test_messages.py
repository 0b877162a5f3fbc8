"""What status says to people: what is awaited, until when, and what moves it on."""

from __future__ import annotations

import pytest

from tests.rollout.world import NAME, World

SERVICE = {"enableModuleService": True, "port": 8080}


def world(bases: int = 4, replicas: int = 4, **strategy: object) -> World:
    made = World()
    made.add_bases(bases)
    made.edit(replicas=replicas, maxUnavailable=1)
    made.strategy(**strategy)
    made.template("1")
    return made


def said(made: World) -> str:
    made.settle()
    return made.status.message


def test_no_bases_and_full_bases_say_what_helps() -> None:
    assert "waiting for a base that can take more: 0/0 bases are available." in said(world(bases=0))

    made = world(bases=2)
    made.jvms.clear()
    made.pool = type(made.pool)()
    made.add_bases(2, cap=0)
    assert "waiting for a base that can take more: 0/2 bases are available: 2 at max-module-count." in said(made)


def test_a_base_that_can_take_no_peer_says_why() -> None:
    made = world(bases=2, replicas=-1)
    made.add_bases(1, cap=0)
    made.add_bases(1)
    made.pool.add_module("b03", NAME, "of another family")

    message = said(made)

    assert "waiting for a base that can take more: 0/2 bases are available: 1 already have the module, 1 at" in message
    assert len(made.serving()) == 2

    made.pool.remove_module("b03", NAME, "of another family")
    made.set_ready("b01", ready=False)
    assert "waiting for a base that can take more: 0/1 bases are available: 1 at max-module-count." in said(made)


def test_an_obstacle_is_the_whole_message() -> None:
    made = world()
    made.conflict = "ModuleDeployment default/older is older and acts for module orders"
    assert said(made) == made.conflict
    made.conflict, made.refusal = None, "scheme 'ftp' is not allowed"
    assert said(made) == made.refusal
    made.refusal, made.has_base_deployment = None, False
    assert said(made) == "waiting for Deployment base to be created in namespace default"


def test_a_rolling_base_holds_the_next_batch_and_says_so() -> None:
    made = world(batchCount=2)
    made.rolling = True

    assert "waiting for base Deployment base, which is rolling" in said(made)


def test_a_users_pause_says_what_ends_it() -> None:
    made = world()
    made.edit(pause=True)

    assert said(made) == "paused by spec.pause until that is false; no batch is open yet"


def test_more_replicas_than_are_to_stay_are_not_told_as_a_part_of_them() -> None:
    made = world(batchCount=2, needConfirm=True)
    made.settle()
    made.edit(replicas=1)
    made.reconcile()
    scaled_in_mid_rollout = made.status.message
    made.settle()
    made.edit(replicas=4, pause=None)
    made.settle()
    made.edit(replicas=2)
    made.reconcile()

    assert scaled_in_mid_rollout == "batch 1 of 1: 2 replicas of orders-6qtnk4xhjc are available and 1 are to stay"
    assert made.status.message == "scaling: 4 replicas are available and 2 are to stay"


def test_a_confirmation_and_a_gray_time_say_what_and_when() -> None:
    made = world(batchCount=2, needConfirm=True, grayTime=60)

    assert said(made) == "batch 1 of 2 is done; waiting for confirmation: set spec.pause to false"
    made.edit(pause=False)
    assert said(made) == "batch 1 of 2 is done; the next one begins at 1970-01-12T13:47:40.000000Z"


def test_replicas_that_are_not_available_yet_say_what_they_wait_for_and_until_when() -> None:
    made = world(batchCount=2)
    made.edit(minReadySeconds=30)
    for _ in range(6):
        made.reconcile()
    installing = made.status.message
    soaking = said(made)
    made.set_ready(next(iter(made.serving())), ready=False)

    assert installing.endswith("; 2 are being installed")
    assert soaking.endswith("; minReadySeconds are over for the next one at 1970-01-12T13:47:10.000000Z")
    assert "; 1 are on bases that aren't Ready; " in said(made)


def test_a_rollout_that_gets_nowhere_says_for_how_long() -> None:
    made = world(bases=3, batchCount=1)
    made.run(601)

    assert "3 of 4 replicas of orders-6qtnk4xhjc are available; no progress for 600 s; " in made.status.message


def test_failing_installs_say_why_and_when_they_are_tried_again() -> None:
    made = world(failureThreshold=2)
    made.bad.add("1@b00")

    assert "1 fail, on b00: it throws, tried again at 1970-01-12T14:46:40.000000Z" in said(made)


@pytest.mark.parametrize(
    ("decision", "told"),
    [
        ("pause", "failed, nothing more is replaced"),
        ("abort", "aborted, every replica stays at its revision"),
        ("rollback", "rolled back to orders-6qtnk4xhjc"),
    ],
)
def test_a_failed_rollout_says_what_would_lift_it(decision: str, told: str) -> None:
    made = world(onFailure=decision)
    made.settle()
    made.bad.add("2")
    made.template("2")

    assert said(made).startswith(f"{told} until the template or annotation koupleless.alipay.com/retry changes")
    assert "1 failed permanently and failureThreshold is 0; on b00: it throws" in made.status.message


def test_a_rollback_that_fails_too_says_why() -> None:
    made = world(onFailure="rollback", upgradePolicy="uninstall_then_install")
    made.settle()
    made.bad |= {"1", "2"}
    made.template("2")

    assert "; 1 fail, on b00: it throws, tried again at 1970-01-12T14:46:40.000000Z" in said(made)


def test_a_drain_says_until_when_and_the_budget_how_many_may_be_unavailable() -> None:
    made = world(upgradePolicy="uninstall_then_install", drainSeconds=30, serviceStrategy=SERVICE)
    made.settle()
    made.template("2")
    message = said(made)

    assert "1 drain until 1970-01-12T13:47:10.000000Z" in message
    assert "1 wait for available replicas: at most 1 of 4 may be unavailable" in message


def test_a_removal_that_fails_says_where_and_what_its_module_says() -> None:
    made = world(bases=1, replicas=1)
    made.settle()
    module = next(iter(made.modules.values()))
    made.is_terminating = True
    made.stuck.add("b00")
    made.settle()
    module.status = type(module.status)(status="Terminating", reason="BaseUnreachable", message="as it says")
    made.slots.set_module(module.facts(), made.slots["b00"].base)

    assert said(made) == ("waiting for 1 Modules to be uninstalled; Module orders-6qtnk4xhjc-b00 on b00: as it says")
