"""A whole cluster in memory: the real planner and the real convergence against plain values, with time that only we move."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import attrs

from moduledeploy.api.decode import decode_deployment_spec
from moduledeploy.api.kinds import FailureClass, ModuleStatus
from moduledeploy.api.names import MODULE_DEPLOYMENT
from moduledeploy.api.status import DeploymentStatus
from moduledeploy.placement.bases import Base, Obstacle
from moduledeploy.placement.pool import Pool
from moduledeploy.rollout import actions
from moduledeploy.rollout.converge import (
    BaseView,
    BizState,
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
from moduledeploy.rollout.plan import Plan, plan
from moduledeploy.rollout.service import CreateService, LeaveService, ServiceFacts
from moduledeploy.rollout.slots import BaseFacts, Mark, Slots
from moduledeploy.rollout.transitions import EventFact
from moduledeploy.rollout.view import BaseDeployment, Parent, Revision, View
from tests.rollout.bases import NAME, Jvm, Mod


@attrs.define
class World:
    """State, and the moves that change it; `calls` records every Arklet operation in order.

    bad: versions that can't be started, as `version` or `version@base`; stuck: bases that don't uninstall.
    """

    now: float = 1_000_000.0
    spec: dict[str, Any] = attrs.field(factory=dict)
    generation: int = 1
    status: DeploymentStatus = attrs.field(factory=DeploymentStatus)
    waiting: str | None = None
    retry: str = ""
    has_finalizer: bool = False
    deleted: bool = False
    is_terminating: bool = False
    rolling: bool = False
    conflict: str | None = None
    refusal: str | None = None
    has_base_deployment: bool = True
    revisions: dict[str, Revision] = attrs.field(factory=dict)
    modules: dict[str, Mod] = attrs.field(factory=dict)
    jvms: dict[str, Jvm] = attrs.field(factory=dict)
    bad: set[str] = attrs.field(factory=set)
    stuck: set[str] = attrs.field(factory=set)
    failure_class: FailureClass = FailureClass.PERMANENT
    slots: Slots = attrs.field(factory=Slots)
    pool: Pool = attrs.field(factory=Pool)
    events: list[EventFact] = attrs.field(factory=list)
    calls: list[tuple[str, str, str]] = attrs.field(factory=list)
    services: dict[str, ServiceFacts] = attrs.field(factory=dict)
    watch: Callable[[View, Plan, World], None] | None = None
    _serial: int = 0

    # What a person or the cluster does.

    def add_bases(self, count: int, **features: Any) -> None:
        for _ in range(count):
            jvm = Jvm(uid=f"b{len(self.jvms):02d}", ready_since=self.now, **features)
            self.jvms[jvm.uid] = jvm
            self._tell_base(jvm)

    def edit(self, **spec: Any) -> None:
        self.spec = {**self.spec, **spec}
        self.generation += 1

    def strategy(self, **fields: Any) -> None:
        self.edit(operationStrategy={**self.spec.get("operationStrategy", {}), **fields})

    def template(self, version: str, url: str = "") -> None:
        module = {"name": NAME, "version": version, "url": url or f"file:///modules/{NAME}-{version}.jar"}
        self.edit(template={"spec": {"module": module}})

    def set_ready(self, uid: str, ready: bool) -> None:
        jvm = self.jvms[uid]
        jvm.ready, jvm.ready_since = ready, self.now
        self._tell_base(jvm)

    def lose(self, uid: str) -> None:
        self.jvms[uid].gone = True
        self.pool.remove_base(uid)
        self.slots.set_base(self._base_facts(uid))

    def restart(self, uid: str) -> None:
        self.jvms[uid].restart()

    def occupy(self, uid: str, name: str) -> None:
        """Somebody else's module comes to a base that can take one."""
        jvm = self.jvms[uid]
        if not jvm.gone and (jvm.cap is None or self.pool.count(uid) < jvm.cap):
            jvm.others.add(name)
            self.pool.add_module(uid, name, name)

    def publish_endpoints(self) -> bool:
        """EndpointSlices catch up with labels; whether anything changed."""
        stale = [jvm for jvm in self.jvms.values() if jvm.is_endpoint != (jvm.is_labelled and not jvm.gone)]
        for jvm in stale:
            jvm.is_endpoint = not jvm.is_endpoint
        return bool(stale)

    def delete_module(self, name: str) -> None:
        self.modules[name].terminating = True
        self._tell_module(self.modules[name])

    def forget(self) -> None:
        """The object is gone; the next one of that name has the same spec and nothing else."""
        self.status, self.waiting, self.generation = DeploymentStatus(), None, 1
        self.has_finalizer = self.is_terminating = self.deleted = False
        self.revisions.clear()
        self.services = {}

    # What the controllers do.

    def view(self) -> View:
        return View(
            parent=Parent(
                kind=MODULE_DEPLOYMENT,
                namespace="default",
                name=NAME,
                uid="md",
                generation=self.generation,
                spec=decode_deployment_spec({"baseDeploymentName": "base", **self.spec}),
                status=self.status,
                waiting=self.waiting,
                retry=self.retry,
                has_finalizer=self.has_finalizer,
                is_terminating=self.is_terminating,
            ),
            revisions=self.revisions,
            slots=self.slots,
            base_deployment=BaseDeployment(
                replicas=sum(not jvm.gone for jvm in self.jvms.values()), is_rolling=self.rolling
            )
            if self.has_base_deployment
            else None,
            conflict=self.conflict,
            refusal=self.refusal,
            services=self.services,
        )

    def reconcile(self) -> Plan:
        """One pass of the rollout controller; the world after it."""
        view = self.view()
        made = plan(view, self.pool, self.now)
        before = self.slots.count(Mark.AVAILABLE)
        for action in made.actions:
            self._act(action)
        floor = view.desired - made.status.max_unavailable
        after = self.slots.count(Mark.AVAILABLE)
        assert self.is_terminating or after >= min(before, floor), (
            f"{before} available became {after}, the floor is {floor}"
        )
        if self.watch is not None:
            self.watch(view, made, self)
        self.status = made.status
        self.events.extend(made.events)
        self.slots.check_invariants()
        self.pool.check_invariants()
        return made

    def _act(self, action: actions.Action) -> None:
        match action:
            case actions.AddFinalizer():
                self.has_finalizer = True
            case actions.RemoveFinalizer():
                self.deleted = True
            case actions.CreateRevision(name=name, number=number, template=template, replicas=replicas):
                self.revisions[name] = Revision(
                    name=name, uid=name, number=number, template=template, replicas=replicas, created_at=self.now
                )
            case actions.AdjustRevision(name=name, number=number, replicas=replicas):
                self.revisions[name] = attrs.evolve(self.revisions[name], number=number, replicas=replicas)
            case actions.DeleteRevision(name=name):
                del self.revisions[name]
            case actions.WriteGate(write=write, token=token):
                self._gate(write, token)
            case CreateService(module_name=name, strategy=strategy):
                service = ServiceFacts(name=f"{name}-service", owners=("md",), ports=(strategy,))
                self.services = {service.name: service}
            case LeaveService():
                self.services = {}
            case actions.DeleteModule(name=name):
                self.delete_module(name)
            case actions.CreateModule():
                self._create(action)
                for old in action.replaces:
                    self.delete_module(old.name)

    def _gate(self, write: GateWrite, token: str) -> None:
        self.waiting = token if write is GateWrite.SET else None
        if write is GateWrite.SET:
            self.edit(pause=True)
        elif write is GateWrite.TAKE_BACK:
            self.edit(pause=None)

    def _create(self, action: actions.CreateModule) -> None:
        assert action.name not in self.modules, f"{action.name} is there already"
        self._serial += 1
        module = Mod(
            name=action.name,
            uid=f"m{self._serial}",
            replica_set=action.revision.name,
            number=action.revision.number,
            base_uid=action.base_uid,
            source=action.revision.template.module,
            created=self.now,
            batch=action.batch,
            uninstall_first=action.uninstall_first,
        )
        self.modules[action.name] = module
        jvm = self.jvms[action.base_uid]
        assert jvm.cap is None or len({NAME, *jvm.others}) <= jvm.cap, f"{action.base_uid} is over its cap"
        self.pool.add_module(module.base_uid, module.source.name, module.name)
        self._tell_module(module)

    def converge(self, uid: str) -> bool:
        """One step on a base; whether anything was done."""
        jvm = self.jvms[uid]
        here = tuple(module.wanted() for module in self.modules.values() if module.base_uid == uid)
        base = BaseView(
            is_gone=jvm.gone,
            is_reachable=not jvm.gone,
            container_id=jvm.container,
            modules=here,
            listed=jvm.known,
            routes=self._routes(jvm),
        )
        decision = converge(base, self.now)
        for wanted, status in decision.reports:
            self._report(wanted.name, status)
        for wanted in decision.released:
            self._release(wanted.name)
        is_stuck = uid in self.stuck and isinstance(decision.step, Uninstall)
        if decision.step is not None and not is_stuck:
            self._operate(jvm, decision.step)
        return bool(decision.reports or decision.released or (decision.step and not is_stuck))

    def _routes(self, jvm: Jvm) -> dict[str, Route]:
        strategy = self.spec.get("operationStrategy", {})
        route = Route(
            is_wanted=bool(strategy.get("serviceStrategy")),
            is_labelled=jvm.is_labelled,
            is_endpoint=jvm.is_endpoint,
            drain_s=strategy.get("drainSeconds", 0),
        )
        return {} if route == Route() else {NAME: route}

    def _operate(self, jvm: Jvm, step: Step) -> None:
        match step:
            case Query():
                pass
            case Install(module=module):
                self._install(jvm, module)
            case Uninstall(name=name, version=version):
                self.calls.append(("uninstall", jvm.uid, f"{name}:{version}"))
                jvm.uninstall(name, version)
            case SetTraffic(on=on):
                self.calls.append(("label" if on else "unlabel", jvm.uid, NAME))
                jvm.is_labelled = on
                return
            case Switch(module=module):
                self.calls.append(("switch", jvm.uid, module.source.identity))
                jvm.switch(module.source)
        jvm.known = jvm.listed()

    def _install(self, jvm: Jvm, module: Wanted) -> None:
        self.calls.append(("install", jvm.uid, module.source.identity))
        if self.bad & {module.source.version, f"{module.source.version}@{jvm.uid}"}:
            failed = ModuleStatus(
                status="Failed",
                reason="InstallFailed",
                message="it throws",
                failureClass=self.failure_class.value,
                attempts=1,
            )
            self._report(module.name, attrs.evolve(failed, nextRetryTime=_later(self.now, 3600)))
            return
        jvm.install(module.source)

    def _report(self, name: str, status: ModuleStatus) -> None:
        self.modules[name].status = status
        self._tell_module(self.modules[name])

    def _release(self, name: str) -> None:
        module = self.modules.pop(name)
        self.slots.drop_module(module.base_uid, name)
        self.pool.remove_module(module.base_uid, module.source.name, name)

    # How the controllers learn of it.

    def _base_facts(self, uid: str) -> BaseFacts:
        jvm = self.jvms[uid]
        since = jvm.ready_since if jvm.ready and not jvm.gone else None
        return BaseFacts(uid=uid, name=uid, is_gone=jvm.gone, is_lost=jvm.gone, ready_since=since)

    def _tell_base(self, jvm: Jvm) -> None:
        obstacle = None if jvm.ready else Obstacle.NOT_READY
        self.pool.set_base(Base(uid=jvm.uid, name=jvm.uid, cap=jvm.cap, obstacle=obstacle))
        self.slots.set_base(self._base_facts(jvm.uid))

    def _tell_module(self, module: Mod) -> None:
        self.slots.set_module(module.facts(), self._base_facts(module.base_uid))

    # Letting it run.

    def settle(self, limit: int = 400) -> None:
        """Run everything until nothing changes at this moment."""
        for _ in range(limit):
            before = self._fingerprint()
            self.publish_endpoints()
            self.reconcile()
            for uid in list(self.jvms):
                while self.converge(uid):
                    self.reconcile()
            if self._fingerprint() == before:
                return
        raise AssertionError(f"it doesn't come to rest: {self.status}")

    def run(self, seconds: float) -> None:
        """Let time pass in the steps at which something is due."""
        end = self.now + seconds
        self.settle()
        while self.now < end:
            due = [moment for moment in (self.reconcile().wake_at, *self._drained_at()) if moment is not None]
            self.now = min([moment for moment in due if moment > self.now], default=end)
            self.now = min(self.now, end)
            self.settle()

    def _drained_at(self) -> list[float]:
        """When Modules that drain have drained."""
        seconds = self.spec.get("operationStrategy", {}).get("drainSeconds", 0)
        draining = [module.status for module in self.modules.values() if module.status.reason == "Draining"]
        return [s.lastTransitionTime.timestamp() + seconds for s in draining if s.lastTransitionTime is not None]

    def _fingerprint(self) -> tuple[object, ...]:
        modules = tuple((m.name, m.uid, m.status, m.terminating) for m in self.modules.values())
        running = tuple((tuple(jvm.running.items()), jvm.is_labelled, jvm.is_endpoint) for jvm in self.jvms.values())
        return (
            self.has_finalizer,
            self.status,
            self.waiting,
            self.generation,
            modules,
            running,
            tuple(self.revisions.values()),
            self.deleted,
        )

    # What tests look at.

    def serving(self) -> dict[str, str]:
        """Active version by base."""
        return {
            uid: version
            for uid, jvm in self.jvms.items()
            if not jvm.gone
            for (_, version), state in jvm.running.items()
            if state is BizState.ACTIVE
        }

    def installed(self) -> list[str]:
        """All versions on all bases, sorted."""
        return sorted(version for jvm in self.jvms.values() if not jvm.gone for _, version in jvm.running)

    def reasons(self) -> list[str]:
        """Reasons of the events so far."""
        return [event.reason for event in self.events]


def _later(now: float, seconds: float) -> datetime:
    return datetime.fromtimestamp(now + seconds, UTC)
