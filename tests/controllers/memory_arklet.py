"""Arklet in every base, as a plain value: what runs where, and how often something was installed and uninstalled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import attrs

from moduledeploy.arklet.outcomes import (
    Biz,
    BizState,
    Done,
    FailureClass,
    IllegalState,
    Listing,
    NotFound,
    Outcome,
    Refused,
    Repeated,
    Unclear,
)

Identity = tuple[str, str]


@attrs.define
class MemoryArklet:
    """The controllers' Arklet. `running` is by address; `refused` maps an identity to why its install fails.

    down: addresses where nobody answers; mute: those that do what they are asked and don't answer.
    kept and hung: identities that can't be uninstalled, with a refusal or without an answer.
    throwing: identities whose stop throws, and which are gone all the same.
    loads: what the jar at a url really is, where that is not what was asked for.
    """

    around: Callable[[str], None] = lambda point: None
    running: dict[str, dict[Identity, BizState]] = attrs.field(factory=dict)
    installs: Counter[tuple[str, str]] = attrs.field(factory=Counter)
    uninstalls: Counter[tuple[str, str]] = attrs.field(factory=Counter)
    calls: list[tuple[str, str, str]] = attrs.field(factory=list)
    refused: dict[str, Outcome] = attrs.field(factory=dict)
    kept: set[str] = attrs.field(factory=set)
    hung: set[str] = attrs.field(factory=set)
    throwing: set[str] = attrs.field(factory=set)
    loads: dict[str, Identity] = attrs.field(factory=dict)
    down: set[str] = attrs.field(factory=set)
    mute: set[str] = attrs.field(factory=set)
    operation_timeout_s: float = 300.0

    async def query(self, address: str) -> Listing | Refused | Unclear:
        self.around("before query")
        if address in self.down:
            return Unclear("connect", "refused")
        listed = tuple(Biz(name, version, state) for (name, version), state in self._here(address).items())
        self.around("after query")
        return Listing(listed)

    async def install(self, address: str, name: str, version: str, url: str) -> Outcome:
        return self._call("install", address, (name, version), lambda: self._install(address, (name, version), url))

    async def uninstall(self, address: str, name: str, version: str) -> Outcome:
        return self._call("uninstall", address, (name, version), lambda: self._uninstall(address, (name, version)))

    async def switch(self, address: str, name: str, version: str) -> Outcome:
        return self._call("switch", address, (name, version), lambda: self._switch(address, (name, version)))

    def restart(self, address: str) -> None:
        """The container begins anew, with nothing installed."""
        self.running[address] = {}

    def serving(self) -> dict[str, str]:
        """The active identity by address."""
        return {
            address: ":".join(identity)
            for address, here in sorted(self.running.items())
            for identity, state in here.items()
            if state is BizState.ACTIVATED
        }

    def copy(self) -> MemoryArklet:
        """The same bases, with counts that begin anew."""
        return MemoryArklet(running={address: dict(here) for address, here in self.running.items()})

    def _here(self, address: str) -> dict[Identity, BizState]:
        return self.running.setdefault(address, {})

    def _call(self, what: str, address: str, identity: Identity, act: Callable[[], Outcome]) -> Outcome:
        self.around(f"before {what}")
        if address in self.down:
            return Unclear("connect", "refused")
        self.calls.append((what, address, ":".join(identity)))
        outcome = act()
        self.around(f"after {what}")
        return Unclear("timeout", "no answer") if address in self.mute else outcome

    def _install(self, address: str, identity: Identity, url: str) -> Outcome:
        here = self._here(address)
        identity = self.loads.get(url, identity)
        if identity in here:
            return Repeated(f"Biz: {':'.join(identity)} has been installed or registered.")
        if refusal := self.refused.get(":".join(identity)):
            return refusal
        is_second = any(name == identity[0] and state is BizState.ACTIVATED for (name, _), state in here.items())
        here[identity] = BizState.DEACTIVATED if is_second else BizState.ACTIVATED
        self.installs[address, ":".join(identity)] += 1
        return Done(":".join(identity), state=here[identity])

    def _uninstall(self, address: str, identity: Identity) -> Outcome:
        if identity not in self._here(address):
            return NotFound()
        if ":".join(identity) in self.kept:
            return Refused(FailureClass.RETRYABLE, "FAILED", "it doesn't stop")
        if ":".join(identity) in self.hung:
            return Unclear("timeout", "no answer")
        del self._here(address)[identity]
        self.uninstalls[address, ":".join(identity)] += 1
        if ":".join(identity) in self.throwing:
            return Refused(FailureClass.RETRYABLE, "CMD_PROCESS_INTERNAL_ERROR", "its stop threw")
        return Done()

    def _switch(self, address: str, identity: Identity) -> Outcome:
        here = self._here(address)
        if identity not in here:
            return IllegalState()
        for other in here:
            if other[0] == identity[0]:
                here[other] = BizState.DEACTIVATED
        here[identity] = BizState.ACTIVATED
        return Done()
