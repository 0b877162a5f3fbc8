"""A family's life in a whole cluster in memory, told by what serves where and what status says."""

from __future__ import annotations

import attrs
import pytest

from moduledeploy.api.kinds import ModuleSource, ModuleStatus
from moduledeploy.api.status import Progress
from moduledeploy.placement.bases import Base
from moduledeploy.rollout.converge import BaseView, Biz, BizState, Decision, converge
from moduledeploy.rollout.slots import Mark
from tests.rollout.bases import NAME, Jvm, Mod
from tests.rollout.world import World


def world(bases: int = 10, replicas: int = 10, **strategy: object) -> World:
    made = World()
    made.add_bases(bases)
    made.edit(replicas=replicas)
    made.strategy(**strategy)
    made.template("1")
    return made


def release(made: World):
    assert made.status.release is not None
    return made.status.release


def test_a_first_deployment_goes_in_batches_with_the_beta_first():
    made = world(batchCount=4, useBeta=True, needConfirm=True)

    made.settle()

    assert release(made).batches == (1, 3, 3, 3)
    assert len(made.serving()) == 1
    assert release(made).progress is Progress.WAITING_FOR_CONFIRMATION
    assert made.waiting == f"{release(made).revision}/1"


def test_confirming_each_batch_brings_all_of_them():
    made = world(batchCount=4, useBeta=True, needConfirm=True)

    sizes = []
    made.settle()
    while release(made).progress is Progress.WAITING_FOR_CONFIRMATION:
        sizes.append(len(made.serving()))
        made.edit(pause=False)
        made.settle()

    assert sizes == [1, 4, 7]
    assert len(made.serving()) == 10
    assert release(made).progress is Progress.COMPLETED
    assert made.waiting is None
    assert made.reasons().count("BatchConfirmed") == 3


def test_an_upgrade_switches_every_base_and_leaves_nothing_of_the_old_version():
    made = world(batchCount=3)
    made.settle()

    made.template("2")
    made.settle()

    assert set(made.serving().values()) == {"2"}
    assert made.installed() == ["2"] * 10
    assert release(made).progress is Progress.COMPLETED


def test_uninstall_then_install_never_takes_more_than_allowed():
    made = world(upgradePolicy="uninstall_then_install")
    made.edit(maxUnavailable=2)
    made.settle()

    made.template("2")
    serving, available = [], []
    for _ in range(200):
        made.reconcile()
        available.append(made.slots.count(Mark.AVAILABLE))
        for uid in made.jvms:
            made.converge(uid)
            serving.append(len(made.serving()))
    made.settle()

    assert min(available) == min(serving) == 8
    assert made.installed() == ["2"] * 10


def test_scaleup_then_scaledown_goes_to_free_bases():
    made = world(bases=6, replicas=4, upgradePolicy="scaleup_then_scaledown", batchCount=2)
    made.settle()

    made.template("2")
    made.settle()

    assert made.installed() == ["2"] * 4


def test_a_version_that_cannot_start_is_stopped_in_its_first_batch_and_going_back_heals():
    made = world(batchCount=4, useBeta=True)
    made.settle()
    made.bad.add("2")

    made.template("2")
    made.settle()

    assert release(made).progress is Progress.FAILED
    assert set(made.serving().values()) == {"1"}
    assert len(made.serving()) == 10
    assert "it throws" in made.status.message

    made.template("1")
    made.settle()

    assert release(made).progress is Progress.COMPLETED
    assert made.installed() == ["1"] * 10


def test_rollback_brings_the_last_completed_revision_back():
    made = world(batchCount=4, onFailure="rollback")
    made.settle()
    made.bad.add("2")

    made.template("2")
    made.settle()

    assert made.installed() == ["1"] * 10
    assert release(made).progress is Progress.FAILED
    assert "rolled back" in made.status.message


def test_abort_keeps_every_replica_at_its_own_revision():
    made = world(batchCount=5, onFailure="abort", needConfirm=True, upgradePolicy="uninstall_then_install")
    made.edit(maxUnavailable=2)
    made.settle()
    while release(made).progress is Progress.WAITING_FOR_CONFIRMATION:
        made.edit(pause=False)
        made.settle()
    made.template("2")
    made.settle()
    made.bad.add("2")
    made.edit(pause=False)
    made.settle()

    assert release(made).progress is Progress.ABORTED
    assert sorted(made.serving().values()) == ["1"] * 6 + ["2"] * 2


def test_gray_time_separates_batches():
    made = world(batchCount=2, grayTime=60)

    made.settle()
    assert release(made).progress is Progress.GRAY_WAITING
    made.run(59)
    assert len(made.serving()) == 5
    made.run(2)

    assert len(made.serving()) == 10
    assert release(made).progress is Progress.COMPLETED


def test_a_pause_of_the_user_holds_the_next_batch_and_resuming_goes_on():
    made = world(batchCount=2)
    made.edit(pause=True)

    made.settle()
    assert made.serving() == {}
    assert release(made).progress is Progress.PAUSED
    made.edit(pause=False)
    made.settle()

    assert len(made.serving()) == 10


def test_scaling_up_a_completed_revision_needs_no_batches():
    made = world(bases=10, replicas=4, batchCount=2, needConfirm=True)
    made.settle()
    made.edit(pause=False)
    made.settle()

    made.edit(replicas=9)
    made.settle()

    assert len(made.serving()) == 9
    assert release(made).progress is Progress.COMPLETED


def test_scaling_down_takes_surplus_away():
    made = world(bases=10, replicas=9)
    made.settle()

    made.edit(replicas=3)
    made.settle()

    assert len(made.installed()) == 3
    assert release(made).progress is Progress.COMPLETED


def test_peers_follow_the_base():
    made = world(bases=3, replicas=-1, batchCount=2)
    made.settle()
    assert len(made.serving()) == 3

    made.add_bases(2)
    made.settle()

    assert len(made.serving()) == 5
    assert release(made).progress is Progress.COMPLETED


def test_a_replica_on_a_lost_base_is_placed_again():
    made = world(bases=6, replicas=4)
    made.settle()
    lost = next(iter(made.serving()))

    made.lose(lost)
    made.settle()

    assert len(made.serving()) == 4
    assert lost not in made.serving()


def test_modules_lost_by_a_restart_are_installed_again():
    made = world(bases=4, replicas=4)
    made.settle()

    made.restart("b01")
    made.settle()

    assert len(made.serving()) == 4


def test_too_few_bases_leave_the_rest_pending_with_a_reason_until_one_comes():
    made = world(bases=3, replicas=5)

    made.settle()
    assert "0/3 bases are available: 3 already have the module." in made.status.message
    made.add_bases(2)
    made.settle()

    assert release(made).progress is Progress.COMPLETED


@pytest.mark.parametrize("policy", ["install_then_uninstall", "uninstall_then_install"])
def test_the_same_version_with_another_url_is_uninstalled_and_installed(policy: str):
    made = world(bases=4, replicas=4, upgradePolicy=policy)
    made.edit(maxUnavailable=1)
    made.settle()

    made.template("1", url="file:///other.jar")
    made.settle()

    assert made.installed() == ["1"] * 4
    assert sum(jvm.installs for jvm in made.jvms.values()) == 8
    assert release(made).progress is Progress.COMPLETED


def test_what_a_base_lists_stands_for_the_older_of_two_modules_of_one_version() -> None:
    facts = {"base_uid": "b00", "batch": "", "replica_set": "orders", "number": 1}
    jar = ModuleSource(name=NAME, version="1", url="file:///modules/orders-1.jar")
    available = ModuleStatus(status="Available", containerID="c1")
    old = Mod(name="old", uid="m1", created=1.0, source=jar, status=available, uninstall_first=False, **facts)
    rebuilt = attrs.evolve(jar, url="file:///modules/orders-1.jar?rebuilt")
    new = Mod(name="new", uid="m2", created=2.0, source=rebuilt, uninstall_first=True, **facts)

    def decide() -> Decision:
        modules = (old.wanted(), new.wanted())
        listed = (Biz(NAME, "1", BizState.ACTIVE),)
        return converge(
            BaseView(is_gone=False, is_reachable=True, container_id="c1", modules=modules, listed=listed), 3.0
        )

    assert decide() == Decision()  # the new one is made before the old one is asked to go
    new.terminating = True
    assert decide() == Decision(released=(new.wanted(),))  # somebody changed his mind: it was never installed


@pytest.mark.parametrize("policy", ["install_then_uninstall", "uninstall_then_install"])
@pytest.mark.parametrize("replicas", [-1, 3])
def test_bases_whose_uids_begin_alike_have_a_module_each(policy: str, replicas: int) -> None:
    made = world(bases=1, replicas=replicas, upgradePolicy=policy)
    for uid in ("0123abcd-0000-4000-8000-000000000001", "0123abcd-0000-4000-8000-000000000002"):
        made.jvms[uid] = Jvm(uid=uid, ready_since=made.now)
        made.pool.set_base(Base(uid=uid, name=uid))
    made.settle()
    first = made.installed()

    made.template("2")
    made.settle()

    assert (first, made.installed()) == (["1"] * 3, ["2"] * 3)
    assert release(made).progress is Progress.COMPLETED
    assert sorted(map(len, made.modules)) == [len("orders-1234567890-b00"), len("orders-1234567890-01234567"), 50]


def test_deletion_uninstalls_everything_and_lets_the_object_go():
    made = world()
    made.settle()

    made.is_terminating = True
    made.settle()

    assert made.installed() == []
    assert made.modules == {}
    assert made.deleted


def test_a_version_that_was_superseded_in_mid_rollout_goes_though_its_base_waits_for_a_later_batch():
    made = world(bases=2, replicas=2)
    made.edit(minReadySeconds=30)
    made.settle()
    made.run(60)
    made.template("2")
    made.settle()
    assert made.installed() == ["1", "1", "2", "2"], "both stay until the new one is available"

    made.strategy(batchCount=2, needConfirm=True)
    made.template("3")
    made.run(20)
    assert "1" in made.installed(), "not before it would have gone without the change of mind"
    made.run(100)

    assert release(made).progress is Progress.WAITING_FOR_CONFIRMATION
    assert made.installed() == ["2", "3"]


def test_a_new_template_in_mid_rollout_supersedes_the_one_before():
    made = world(batchCount=3, needConfirm=True)
    made.settle()
    made.template("2")
    made.settle()

    assert "RolloutSuperseded" in made.reasons()
    assert sum(version == "2" for version in made.serving().values()) == release(made).batches[0]
    assert made.waiting == f"{release(made).revision}/1"


def test_another_url_is_rolled_out_though_the_default_limit_rounds_to_nothing():
    made = world(bases=3, replicas=3)
    made.settle()

    made.template("1", url="file:///other.jar")
    made.settle()

    assert release(made).progress is Progress.COMPLETED
    assert made.status.max_unavailable == 0
    assert sum(jvm.installs for jvm in made.jvms.values()) == 6
