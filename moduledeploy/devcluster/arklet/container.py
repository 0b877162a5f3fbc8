"""The modules inside one JVM: sofa-ark's life cycle of a biz, as plain transitions.

    (absent) --register--> resolved --started--> activated <--switch--> deactivated --stopped--> (absent)
                              \\--start_failed--> (absent), or broken <--stop_failed-- (either)

A module is started while it is `activated` or `deactivated`; the first version of a name is activated, what a second
one becomes is decided by the base's flags.  No method waits or reads a clock; `now_ms` is epoch milliseconds.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import attrs

from moduledeploy.devcluster.arklet.faults import CommandFault, ModuleFault

if TYPE_CHECKING:
    from moduledeploy.devcluster.arklet.behaviour import Behaviour
    from moduledeploy.devcluster.arklet.jars import Jar


class BizState(Enum):
    """The states in which a module is listed."""

    RESOLVED = "resolved"
    ACTIVATED = "activated"
    DEACTIVATED = "deactivated"
    BROKEN = "broken"


class Reason(Enum):
    """Why a module changed its state."""

    CREATED = "Created"
    STARTED = "Started"
    INSTALL_FAILED = "Install Failed"
    UN_INSTALL_FAILED = "Uninstall Failed"
    SWITCHED = "Switched"
    KILLING = "Killing"


STARTED_STATES = frozenset({BizState.ACTIVATED, BizState.DEACTIVATED})


@attrs.frozen(kw_only=True)
class StateRecord:
    """One change of a module's state."""

    at_ms: int
    state: BizState
    reason: Reason
    message: str = ""


@attrs.define(kw_only=True)
class Biz:
    """One registered version of a module."""

    jar: Jar
    folder: str
    state: BizState = BizState.RESOLVED
    records: list[StateRecord] = attrs.field(factory=list)

    @property
    def identity(self) -> str:
        """`name:version`."""
        return self.jar.identity

    def turn(self, now_ms: int, state: BizState, reason: Reason, message: str = "") -> None:
        """Take a state and record why."""
        self.state = state
        self.records.append(StateRecord(at_ms=now_ms, state=state, reason=reason, message=message))


@attrs.define
class ModuleContainer:
    """All modules of one JVM by identity; a restart of the JVM is a new container."""

    _modules: dict[str, Biz] = attrs.field(factory=dict)

    def get(self, identity: str) -> Biz | None:
        """The registered module, in whatever state."""
        return self._modules.get(identity)

    def modules(self) -> list[Biz]:
        """All registered modules, by priority."""
        return sorted(self._modules.values(), key=lambda biz: biz.jar.priority)

    def versions(self, name: str) -> list[Biz]:
        """The registered versions of one module."""
        return [biz for biz in self._modules.values() if biz.jar.name == name]

    def register(self, jar: Jar, now_ms: int) -> Biz | None:
        """Make the module known as resolved; None if the identity is known in any state."""
        if jar.identity in self._modules:
            return None
        biz = Biz(jar=jar, folder=f"/tmp/sofa-ark/{jar.name}-{jar.version}-{now_ms}-unpack")  # noqa: S108 -- only a text in answers
        biz.turn(now_ms, BizState.RESOLVED, Reason.CREATED)
        self._modules[jar.identity] = biz
        return biz

    def started(self, biz: Biz, behaviour: Behaviour, now_ms: int) -> None:
        """The module's main has returned.

        Raises `ModuleFault` when a web module's context path is taken by another one that is started.
        """
        if biz.jar.is_web and any(other.jar.context_path == biz.jar.context_path for other in self._web_modules(biz)):
            raise ModuleFault(f"java.lang.IllegalArgumentException: Child name [/{biz.jar.context_path}] is not unique")
        active = next((b for b in self.versions(biz.jar.name) if b.state is BizState.ACTIVATED), None)
        if active is None or behaviour.multi_active:
            biz.turn(now_ms, BizState.ACTIVATED, Reason.STARTED)
        elif behaviour.activate_new:
            active.turn(now_ms, BizState.DEACTIVATED, Reason.SWITCHED, f"switch to new biz {biz.identity}")
            biz.turn(now_ms, BizState.ACTIVATED, Reason.STARTED, f"switch from old biz: {active.identity}")
        else:
            biz.turn(now_ms, BizState.DEACTIVATED, Reason.STARTED, "start but is deactivated")

    def start_failed(self, biz: Biz, behaviour: Behaviour, fault: CommandFault, now_ms: int) -> None:
        """The module's main threw: the module is removed, or stays as broken where the base is told to keep it."""
        biz.turn(now_ms, BizState.BROKEN, Reason.INSTALL_FAILED, fault.stack_trace())
        if behaviour.auto_uninstall:
            del self._modules[biz.identity]

    def stopping(self, biz: Biz, now_ms: int) -> None:
        """An uninstall begins; raises `CommandFault` while the module is still starting."""
        if biz.state is BizState.RESOLVED:
            text = "java.lang.IllegalArgumentException: BizState must be ACTIVATED, DEACTIVATED or BROKEN."
            raise CommandFault(text)
        if biz.state is BizState.ACTIVATED:
            biz.turn(now_ms, BizState.DEACTIVATED, Reason.KILLING)

    def stopped(self, biz: Biz) -> bool:
        """The module is gone; False if it already was."""
        return self._modules.pop(biz.identity, None) is not None

    def stop_failed(self, biz: Biz, behaviour: Behaviour, now_ms: int) -> bool:
        """The stop hook threw; whether the module is gone all the same, as it is unless the base is told to keep it."""
        biz.turn(now_ms, BizState.BROKEN, Reason.UN_INSTALL_FAILED)
        return behaviour.remove_after_stop_failure and self.stopped(biz)

    def switch(self, biz: Biz, now_ms: int) -> None:
        """Make a started version the active one; nothing changes if it already is."""
        if biz.state is BizState.ACTIVATED:
            return
        active = [b for b in self.versions(biz.jar.name) if b.state is BizState.ACTIVATED]
        for old in active:
            old.turn(now_ms, BizState.DEACTIVATED, Reason.SWITCHED, f"switch to new version {biz.identity}")
        message = f"switch from old version: {active[0].identity}" if active else ""
        biz.turn(now_ms, BizState.ACTIVATED, Reason.SWITCHED, message)

    def check_invariants(self, behaviour: Behaviour) -> None:
        """Every module is under its identity, in the state it recorded last, and one version of a name active at most."""
        for identity, biz in self._modules.items():
            if biz.identity != identity or biz.records[-1].state is not biz.state:
                raise AssertionError(f"{identity} is kept as {biz}")
            active = [b for b in self.versions(biz.jar.name) if b.state is BizState.ACTIVATED]
            if len(active) > 1 and not behaviour.multi_active:
                raise AssertionError(f"{len(active)} versions of {biz.jar.name} are active")

    def _web_modules(self, besides: Biz) -> list[Biz]:
        return [b for b in self._modules.values() if b is not besides and b.jar.is_web and b.state in STARTED_STATES]
