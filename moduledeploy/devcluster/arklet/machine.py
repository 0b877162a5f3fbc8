"""One simulated Arklet: commands in, answers out, without the wire.

It answers as arklet-core 1.4.2 with sofa-ark 2.2.16 was seen to answer, or as another runtime (`runtimes.py`).  Not
simulated: the bounds of the pool that runs asynchronous operations (every one starts at once), folders that are really
unpacked, heartbeats, the MQTT tunnel.
"""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Any, Final, Protocol

import anyio
import attrs

from moduledeploy.devcluster.arklet.answers import NOT_FOUND, Outcome, internal_error, listed
from moduledeploy.devcluster.arklet.behaviour import Behaviour
from moduledeploy.devcluster.arklet.faults import CommandFault, JarFault, no_input
from moduledeploy.devcluster.arklet.fields import Fields, Unconvertible
from moduledeploy.devcluster.arklet.figures import INSTANT, Timings
from moduledeploy.devcluster.arklet.health import UnknownModule, health
from moduledeploy.devcluster.arklet.jars import ModuleFolder
from moduledeploy.devcluster.arklet.journal import Journal, OperationRecord
from moduledeploy.devcluster.arklet.mishaps import Fate, Mishap, kind_fate
from moduledeploy.devcluster.arklet.operations import Effects, InstallRequest, Operations

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from moduledeploy.runtime.clock import Clock

_COMMANDS: Final = {
    "help": "list all supported commands",
    "installBiz": "install one ark biz",
    "batchInstallBiz": "install many ark biz",
    "uninstallBiz": "uninstall one ark biz",
    "switchBiz": "switch one ark biz",
    "queryAllBiz": "query all ark biz",
    "queryBizOps": "query one asynchronous operation",
    "health": "query the health of the base",
}
_VERBS: Final = {
    "installBiz": "install",
    "batchInstallBiz": "install",
    "uninstallBiz": "uninstall",
    "switchBiz": "switch",
}

_INPUTS: Final = {  # what is asked first of the fields of a command, by class and method
    "installBiz": ("InstallBizHandler", "isAsync"),
    "batchInstallBiz": ("BatchInstallBizHandler", "getBizList"),
    "uninstallBiz": ("UninstallBizHandler", "getBizName"),
    "switchBiz": ("SwitchBizHandler", "getBizName"),
}
_OPERATIONS: Final = frozenset({"installBiz", "batchInstallBiz", "uninstallBiz"})  # have delays of their own


class JvmStopped(Exception):
    """Raised when the JVM went down while a command was running: the caller gets no answer."""


class ReplyLost(Exception):
    """Raised when a command took effect and its answer is not to reach the caller."""


class Silence(Exception):
    """Raised when a command is never to be answered."""


class Spawn(Protocol):
    """Starts a task in the owner's group, as `TaskGroup.start_soon`."""

    def __call__(self, func: Callable[..., Awaitable[Any]], *args: object) -> Any:
        """Start `func(*args)`."""
        ...


@attrs.frozen(kw_only=True)
class _Operation:
    """One validated command on modules."""

    command: str
    key: str
    meta: dict[str, Any]
    run: Callable[[], Awaitable[Outcome]]

    @property
    def failed_text(self) -> str:
        return f"{_VERBS[self.command]} biz not success!"


@attrs.define(kw_only=True)
class SimulatedArklet:
    """The Arklet of one base.

    `identity` is the base identity in its answers.  `behaviour` may be changed at any time and holds for what comes next.
    """

    identity: str
    clock: Clock
    spawn: Spawn
    folder: ModuleFolder = attrs.field(factory=ModuleFolder)
    effects: Effects = attrs.field(factory=Effects)
    timings: Timings = INSTANT
    fate: Fate = kind_fate
    _operations: Operations = attrs.field(init=False)
    _journal: Journal = attrs.field(init=False, factory=Journal)
    _running: set[anyio.CancelScope] = attrs.field(init=False, factory=set)
    _threads: Iterator[int] = attrs.field(init=False, factory=lambda: itertools.count(1))

    def __attrs_post_init__(self) -> None:
        self._boot(Behaviour())

    @property
    def behaviour(self) -> Behaviour:
        """How this base behaves."""
        return self._operations.behaviour

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour) -> None:
        self._operations.behaviour = behaviour

    def restart(self) -> None:
        """A new JVM: modules, locks and records are gone, running commands end without an answer."""
        for scope in self._running:
            scope.cancel()
        self._boot(self.behaviour)

    def modules(self) -> dict[str, str]:
        """The listed modules: state by identity."""
        return {biz.identity: biz.state.value for biz in self._operations.modules.modules()}

    def check_invariants(self) -> None:
        """What must hold after every step."""
        self._operations.modules.check_invariants(self.behaviour)

    async def answer(self, command: str, fields: Fields | None) -> dict[str, Any]:
        """The answer's body to a command.

        Raises `JvmStopped` if the base restarts meanwhile, `ReplyLost` and `Silence` where the answer is to be lost.
        """
        mishap = self.fate(command, _module(fields))
        if mishap is not None and mishap.kind == "arklet_silent":
            raise Silence
        if mishap is not None and mishap.kind == "base_restart":
            raise JvmStopped(self.identity)
        with self._life():
            answer = await self._answer(command, fields, mishap)
            if mishap is not None and mishap.kind == "arklet_lost_reply":
                raise ReplyLost
            return answer
        raise JvmStopped(self.identity)

    async def _answer(self, command: str, fields: Fields | None, mishap: Mishap | None) -> dict[str, Any]:
        behaviour = self.behaviour if mishap is None else mishap.bent(self.behaviour)
        try:
            if mishap is not None and mishap.kind == "arklet_error":
                raise CommandFault("java.lang.IllegalStateException: injected")  # noqa: TRY301 -- ends as any fault
            if mishap is not None and mishap.kind == "arklet_busy" and fields is not None and command in _VERBS:
                name = f"{fields.text('bizName')}:{fields.text('bizVersion')}"
                return behaviour.runtime.written(self._failed(_conflict(name, command, holder="installBiz")))
            return behaviour.runtime.written(await self._dispatch(command, fields, behaviour))
        except CommandFault as fault:
            return internal_error(fault)

    async def _dispatch(self, command: str, fields: Fields | None, behaviour: Behaviour) -> dict[str, Any]:
        has = behaviour.runtime.has
        if command not in _OPERATIONS and behaviour.answer_delay_s > 0:
            await self.clock.sleep(behaviour.answer_delay_s)
        if command not in _COMMANDS or not has(command):
            return NOT_FOUND
        if command == "help":
            return self._success([{"desc": desc, "id": name} for name, desc in _COMMANDS.items() if has(name)])
        if command == "queryAllBiz":
            upper_case = behaviour.upper_case_states
            return self._success([listed(biz, upper_case=upper_case) for biz in self._operations.modules.modules()])
        if command == "health":
            return self._health(fields)
        if command == "queryBizOps":
            return self._query(fields)
        if fields is None:
            raise no_input(*_INPUTS[command])
        try:
            is_later, operation = fields.flag("async"), await self._validated(command, fields, behaviour)
        except Unconvertible as error:
            raise no_input(*_INPUTS[command]) from error
        return self._later(operation) if is_later else await self._now(operation)

    def _health(self, fields: Fields | None) -> dict[str, Any]:
        nothing = Fields({})
        try:
            data = health(fields or nothing, self._operations)
        except Unconvertible:
            data = health(nothing, self._operations)
        except UnknownModule as error:
            return self._failed(str(error))
        return self._success({"healthData": data})

    def _query(self, fields: Fields | None) -> dict[str, Any]:
        if fields is None:
            raise CommandFault("request is null")
        if not (request_id := fields.text("requestId")):
            raise CommandFault("requestId is blank")
        if (record := self._journal.record(request_id)) is None:
            return self._failed("Not found the corresponding ops record.")
        return self._success(record.shown())

    async def _validated(self, command: str, fields: Fields, behaviour: Behaviour) -> _Operation:
        if fields.flag("async") and not fields.text("requestId"):
            raise (
                no_input(*_INPUTS[command])
                if command == "batchInstallBiz"
                else CommandFault("requestId should not be blank when async is true")
            )
        operations = self._operations
        meta: dict[str, Any] = {"async": True, "requestId": fields.text("requestId")} if fields.flag("async") else {}
        if command == "batchInstallBiz":
            requests = [_install_request(item) for item in fields.items("bizList")]
            return _Operation(
                command=command, key="null:null", meta=meta, run=lambda: operations.install_batch(requests, behaviour)
            )
        if command == "installBiz":
            request = await self._identified(_install_request(fields), behaviour)
            meta |= {
                "bizName": request.name,
                "bizUrl": request.url,
                "bizVersion": request.version,
                "installStrategy": fields.text("installStrategy") or "installOnly",
            }
            key = f"{request.name}:{request.version}"
            return _Operation(command=command, key=key, meta=meta, run=lambda: operations.install(request, behaviour))
        for field in ("bizName", "bizVersion"):
            if not fields.text(field):
                raise CommandFault(f"{field} should not be blank")
        name, version = fields.text("bizName"), fields.text("bizVersion")
        act = operations.uninstall if command == "uninstallBiz" else operations.switch
        meta |= {"bizName": name, "bizVersion": version}
        return _Operation(
            command=command, key=f"{name}:{version}", meta=meta, run=lambda: act(name, version, behaviour)
        )

    async def _identified(self, request: InstallRequest, behaviour: Behaviour) -> InstallRequest:
        """The request with the identity of its jar where it gave none: Arklet downloads the jar once more for that."""
        if request.name or request.version:
            return request
        try:
            jar = await self._operations.open(request, behaviour)
        except JarFault as fault:
            raise CommandFault(behaviour.runtime.unidentified(str(fault))) from fault
        return attrs.evolve(request, name=jar.name, version=jar.version)

    async def _now(self, operation: _Operation) -> dict[str, Any]:
        journal = self._journal
        if not journal.lock(operation.key, operation.command):
            holder = journal.holder(operation.key)
            return self._failed(_conflict(operation.key, operation.command, holder=holder or ""))
        try:
            outcome = await operation.run()
        finally:
            journal.release(operation.key)
        if outcome.is_success:
            return self._success(outcome.data())
        return self._failed(operation.failed_text, outcome.data())

    def _later(self, operation: _Operation) -> dict[str, Any]:
        request_id = operation.meta["requestId"]
        thread = f"ARKLET-ark-biz-ops-0-T{next(self._threads)}"
        now_ms = self._operations.now_ms()
        record = OperationRecord(request_id=request_id, meta=operation.meta, thread=thread, began_ms=now_ms)
        if not self._journal.open(record):
            return self._failed(f"The request corresponding to the requestId({request_id}) has been executed.")
        self.spawn(self._perform, operation, record, self._journal)
        return self._success(record.shown())

    async def _perform(self, operation: _Operation, record: OperationRecord, journal: Journal) -> None:
        if journal is not self._journal:
            return  # the JVM went down before its pool came to this operation
        operations = self._operations
        if not journal.lock(operation.key, operation.command):
            message = "command conflict, exist unfinished command for this biz"
            record.end(operations.now_ms(), "INITIALIZED", message=message)
            journal.release(operation.key)  # Arklet's own fault, see journal.py
            return
        with self._life():
            record.status = "EXECUTING"
            try:
                outcome = await operation.run()
            except CommandFault as fault:
                record.end(operations.now_ms(), "FAILED", message=str(fault), fault=fault)
            else:
                message = "" if outcome.is_success else operation.failed_text
                record.end(operations.now_ms(), "FAILED" if message else "SUCCEEDED", message=message)
            finally:
                journal.release(operation.key)

    @contextlib.contextmanager
    def _life(self) -> Iterator[None]:
        """Run the block no longer than this JVM lives; what is after the block runs in either case."""
        with anyio.CancelScope() as scope:
            self._running.add(scope)
            try:
                yield
            finally:
                self._running.discard(scope)

    def _boot(self, behaviour: Behaviour) -> None:
        self._operations = Operations(
            behaviour=behaviour, timings=self.timings, folder=self.folder, clock=self.clock, effects=self.effects
        )
        self._journal = Journal()

    def _success(self, data: object) -> dict[str, Any]:
        return {"baseIdentity": self.identity, "code": "SUCCESS", "data": data}

    def _failed(self, message: str, data: object = None) -> dict[str, Any]:
        answer = {"baseIdentity": self.identity, "code": "FAILED", "message": message}
        return answer if data is None else {**answer, "data": data}


def _module(fields: Fields | None) -> str:
    name = "" if fields is None else fields.text("bizName")
    return f"{name}:{fields.text('bizVersion')}" if fields is not None and name else ""


def _conflict(key: str, command: str, *, holder: str) -> str:
    return f"FAILED:{key} {command} conflict, exist unfinished command({holder}) for this biz"


def _install_request(fields: Fields) -> InstallRequest:
    if not (url := fields.text("bizUrl")):
        raise CommandFault("bizUrl should not be blank")
    name, version = fields.text("bizName"), fields.text("bizVersion")
    if bool(name) != bool(version):
        raise CommandFault("bizName and bizVersion should be both blank or both not blank.")
    return InstallRequest(
        url=url,
        name=name,
        version=version,
        uninstall_first=fields.text("installStrategy") == "uninstallThenInstall",
        main_class=fields.mapping("envs").get("sofa.ark.biz.main.class", ""),
    )
