"""A world small enough to visit every state of: plain tuples around the real planner and the real convergence.

What a pass sees decides what it plans, so plans and decisions are remembered by what was seen; the rest is moving tuples about.
A state holds what outlives a crash (objects, what runs on bases, time), what a crash loses (what is known of bases' lists), and
what only the proof remembers (which batch a person confirmed, since when a batch is done, whether a container was restarted).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import attrs

from moduledeploy.api.kinds import FailureClass, ModuleStatus, ModuleStatusWord
from moduledeploy.api.names import MODULE_DEPLOYMENT
from moduledeploy.api.spec import ServiceStrategy
from moduledeploy.api.status import DeploymentStatus, Progress, Release
from moduledeploy.placement.bases import Base as Seat
from moduledeploy.placement.pool import Pool
from moduledeploy.rollout import actions
from moduledeploy.rollout.converge import (
    BaseView,
    Biz,
    BizState,
    Decision,
    Install,
    Query,
    Route,
    SetTraffic,
    Step,
    Switch,
    Uninstall,
    Wanted,
    converge,
)
from moduledeploy.rollout.gate import GateWrite
from moduledeploy.rollout.module_status import DRAINING
from moduledeploy.rollout.plan import plan
from moduledeploy.rollout.service import ServiceFacts
from moduledeploy.rollout.slots import Slots
from moduledeploy.rollout.view import BaseDeployment, Parent, Revision, View
from tests.rollout.small_state import (
    BEGIN,
    NAME,
    Jvm,
    Mod,
    Setting,
    State,
    Write,
    base_of,
    by_name,
    facts_of,
    template_of,
    uid_of,
    wanted_of,
    with_jvm,
)

RETRY_S = 10.0


@attrs.define
class SmallWorld:
    """The moves of one setting."""

    setting: Setting
    _plans: dict[tuple[object, ...], tuple[Write, ...]] = attrs.field(factory=dict)
    _decisions: dict[tuple[object, ...], Decision] = attrs.field(factory=dict)
    _templates: dict[str, Revision] = attrs.field(factory=dict)
    _interned: dict[object, Any] = attrs.field(factory=dict)

    def begin(self, *, faults: int, edits: int) -> State:
        """Nothing is deployed yet."""
        return State(BEGIN, "1", False, None, None, (), (), (Jvm(),) * self.setting.bases, faults, edits)

    # The rollout controller.

    def writes(self, state: State) -> tuple[Write, ...]:
        """What a pass that sees this state writes, in order."""
        seen = (
            state.now,
            state.version,
            state.paused,
            state.waiting,
            id(state.release),
            state.revisions,
            state.modules,
            tuple(jvm.is_gone for jvm in state.jvms),
        )
        found = self._plans.get(seen)
        if found is None:
            found = self._plans[seen] = tuple(self._plan(state))
        return found

    def _plan(self, state: State) -> Iterator[Write]:
        made = plan(self._view(state), self._pool(state), state.now)
        # Conditions, counts and message are read by people only: without them many states are one.
        status = Write("status", self._intern(made.status.release))
        if made.status_first:
            yield status
        later = []
        for action in made.actions:
            match action:
                case actions.CreateModule():
                    later.append(Write("create", self._module(action, state)))
                    later += [Write("delete", (old.name, old.uid)) for old in action.replaces]
                case actions.DeleteModule(name=name, uid=uid):
                    yield Write("delete", (name, uid))
                case actions.CreateRevision(name=name, number=number, template=template, replicas=replicas):
                    yield Write("revision", (name, template_of(template.module), number, replicas))
                case actions.AdjustRevision(name=name, number=number, replicas=replicas):
                    version = next(item[1] for item in state.revisions if item[0] == name)
                    yield Write("revision", (name, version, number, replicas))
                case actions.DeleteRevision(name=name):
                    yield Write("forget", name)
                case actions.WriteGate(write=write, token=token):
                    yield Write("gate", (write, token))
                case _:
                    raise AssertionError(action)
        yield from later
        if not made.status_first:
            yield status

    def _module(self, action: actions.CreateModule, state: State) -> Mod:
        earlier = [module.serial for module in state.modules if module.name == action.name]
        return Mod(
            name=action.name,
            serial=max(earlier, default=0) + 1,
            replica_set=action.revision.name,
            number=action.revision.number,
            base=int(action.base_uid[1:]),
            source=action.revision.template.module,
            created=state.now,
            batch=action.batch,
            uninstall_first=action.uninstall_first,
        )

    def _view(self, state: State) -> View:
        slots = Slots()
        for module in state.modules:
            slots.set_module(facts_of(module), base_of(module.base, state.jvms[module.base]))
        release = state.release
        service = ServiceFacts(name=f"{NAME}-service", owners=("md",), ports=(ServiceStrategy(80, 80),))
        return View(
            parent=Parent(
                kind=MODULE_DEPLOYMENT,
                namespace="default",
                name=NAME,
                uid="md",
                generation=1,
                spec=self.setting.spec(state.version, paused=state.paused),
                status=DeploymentStatus(release=release),
                waiting=state.waiting,
            ),
            revisions={item[0]: self._revision(*item) for item in state.revisions},
            slots=slots,
            base_deployment=BaseDeployment(replicas=self.setting.bases, is_rolling=False),
            services={service.name: service} if self.setting.drain_s is not None else {},
        )

    def _revision(self, name: str, version: str, number: int, replicas: int) -> Revision:
        template = self.setting.spec(version, paused=False).template
        return Revision(name=name, uid=name, number=number, template=template, replicas=replicas, created_at=number)

    def _pool(self, state: State) -> Pool:
        pool = Pool()
        for number, jvm in enumerate(state.jvms):
            if jvm.is_gone:
                continue
            pool.set_base(Seat(uid=uid_of(number), name=uid_of(number), cap=1))
            if number >= self.setting.bases - self.setting.full:
                pool.add_module(uid_of(number), "another", "another")
        for module in state.modules:
            pool.add_module(uid_of(module.base), NAME, module.name)
        return pool

    def _intern(self, value: Release | None) -> Release | None:
        """One object for equal values, so that `id` stands for it."""
        found: Release | None = self._interned.setdefault(value, value)
        return found

    def apply(self, state: State, write: Write) -> State:
        """The state after one request."""
        match write.kind:
            case "status":
                return state._replace(release=write.what)
            case "gate":
                kind, token = write.what
                paused = {GateWrite.SET: True, GateWrite.TAKE_BACK: False}.get(kind, state.paused)
                return state._replace(waiting=token if kind is GateWrite.SET else None, paused=paused)
            case "revision":
                others = tuple(item for item in state.revisions if item[0] != write.what[0])
                return state._replace(revisions=tuple(sorted((*others, write.what))))
            case "forget":
                return state._replace(revisions=tuple(item for item in state.revisions if item[0] != write.what))
            case "create":
                if any(module.name == write.what.name for module in state.modules):
                    return state
                return state._replace(modules=tuple(sorted((*state.modules, write.what), key=by_name)))
            case _:
                name, uid = write.what
                return state._replace(
                    modules=tuple(
                        module._replace(terminating=True)
                        if (module.name, str(module.serial)) == (name, uid)
                        else module
                        for module in state.modules
                    )
                )

    # The base controller.

    def decide(self, state: State, number: int) -> Decision:
        """What a pass over a base that sees this state wants."""
        jvm = state.jvms[number]
        here = tuple(module for module in state.modules if module.base == number)
        seen = (state.now, jvm._replace(running=()), here)
        found = self._decisions.get(seen)
        if found is None:
            listed = None if jvm.known is None else tuple(Biz(NAME, version, biz) for version, biz in jvm.known)
            view = BaseView(
                is_gone=jvm.is_gone,
                is_reachable=not jvm.is_gone,
                container_id=f"c{jvm.container}",
                modules=tuple(wanted_of(module) for module in here),
                listed=listed,
                routes=self._routes(jvm),
            )
            found = self._decisions[seen] = converge(view, state.now)
        return found

    def _routes(self, jvm: Jvm) -> dict[str, Route]:
        if self.setting.drain_s is None:
            return {}
        route = Route(
            is_wanted=True, is_labelled=jvm.is_labelled, is_endpoint=jvm.is_endpoint, drain_s=self.setting.drain_s
        )
        return {NAME: route}

    def tell(self, state: State, decision: Decision) -> State:
        """Write what was found out; what is for another object of that name is void."""
        if not decision.reports and not decision.released:
            return state
        statuses = {(module.name, module.uid): status for module, status in decision.reports}
        gone = {(module.name, module.uid) for module in decision.released}
        kept = []
        for module in state.modules:
            key = (module.name, str(module.serial))
            if key not in gone:
                kept.append(module._replace(status=statuses[key]) if key in statuses else module)
        return state._replace(modules=tuple(kept))

    def operate(self, state: State, number: int, step: Step, *, is_answered: bool = True) -> State:
        """One operation on a base; without an answer nothing is known of it."""
        jvm = state.jvms[number]
        if isinstance(step, SetTraffic):
            return with_jvm(state, number, jvm._replace(is_labelled=step.on))
        running, known = dict(jvm.running), jvm.known
        match step:
            case Query():
                known = jvm.running
            case Install(module=module):
                known = None
                if module.source.version not in running:
                    running[module.source.version] = BizState.STANDBY if running else BizState.ACTIVE
                    state = self._count_install(state, module)
                    known = tuple(sorted(running.items()))
            case Uninstall(version=version):
                was_active = running.pop(version, None) is BizState.ACTIVE
                assert not (was_active and jvm.is_endpoint), f"base {number} is uninstalled while traffic comes"
                known = tuple(item for item in known or () if item[0] != version)
            case Switch(module=module):
                if module.source.version in running:
                    running = dict.fromkeys(running, BizState.STANDBY) | {module.source.version: BizState.ACTIVE}
                known = None
        after = jvm._replace(running=tuple(sorted(running.items())), known=known if is_answered else None)
        return with_jvm(state, number, after)

    def refuse(self, state: State, module: Wanted) -> State:
        """An install fails, to be tried again after a while."""
        attempts = module.status.attempts + 1
        status = ModuleStatus(
            status=ModuleStatusWord.FAILED,
            reason="InstallFailed",
            failureClass=FailureClass.RETRYABLE.value,
            attempts=attempts,
            nextRetryTime=datetime.fromtimestamp(state.now + RETRY_S, UTC),
        )
        return self.tell(state, Decision(reports=((module, status),)))

    def due(self, state: State) -> list[float]:
        """When something happens by itself."""
        moments = [state.release.gray_until if state.release is not None else None]
        for module in state.modules:
            status = module.status
            if status.nextRetryTime is not None:
                moments.append(status.nextRetryTime.timestamp())
            if status.reason == DRAINING and status.lastTransitionTime is not None:
                moments.append(status.lastTransitionTime.timestamp() + (self.setting.drain_s or 0))
        return sorted(moment for moment in moments if moment is not None and moment > state.now)

    def _count_install(self, state: State, wanted: Wanted) -> State:
        modules = []
        for module in state.modules:
            if (module.name, str(module.serial)) == (wanted.name, wanted.uid):
                assert not module.taken or state.ghost.restarted, f"{module.name} is installed twice"
                module = module._replace(taken=1)  # noqa: PLW2901  # the changed one goes into the list
            modules.append(module)
        return state._replace(modules=tuple(modules))

    # What the proof asks.

    def available(self, state: State) -> int:
        """Slots with a version that serves and that nobody takes away."""
        here = {module.base for module in state.modules if module.is_available}
        return sum(not state.jvms[base].is_gone for base in here)

    def serving(self, state: State) -> int:
        """Bases on which a version is really active."""
        return sum(any(biz is BizState.ACTIVE for _, biz in jvm.running) for jvm in state.jvms)

    def updated(self, state: State) -> int:
        """Slots that have a live Module of the newest version."""
        here = {m.base for m in state.modules if template_of(m.source) == state.version and not m.terminating}
        return sum(not state.jvms[base].is_gone for base in here)

    def is_goal(self, state: State) -> bool:
        """What is asked for is there, available, and nothing else."""
        release = state.release
        return (
            release is not None
            and release.progress is Progress.COMPLETED
            and sum(len(jvm.running) for jvm in state.jvms) == len(state.modules) == self.setting.replicas
            and all(module.is_available and template_of(module.source) == state.version for module in state.modules)
            and all(biz is BizState.ACTIVE for jvm in state.jvms for _, biz in jvm.running)
            and self.serving(state) == self.setting.replicas
            and (self.setting.drain_s is None or self._leads_to_all(state))
        )

    def _leads_to_all(self, state: State) -> bool:
        """Traffic comes to every base that serves and to no other."""
        return all(jvm.is_endpoint == jvm.is_labelled == bool(jvm.running) for jvm in state.jvms if not jvm.is_gone)
