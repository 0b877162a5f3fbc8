"""People edit, bases come, go, restart and fail, in any order; the safety rules hold at every step and the goal is reached."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from moduledeploy.api.status import Progress
from tests.lives import live
from tests.rollout.rules import Rules
from tests.rollout.world import World

POLICIES = ("install_then_uninstall", "uninstall_then_install", "scaleup_then_scaledown")
SERVICE = {"enableModuleService": True, "port": 8080, "targetPort": 8080}
EXAMPLES = int(os.environ.get("MODULEDEPLOY_MACHINE_EXAMPLES", "60"))
STEPS = int(os.environ.get("MODULEDEPLOY_MACHINE_STEPS", "40"))


class RolloutMachine(RuleBasedStateMachine):
    """The real planner and the real convergence with virtual time."""

    world: World
    kept: Rules

    @initialize(
        bases=st.integers(1, 6),
        replicas=st.integers(-1, 6),
        policy=st.sampled_from(POLICIES),
        batches=st.integers(1, 4),
        cap=st.sampled_from([None, 1, 2]),
    )
    def begin(self, bases: int, replicas: int, policy: str, batches: int, cap: int | None) -> None:
        if replicas == -1 and policy == "scaleup_then_scaledown":
            policy = "install_then_uninstall"
        self.kept = Rules()
        self.world = World(watch=self.kept.check)
        self.world.add_bases(bases, cap=cap)
        self.world.edit(replicas=replicas, maxUnavailable=1, minReadySeconds=0)
        self.world.strategy(batchCount=batches, upgradePolicy=policy)
        self.world.template("1")

    @rule(version=st.sampled_from("123"), url=st.sampled_from(["", "file:///other.jar"]))
    def new_template(self, version: str, url: str) -> None:
        self.world.template(version, url)

    @precondition(lambda self: self.world.spec["replicas"] != -1)
    @rule(replicas=st.integers(0, 7))
    def scale(self, replicas: int) -> None:
        self.world.edit(replicas=replicas)

    @rule(pause=st.sampled_from([True, False, None]))
    def set_pause(self, pause: bool | None) -> None:
        self._edit(pause=pause)

    def _edit(self, **spec: Any) -> None:
        self.kept.person_edits(self.world, spec)
        self.world.edit(**spec)

    @rule(value=st.sampled_from([None, "another/1"]))
    def write_the_annotation(self, value: str | None) -> None:
        """By hand, or out of a manifest that was saved during another rollout."""
        self.world.waiting = value

    @rule(number=st.integers(0, 4))
    def confirm_by_number(self, number: int) -> None:
        self.kept.person_counts(self.world, number)
        self.world.edit(confirmBatchNum=number)

    @rule(
        fields=st.fixed_dictionaries(
            {"serviceStrategy": st.sampled_from([SERVICE, {}]), "drainSeconds": st.sampled_from([0, 15])}
        )
    )
    def change_traffic(self, fields: dict[str, Any]) -> None:
        self.world.strategy(**fields)

    @rule()
    def endpoints_catch_up(self) -> None:
        self.world.publish_endpoints()

    @precondition(lambda self: self.world.spec["replicas"] != -1)  # a full base is one too few for peers
    @rule(data=st.data(), name=st.sampled_from(["this", "that"]))
    def somebody_elses_module_comes(self, data: st.DataObject, name: str) -> None:
        self.world.occupy(data.draw(st.sampled_from(sorted(self.world.jvms))), name)

    @rule()
    def delete_and_make_anew(self) -> None:
        if self.world.has_finalizer:
            self.world.is_terminating = True
            self.world.run(100)
            assert self.world.deleted
            assert not self.world.modules
        self.world.forget()
        self.kept.forget()

    @rule(
        fields=st.fixed_dictionaries(
            {},
            optional={
                "batchCount": st.integers(2, 5),
                "useBeta": st.booleans(),
                "needConfirm": st.booleans(),
                "grayTime": st.sampled_from([0, 30]),
                "onFailure": st.sampled_from(["pause", "abort", "rollback"]),
                "failureThreshold": st.integers(0, 2),
                "batchScaling": st.booleans(),
            },
        )
    )
    def change_strategy(self, fields: dict[str, Any]) -> None:
        fields = dict(fields)
        if fields.get("useBeta"):
            fields.setdefault("batchCount", 3)
        elif "batchCount" in fields:
            fields.setdefault("useBeta", False)
        self.world.strategy(**fields)

    @rule(limit=st.sampled_from([1, 2, "50%", "25%"]), ready=st.sampled_from([0, 20]))
    def change_limits(self, limit: int | str, ready: int) -> None:
        self.world.edit(maxUnavailable=limit, minReadySeconds=ready)

    @rule(data=st.data())
    def change_a_base(self, data: st.DataObject) -> None:
        here = [uid for uid, jvm in self.world.jvms.items() if not jvm.gone]
        if not here:
            return
        uid = data.draw(st.sampled_from(here))
        deed = data.draw(st.sampled_from(["lose", "restart", "unready", "ready"]))
        if deed == "lose":
            self.world.lose(uid)
        elif deed == "restart":
            self.world.restart(uid)
        else:
            self.world.set_ready(uid, deed == "ready")

    @rule()
    def add_a_base(self) -> None:
        if sum(not jvm.gone for jvm in self.world.jvms.values()) < 8:
            self.world.add_bases(1)

    @rule(version=st.sampled_from("123"), breaks=st.booleans())
    def break_a_version(self, version: str, breaks: bool) -> None:
        self.world.bad.add(version) if breaks else self.world.bad.discard(version)

    @rule(data=st.data())
    def delete_a_module_by_hand(self, data: st.DataObject) -> None:
        if self.world.modules:
            self.world.delete_module(data.draw(st.sampled_from(sorted(self.world.modules))))

    @rule(token=st.integers(0, 3))
    def retry(self, token: int) -> None:
        self.world.retry = str(token)

    @rule(rolling=st.booleans())
    def roll_the_base(self, rolling: bool) -> None:
        self.world.rolling = rolling

    @rule(passes=st.integers(1, 4), data=st.data())
    def work(self, passes: int, data: st.DataObject) -> None:
        """The controllers get some turns, in whatever order."""
        for _ in range(passes):
            self.world.reconcile()
            for uid in data.draw(st.permutations(sorted(self.world.jvms))):
                self.world.converge(uid)

    @rule(seconds=st.sampled_from([1.0, 25.0, 700.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.world.now += seconds

    @invariant()
    def the_cursor_stays_in_its_batches(self) -> None:
        release = self.world.status.release
        if release is not None:
            assert release.current_batch <= len(release.batches)

    def teardown(self) -> None:
        """When faults stop and people let it, what was asked for last is reached, and nothing else is there."""
        if not hasattr(self, "world"):
            return
        world = self.world
        world.bad.clear()
        world.rolling = False
        for uid, jvm in world.jvms.items():
            if not jvm.gone:
                world.set_ready(uid, True)
        while sum(not jvm.gone and not jvm.others for jvm in world.jvms.values()) < 8:
            world.add_bases(1)
        world.now += 100_000  # past every retry
        for _ in range(12):
            self._edit(pause=False)
            world.retry += "+"
            world.run(300)
        self._check_goal()

    def _check_goal(self) -> None:
        world, release = self.world, self.world.status.release
        assert release is not None
        assert release.progress is Progress.COMPLETED, world.status.message
        desired = world.view().desired
        version = world.spec["template"]["spec"]["module"]["version"]
        assert world.installed() == [version] * desired
        assert len(world.modules) == desired


@pytest.mark.timeout(1800)
def test_safety_at_every_step_and_the_goal_in_the_end() -> None:
    live(RolloutMachine, examples=EXAMPLES, steps=STEPS)
