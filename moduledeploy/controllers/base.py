"""The base controller: one key, one base. Brings what runs on a base to what its Modules ask for, one operation at a time."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Protocol, TypeGuard, assert_never

import anyio
import attrs
import structlog

from moduledeploy.api.kinds import FailureClass, Module, ModuleStatusWord
from moduledeploy.api.traffic import labelled_modules, pod_label
from moduledeploy.arklet import outcomes
from moduledeploy.controllers.facts import BaseKey, wanted
from moduledeploy.controllers.failures import is_of_another
from moduledeploy.controllers.labels import labels_to_mend
from moduledeploy.controllers.long_calls import LongCalls
from moduledeploy.controllers.modules import ModuleWriter
from moduledeploy.controllers.resources import MODULES, PODS
from moduledeploy.controllers.schemes import refusal_of
from moduledeploy.kube.errors import Invalid, NotFound
from moduledeploy.kube.resources import ObjectKey
from moduledeploy.kube.worker import Done, RequeueAfter
from moduledeploy.rollout.converge import (
    BaseView,
    Biz,
    BizState,
    Decision,
    Install,
    Query,
    SetTraffic,
    Step,
    Switch,
    Uninstall,
    Wanted,
    converge,
)
from moduledeploy.rollout.module_status import BUSY, UNINSTALL_FAILED, UNREACHABLE
from moduledeploy.runtime.backoff import Backoff

if TYPE_CHECKING:
    from moduledeploy.api.cluster import Pod
    from moduledeploy.controllers.audit import AuditSchedule
    from moduledeploy.controllers.cluster import Cluster
    from moduledeploy.controllers.execute import Writer
    from moduledeploy.controllers.statuses import Recorder
    from moduledeploy.kube.consistency import WrittenVersions
    from moduledeploy.runtime.clock import Clock

_log: Final = structlog.get_logger()
STALE_RETRY_S: Final = 0.5
BUSY_RETRY_S: Final = 2.0  # another operation on that module is under way in the base
_TO_COME: Final = frozenset({"", ModuleStatusWord.PENDING, ModuleStatusWord.UPGRADING})
LABEL_PAUSE_S: Final = 10.0  # between two times that labels are put back on one base
INSTALL_FAILED: Final = "InstallFailed"
IDENTITY_MISMATCH: Final = "IdentityMismatch"
UNREACHABLE_BACKOFF: Final = Backoff(base_s=1.0, factor=2.0, cap_s=60.0)


class Arklet(Protocol):
    """Arklet's endpoint in a base; every call ends in a value, whatever happens on the way, operations after so long at most."""

    @property
    def operation_timeout_s(self) -> float: ...
    async def query(self, address: str) -> outcomes.Listing | outcomes.Refused | outcomes.Unclear: ...
    async def install(self, address: str, name: str, version: str, url: str) -> outcomes.Outcome: ...
    async def uninstall(self, address: str, name: str, version: str) -> outcomes.Outcome: ...
    async def switch(self, address: str, name: str, version: str) -> outcomes.Outcome: ...


@attrs.define
class _Session:
    """What this process knows of a base beyond the API: Arklet's last list, and for which container.

    failures: calls in a row that didn't reach it; unsettled: by module name, operations in a row without a clear end;
    resting: until when names are left alone after one, so that what can't be done holds nothing else on the base.
    label_at: when labels may be put back again; somebody else may put them as often as he likes.
    """

    container_id: str = ""
    listed: tuple[Biz, ...] | None = None
    failures: int = 0
    unsettled: dict[str, int] = attrs.field(factory=dict)
    resting: dict[str, float] = attrs.field(factory=dict)
    retry_at: float = 0.0
    label_at: float = 0.0


@attrs.define(kw_only=True)
class BaseController:
    """Converges bases; different bases in parallel, the operations on one base one after the other."""

    cluster: Cluster
    writer: Writer
    arklet: Arklet
    recorder: Recorder
    written: WrittenVersions[BaseKey]
    audits: AuditSchedule
    url_schemes: frozenset[str]
    clock: Clock
    draw: Callable[[], float] = random.random
    _sessions: dict[BaseKey, _Session] = attrs.field(factory=dict, init=False)
    _modules: ModuleWriter = attrs.field(init=False)
    _calls: LongCalls = attrs.field(init=False)

    @_modules.default
    def _write_by(self) -> ModuleWriter:
        return ModuleWriter(
            writer=self.writer, recorder=self.recorder, written=self.written, clock=self.clock, draw=self.draw
        )

    @_calls.default
    def _wait_by(self) -> LongCalls:
        return LongCalls(
            cluster=self.cluster,
            modules=self._modules,
            clock=self.clock,
            at_most_s=self.arklet.operation_timeout_s,
        )

    async def reconcile(self, key: BaseKey) -> Done | RequeueAfter:
        """Steps on one base until something is written to the API, something is awaited, or nothing is left to do."""
        while (rest := await self._pass(key)) is None:
            pass
        return rest

    async def _pass(self, key: BaseKey) -> Done | RequeueAfter | None:
        """Look, tell, and do one operation; None when there may be more to do at once."""
        stores = self.cluster.stores
        if not self.written.is_ready(key, {MODULES: stores.modules, PODS: stores.pods}):
            return RequeueAfter(STALE_RETRY_S)
        modules = {
            module.metadata.uid: module
            for module in stores.modules.by_index("base", key.uid)
            if module.metadata.namespace == key.namespace
        }
        pod = self.cluster.pod(key)
        if not modules and (pod is None or not labelled_modules(pod.metadata.labels)):
            self._sessions.pop(key, None)
            self.audits.forget(key)
            self.written.forget(key)
            return Done()
        session = self._session(key, pod)
        decision = self._decide(key, session, pod, modules)
        wrote = await self._tell(key, session, modules, decision)
        pause_s = session.retry_at - self.clock.monotonic()
        if wrote:
            return Done() if decision.step is None else RequeueAfter(max(0.0, pause_s))
        if decision.step is not None and pod is not None and pause_s <= 0:
            await self._operate(key, session, pod, modules, decision.step)
            return None
        labels_in_s = await self._put_labels_back(key, session, pod, modules)
        if decision.step is not None and pod is not None:
            return RequeueAfter(min(pause_s, labels_in_s))
        return self._rest(key, session, decision, labels_in_s)

    def _session(self, key: BaseKey, pod: Pod | None) -> _Session:
        """The session of the base's present container: another container has lost whatever was installed."""
        container = pod.arklet_container if pod else None
        container_id = container.containerID if container else ""
        session = self._sessions.get(key)
        if session is None or session.container_id != container_id:
            session = self._sessions[key] = _Session(container_id)
        now = self.clock.monotonic()
        rested = [name for name, until in session.resting.items() if until <= now]
        for name in rested:
            del session.resting[name]
        if rested or self.audits.is_due(key):
            session.listed = None
        return session

    def _decide(self, key: BaseKey, session: _Session, pod: Pod | None, modules: dict[str, Module]) -> Decision:
        is_reachable = pod is not None and bool(pod.status.podIP) and not pod.metadata.is_terminating
        view = BaseView(
            is_gone=pod is None or pod.has_ended,
            is_reachable=is_reachable,
            name=key.name,
            container_id=session.container_id,
            modules=tuple(map(self._wanted, modules.values())),
            listed=session.listed,
            resting=frozenset(session.resting),
            routes=self.cluster.routes(key, pod, modules.values()) if pod is not None else {},
        )
        return converge(view, round(self.clock.wall(), 6))

    def _wanted(self, module: Module) -> Wanted:
        return wanted(module, self.cluster.family_of(module))

    async def _tell(self, key: BaseKey, session: _Session, modules: dict[str, Module], decision: Decision) -> bool:
        """Write what was found out; whether anything was written."""
        for module, status in decision.reports:
            if not await self._modules.tell(key, module, status):
                self._await_watch(session)
        for module in decision.released:
            if not await self._modules.release(key, module, modules[module.uid].metadata):
                self._await_watch(session)
        return bool(decision.reports or decision.released)

    async def _put_labels_back(
        self, key: BaseKey, session: _Session, pod: Pod | None, modules: dict[str, Module]
    ) -> float:
        """Labels of ours that somebody edited are as before, but not more often than now and then: returns in how many seconds."""
        edited = [(module, found) for module in modules.values() if (found := self._edited_labels(module, pod))]
        now = self.clock.monotonic()
        if not edited:
            return math.inf
        if now < session.label_at:
            return session.label_at - now
        session.label_at = now + LABEL_PAUSE_S
        for module, labels in edited:
            await self._modules.label(key, module, labels)
        return math.inf

    def _edited_labels(self, module: Module, pod: Pod | None) -> Mapping[str, str | None]:
        owner = module.metadata.controller
        if pod is None or owner is None:
            return {}
        where = ObjectKey(module.metadata.namespace, owner.name)
        return labels_to_mend(module, self.cluster.stores.replica_sets.get(where), pod)

    def _rest(self, key: BaseKey, session: _Session, decision: Decision, labels_in_s: float) -> RequeueAfter:
        """Nothing is to be done now; when to look again."""
        due_at = min(self.audits.next_at(key), *session.resting.values(), math.inf)
        moments = [labels_in_s, due_at - self.clock.monotonic()]
        if decision.wake_at is not None:
            session.listed = None if decision.step is None and _is_starting(session) else session.listed
            moments.append(decision.wake_at - self.clock.wall())
        return RequeueAfter(max(0.0, min(moments)))

    async def _operate(self, key: BaseKey, session: _Session, pod: Pod, modules: dict[str, Module], step: Step) -> None:
        """One operation on the base. What it ended in is in the session's list and pause, or in a Module's status."""
        if isinstance(step, SetTraffic):
            await self._set_traffic(key, session, step)
            return
        try:
            address = f"{pod.status.podIP}:{pod.arklet_port}"
        except ValueError as error:
            await self._unreachable(key, session, modules, str(error))
            return
        name = _name_of(step)
        unsettled = session.unsettled.get(name, 0)
        match step:
            case Query():
                await self._query(key, session, modules, address)
            case Install(module=module) if (refusal := refusal_of(module.source.url, self.url_schemes)) is not None:
                await self._modules.fail(key, module, FailureClass.PERMANENT, INSTALL_FAILED, refusal)
            case Install():
                await self._install(key, session, modules, step, address)
            case Uninstall():
                await self._uninstall(key, session, modules, step, address)
            case Switch(module=module):
                await self._switch(key, session, modules, module, address)
            case _:
                assert_never(step)
        if session.unsettled.get(name, 0) == unsettled:
            session.unsettled.pop(name, None)

    def _await_watch(self, session: _Session) -> None:
        """What was planned for is gone and the watch will say so: until then the same would be tried again and again."""
        session.retry_at = max(session.retry_at, self.clock.monotonic() + STALE_RETRY_S)

    async def _set_traffic(self, key: BaseKey, session: _Session, step: SetTraffic) -> None:
        """Put a module's label on the pod, or take it away; void when another pod has its name."""
        labels = {pod_label(step.name): "true" if step.on else None}
        body = {"metadata": {"uid": key.uid, "labels": labels}}
        try:
            wrote = await self.writer.patch(PODS, ObjectKey(key.namespace, key.name), body)
        except NotFound:
            self._await_watch(session)
            return
        except Invalid as refusal:
            if not is_of_another(refusal):
                raise
            self._await_watch(session)
            return
        self.written.wrote(key, PODS, wrote.resource_version)

    async def _query(self, key: BaseKey, session: _Session, modules: dict[str, Module], address: str) -> None:
        answer = await self.arklet.query(address)
        if not isinstance(answer, outcomes.Listing):
            await self._unreachable(key, session, modules, answer.message)
            return
        session.listed = tuple(Biz(item.name, item.version, BizState(item.state.value)) for item in answer.modules)
        session.failures, session.retry_at = 0, 0.0
        self.audits.done(key)

    async def _install(
        self, key: BaseKey, session: _Session, modules: dict[str, Module], step: Install, address: str
    ) -> None:
        module = step.module
        source, before = module.source, session.listed or ()
        session.listed = None
        outcome = await self._calls.wait(
            key, step, lambda: self.arklet.install(address, source.name, source.version, source.url)
        )
        match outcome:
            case outcomes.Done(identity=identity, state=state) if identity == source.identity and state is not None:
                session.listed = (*before, Biz(source.name, source.version, BizState(state.value)))
            case outcomes.Done(identity=identity) if identity not in ("", source.identity):
                await self._mismatch(key, module, identity, address)
            case outcomes.Done() | outcomes.Repeated():  # a repeated one is there already, since an answer was lost
                await self._query(key, session, modules, address)
                if not _may_be_there(session, source.name, source.version):
                    await self._not_listed(key, session, modules, module, outcome)
            case outcomes.Refused(failure=failure, message=message):
                await self._modules.fail(key, module, FailureClass(failure.value), INSTALL_FAILED, message)
            case outcomes.Unclear(message=message) if _is_unanswered(outcome):
                await self._query(key, session, modules, address)
                if not _may_be_there(session, source.name, source.version):
                    await self._modules.fail(key, module, FailureClass.RETRYABLE, INSTALL_FAILED, message)
            case _:
                if isinstance(outcome, outcomes.Busy) and source.name in session.unsettled:
                    await self._modules.say(key, module, BUSY, outcome.message)
                await self._unclear(key, session, modules, source.name, outcome)

    async def _switch(
        self, key: BaseKey, session: _Session, modules: dict[str, Module], module: Wanted, address: str
    ) -> None:
        source, before = module.source, session.listed or ()
        session.listed = None
        outcome = await self.arklet.switch(address, source.name, source.version)
        if not isinstance(outcome, outcomes.Done):
            await self._unclear(key, session, modules, source.name, outcome)
            return
        states = {True: BizState.ACTIVE, False: BizState.STANDBY}
        session.listed = tuple(
            Biz(biz.name, biz.version, states[biz.version == source.version])
            if biz.name == source.name and biz.state.is_started
            else biz
            for biz in before
        )

    async def _mismatch(self, key: BaseKey, module: Wanted, identity: str, address: str) -> None:
        """The jar is another module than the one asked for: it goes at once, unless some Module stands for it by now."""
        name, _, version = identity.partition(":")
        here = self.cluster.stores.modules.by_index("base", key.uid)
        if identity not in {item.spec.module.identity for item in here}:
            await self.arklet.uninstall(address, name, version)
        message = f"the jar at {module.source.url} is {identity}, not {module.source.identity}"
        await self._modules.fail(key, module, FailureClass.PERMANENT, IDENTITY_MISMATCH, message)

    async def _not_listed(
        self, key: BaseKey, session: _Session, modules: dict[str, Module], module: Wanted, outcome: outcomes.Outcome
    ) -> None:
        """The base has what is in the jar, and doesn't list what was asked for: as a rule the jar is another module."""
        source = module.source
        if isinstance(outcome, outcomes.Repeated) and f" {source.identity} " not in outcome.message:
            message = f"the jar at {source.url} is not {source.identity}: {outcome.message}"
            await self._modules.fail(key, module, FailureClass.PERMANENT, IDENTITY_MISMATCH, message)
        else:
            await self._unclear(key, session, modules, source.name, outcome)

    async def _uninstall(
        self, key: BaseKey, session: _Session, modules: dict[str, Module], step: Uninstall, address: str
    ) -> None:
        with anyio.CancelScope() as giving_up:
            outcome = await self._calls.wait(
                key, step, lambda: self.arklet.uninstall(address, step.name, step.version), giving_up
            )
        if giving_up.cancelled_caught and step.module is not None:
            session.listed = None
            await self._modules.say(key, step.module, UNINSTALL_FAILED, "the base doesn't answer")
            return
        if isinstance(outcome, outcomes.Done | outcomes.NotFound):
            if step.module is None:
                _log.info("uninstalled what no Module stands for", identity=f"{step.name}:{step.version}")
            session.listed = tuple(
                biz for biz in session.listed or () if (biz.name, biz.version) != (step.name, step.version)
            )
            return
        session.listed = None
        if isinstance(outcome, outcomes.Refused) or _is_unanswered(outcome):
            # A stop that throws is told as a failure, and yet the module is gone as a rule: the list decides at once.
            await self._query(key, session, modules, address)
            if not _may_be_there(session, step.name, step.version):
                return
            if step.module is not None:
                await self._modules.say(key, step.module, UNINSTALL_FAILED, outcome.message)
        await self._unclear(key, session, modules, step.name, outcome)

    async def _unclear(
        self, key: BaseKey, session: _Session, modules: dict[str, Module], name: str, outcome: outcomes.Outcome
    ) -> None:
        """Anything but a clear answer: the list decides, after a pause in which other modules have their turn."""
        if isinstance(outcome, outcomes.Unclear) and outcome.why == "connect":
            await self._unreachable(key, session, modules, outcome.message)
        else:
            failures = session.unsettled[name] = session.unsettled.get(name, 0) + 1
            delay_s = max(BUSY_RETRY_S, UNREACHABLE_BACKOFF.delay_s(failures - 1, self.draw()))
            session.resting[name] = self.clock.monotonic() + delay_s

    async def _unreachable(self, key: BaseKey, session: _Session, modules: dict[str, Module], why: str) -> None:
        """The base exists but doesn't answer: said on what waits for it, tried again with backoff, never given up."""
        session.listed = None
        session.failures += 1
        delay_s = UNREACHABLE_BACKOFF.delay_s(session.failures - 1, self.draw())
        session.retry_at = self.clock.monotonic() + delay_s
        if session.failures > 1:
            for module in modules.values():
                if module.metadata.is_terminating or module.status.status in _TO_COME:
                    await self._modules.say(key, self._wanted(module), UNREACHABLE, why)


def _name_of(step: Step) -> str:
    """The module that an operation is about; none for a query."""
    match step:
        case Install(module=module) | Switch(module=module):
            return module.source.name
        case Uninstall(name=name) | SetTraffic(name=name):
            return name
        case Query():
            return ""


def _is_starting(session: _Session) -> bool:
    return any(biz.state is BizState.STARTING for biz in session.listed or ())


def _may_be_there(session: _Session, name: str, version: str) -> bool:
    """The list has it, or there is no list."""
    return session.listed is None or any((biz.name, biz.version) == (name, version) for biz in session.listed)


def _is_unanswered(outcome: outcomes.Outcome) -> TypeGuard[outcomes.Unclear]:
    """The base was asked, and nobody knows what came of it."""
    return isinstance(outcome, outcomes.Unclear) and outcome.why != "connect"
