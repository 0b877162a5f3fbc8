"""Every state of small worlds, with a crash, a lost answer, a stale read or a duplicate at every step.

In each: no step of the engine lowers available slots below desired - maxUnavailable; no batch begins before it was confirmed
and its gray time was over; never more replicas of the new version than the opened batches allow; no base over its cap; no
installation takes effect twice. Without further faults every path is finite and ends in the goal: so the goal is reachable from
every state, and reached once faults stop, in whatever order the controllers get their turns.

MODULEDEPLOY_WORLDS=all visits the long list (`make verify`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import attrs
import pytest

from moduledeploy.api.status import ReleaseKind
from moduledeploy.rollout.converge import Decision, Install, Uninstall
from moduledeploy.rollout.gate import token
from moduledeploy.rollout.slots import FOREVER
from tests.rollout.small_state import Jvm, Setting, State, template_of, with_jvm
from tests.rollout.small_world import SmallWorld

INSTALL, UNINSTALL, SCALE = "install_then_uninstall", "uninstall_then_install", "scaleup_then_scaledown"
IS_LONG = os.environ.get("MODULEDEPLOY_WORLDS") == "all"


@attrs.frozen
class Edge:
    """A step: what it is called, where it leads; calm ones happen without faults and edits too."""

    name: str
    state: State
    is_calm: bool = False


@attrs.define
class Explorer:
    """All states that one setting can come to."""

    world: SmallWorld
    numbers: dict[State, int] = attrs.field(factory=dict)
    calm: list[list[int]] = attrs.field(factory=list)
    goals: list[bool] = attrs.field(factory=list)
    parents: list[tuple[int, str]] = attrs.field(factory=list)

    def explore(self, first: State) -> None:
        """Visit everything, breadth first."""
        queue = [first]
        self._enter(first, -1, "")
        for number, state in enumerate(queue):
            calm = []
            for edge in self.edges(state):
                if edge.state == state:
                    continue
                if edge.state not in self.numbers:
                    self._enter(edge.state, number, edge.name)
                    queue.append(edge.state)
                if edge.is_calm:
                    calm.append(self.numbers[edge.state])
            self.calm.append(calm)
        self._check_goal_is_reached(queue)

    def _enter(self, state: State, parent: int, name: str) -> None:
        self.numbers[state] = len(self.numbers)
        self.parents.append((parent, name))
        self.goals.append(self.world.is_goal(state))
        placed = [module.base for module in state.modules]
        assert all(base < self.world.setting.bases - self.world.setting.full for base in placed), "a base over its cap"

    def _check_goal_is_reached(self, states: list[State]) -> None:
        """The graph of calm steps has no circle, and ends in goals alone."""
        before = [0] * len(self.calm)
        for targets in self.calm:
            for target in targets:
                before[target] += 1
        free = [number for number, count in enumerate(before) if not count]
        done = 0
        while free:
            number = free.pop()
            done += 1
            if not self.calm[number]:
                assert self.goals[number], f"stuck: {self.path(number)}: {states[number]}"
            for target in self.calm[number]:
                before[target] -= 1
                if not before[target]:
                    free.append(target)
        circle = next((number for number, count in enumerate(before) if count), 0)
        assert done == len(self.calm), f"never at rest: {self.path(circle)}"

    def path(self, number: int) -> list[str]:
        """The steps that lead to a state."""
        names = []
        while number >= 0:
            number, name = self.parents[number]
            names.append(name)
        return names[-2::-1]

    # Steps.

    def edges(self, state: State) -> Iterator[Edge]:
        yield self._pass(state)
        for number in range(self.world.setting.bases):
            yield from self._base(state, number)
        yield from self._people(state)
        for moment in self.world.due(state)[:1]:
            yield Edge("time passes", state._replace(now=moment), is_calm=True)
        for number, jvm in enumerate(state.jvms):
            if jvm.is_endpoint != (jvm.is_labelled and not jvm.is_gone):
                caught_up = with_jvm(state, number, jvm._replace(is_endpoint=not jvm.is_endpoint))
                yield Edge(f"endpoints follow base {number}", caught_up, is_calm=True)
        if state.faults:
            yield from self._faults(state._replace(faults=state.faults - 1))

    def _people(self, state: State) -> Iterator[Edge]:
        if state.paused and state.waiting is not None:
            ghost = state.ghost._replace(confirmed=state.waiting)
            yield Edge("a person confirms", state._replace(paused=False, ghost=ghost), is_calm=True)
        elif state.paused:
            yield Edge("a person resumes", state._replace(paused=False), is_calm=True)
        elif state.edits:
            yield Edge("a person pauses", state._replace(paused=True, edits=state.edits - 1))
        if state.edits and state.version == "2":
            yield Edge("a person goes back", state._replace(version="1", edits=state.edits - 1))

    def _pass(self, state: State) -> Edge:
        return Edge("pass", self._carry_out(state, state, len(self.world.writes(state))), is_calm=True)

    def _carry_out(self, seen: State, state: State, count: int) -> State:
        """Do the first writes of the plan made on `seen`."""
        before = state
        for write in self.world.writes(seen)[:count]:
            after = self.world.apply(state, write)
            if write.kind == "status":
                after = self._watch_batches(seen, state, after)
            if seen is before or not state.ghost.is_bereft:  # a loss that nobody has seen yet can't be reckoned with
                self._check_floor(self.world.available(state), self.world.available(after), write.kind)
            state = after
        if state.release is not None and state.release.kind is ReleaseKind.DEPLOY:
            release = state.release
            allowed = FOREVER if release.is_last_batch else release.opened
            updated = self.world.updated(state)
            assert updated <= max(allowed, self.world.updated(before)), f"{updated} of {allowed} allowed are updated"
            assert updated <= self.world.setting.replicas
        return state

    def _check_floor(self, before: int, after: int, what: str) -> None:
        assert after >= min(before, self.world.setting.floor), f"{what}: {before} available became {after}"

    def _watch_batches(self, seen: State, before: State, after: State) -> State:
        """No batch begins without its confirmation and gray time; the proof does its own counting."""
        old, new, setting = seen.release, after.release, self.world.setting
        if new is None or new is before.release:
            return after
        done = sum(m.is_available and template_of(m.source) == seen.version for m in seen.modules)
        done_at = None
        if old is not None and old.revision == new.revision and done >= min(old.opened, setting.replicas):
            done_at = before.ghost.done_at if before.ghost.done_at is not None else after.now
        is_next = old is not None and (old.revision, old.started_at) == (new.revision, new.started_at)
        if old is not None and is_next and new.current_batch > old.current_batch > 0:
            assert new.current_batch == old.current_batch + 1
            expected = token(new.revision, old.current_batch)
            assert not setting.confirm or before.ghost.confirmed == expected, f"{expected} was not confirmed"
            assert done_at is not None, "the batch before isn't done"
            assert after.now >= done_at + setting.gray_s, "the gray time is not over"
            done_at = None
        return after._replace(ghost=after.ghost._replace(done_at=done_at))

    def _base(self, state: State, number: int) -> Iterator[Edge]:
        yield Edge(f"base {number}", self._act(state, number, self.world.decide(state, number)), is_calm=True)

    def _act(self, state: State, number: int, decision: Decision, *, is_answered: bool = True) -> State:
        """As the base controller: what it has to tell first, then an operation."""
        if decision.reports or decision.released:
            return self.world.tell(state, decision)
        if decision.step is None:
            return state
        after = self.world.operate(state, number, decision.step, is_answered=is_answered)
        if isinstance(decision.step, Uninstall) and not state.ghost.is_bereft:
            before, left = self.world.serving(state), self.world.serving(after)
            self._check_floor(before, left, f"uninstall on base {number}")
            is_kept = any(module.is_available and module.base == number for module in state.modules)
            assert left == before or not is_kept or self.world.setting.policy == UNINSTALL, "nothing serves in between"
        return after

    # Faults.

    def _faults(self, state: State) -> Iterator[Edge]:
        writes = self.world.writes(state)
        for count in range(len(writes) + 1):
            done = self._carry_out(state, state, count)
            yield Edge(f"crash after {count} writes", _forgetful(done))
            if 0 < count < len(writes):
                yield Edge(f"no answer to write {count}", done)
        whole = self._carry_out(state, state, len(writes))
        yield Edge("the pass is carried out twice", self._carry_out(state, whole, len(writes)))
        for number in range(self.world.setting.bases):
            yield from self._faults_of_base(state, whole, number)

    def _faults_of_base(self, state: State, planned: State, number: int) -> Iterator[Edge]:
        decision = self.world.decide(state, number)
        acted = self._act(state, number, decision)
        if acted != state:
            yield Edge(f"crash after base {number}", _forgetful(acted))
            count = len(self.world.writes(state))
            yield Edge(f"a pass on what was before base {number}", self._carry_out(state, acted, count))
            yield Edge(f"base {number} on what was before a pass", self._act(planned, number, decision))
        if decision.step is not None and not decision.reports and not decision.released:
            unheard = self._act(state, number, decision, is_answered=False)
            yield Edge(f"no answer from base {number}", unheard)
            jvm = state.jvms[number]._replace(known=None)
            yield Edge(f"base {number} never heard of it", with_jvm(state, number, jvm))
            if isinstance(decision.step, Install):
                refused = with_jvm(self.world.refuse(state, decision.step.module), number, jvm)
                yield Edge(f"base {number} can't start it", refused)
            yield Edge(f"base {number} hears it twice", self._act(unheard, number, decision))
        jvm = state.jvms[number]
        if jvm.running:
            restarted = with_jvm(state, number, jvm._replace(running=(), known=None, container=jvm.container + 1))
            yield Edge(f"base {number} restarts", restarted._replace(ghost=state.ghost._replace(restarted=True)))
        if self.world.setting.spare and not any(other.is_gone for other in state.jvms):
            lost = with_jvm(state, number, Jvm(is_gone=True))
            yield Edge(f"base {number} is lost", lost._replace(ghost=state.ghost._replace(lost=True)))


def _forgetful(state: State) -> State:
    """The process is gone, and with it what it knew of bases."""
    return state._replace(jvms=tuple(jvm._replace(known=None) for jvm in state.jvms))


def completed(world: SmallWorld) -> State:
    """The first version is everywhere."""
    explorer, state = Explorer(world), world.begin(faults=0, edits=0)
    for _ in range(500):
        if world.is_goal(state):
            return state
        state = next(edge.state for edge in explorer.edges(state) if edge.is_calm and edge.state != state)
    raise AssertionError("the first version never completes")


# (setting, faults, edits by people); replicas of the last policy need a free base to go to.
SHORT = [
    (Setting(bases=2, replicas=2, batches=2, policy=INSTALL, gray_s=10), 1, 0),
    (Setting(bases=2, replicas=2, batches=2, policy=UNINSTALL, gray_s=10), 1, 1),
    (Setting(bases=3, replicas=3, batches=3, policy=INSTALL), 1, 0),
    (Setting(bases=3, replicas=3, batches=2, policy=UNINSTALL), 1, 0),
    (Setting(bases=3, replicas=2, batches=2, policy=SCALE), 1, 0),
    (Setting(bases=2, replicas=2, batches=2, policy=UNINSTALL, drain_s=10), 1, 0),
    (Setting(bases=3, replicas=2, batches=2, policy=INSTALL, drain_s=0), 1, 0),
    (Setting(bases=3, replicas=2, batches=2, policy=INSTALL, drain_s=10), 1, 1),
    (Setting(bases=2, replicas=2, batches=2, policy=INSTALL, rebuilt=True), 1, 0),
    (Setting(bases=3, replicas=2, batches=2, policy=INSTALL, rebuilt=True), 1, 1),
]
LONG = [
    (Setting(bases=2, replicas=2, batches=2, policy=INSTALL, gray_s=10), 1, 1),
    *((Setting(bases=3, replicas=3, batches=b, policy=INSTALL), 1, 0) for b in (1, 2)),
    *((Setting(bases=3, replicas=3, batches=b, policy=UNINSTALL), 1, 1) for b in (1, 2, 3)),
    (Setting(bases=3, replicas=3, batches=3, policy=INSTALL), 2, 0),
    *((Setting(bases=3, replicas=2, batches=b, policy=SCALE), 1, 1) for b in (1, 2)),
    (Setting(bases=3, replicas=1, batches=1, policy=SCALE, full=1), 2, 1),
    (Setting(bases=3, replicas=2, batches=2, policy=UNINSTALL, drain_s=10), 1, 1),
    (Setting(bases=3, replicas=1, batches=1, policy=SCALE, drain_s=10), 2, 0),
    *((Setting(bases=3, replicas=2, batches=2, policy=policy), 2, 0) for policy in (INSTALL, UNINSTALL)),
]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("is_upgrade", [False, True], ids=["deploy", "upgrade"])
@pytest.mark.parametrize(("setting", "faults", "edits"), SHORT + (LONG if IS_LONG else []), ids=str)
def test_every_state_is_safe_and_leads_to_the_goal(setting: Setting, faults: int, edits: int, is_upgrade: bool) -> None:
    world = SmallWorld(setting)
    first = world.begin(faults=faults, edits=edits)
    if is_upgrade:
        first = completed(world)._replace(version="2", faults=faults, edits=edits)
    explorer = Explorer(world)

    explorer.explore(first)

    assert any(explorer.goals)
    print(f"{len(explorer.numbers)} states: {setting}")  # noqa: T201  # counts, for pytest -s
