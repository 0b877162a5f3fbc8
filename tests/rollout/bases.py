"""Bases in memory and the Modules that name them, as plain values that only a test moves."""

from __future__ import annotations

import attrs

from moduledeploy.api.kinds import FailureClass, ModuleSource, ModuleStatus, ModuleStatusWord
from moduledeploy.rollout.converge import Biz, BizState, Wanted
from moduledeploy.rollout.module_status import DRAINING
from moduledeploy.rollout.slots import ModuleFacts

NAME = "orders"


@attrs.define
class Mod:
    """One Module object as the API holds it."""

    name: str
    uid: str
    replica_set: str
    number: int
    base_uid: str
    source: ModuleSource
    created: float
    batch: str
    uninstall_first: bool
    status: ModuleStatus = attrs.field(factory=ModuleStatus)
    terminating: bool = False

    @property
    def order(self) -> tuple[float, int, str]:
        return (self.created, self.number, self.name)

    def facts(self) -> ModuleFacts:
        status = self.status
        return ModuleFacts(
            name=self.name,
            uid=self.uid,
            replica_set=self.replica_set,
            order=self.order,
            base_uid=self.base_uid,
            base_name=self.base_uid,
            source=self.source,
            status=ModuleStatusWord(status.status or "Pending"),
            reason=status.reason,
            message=status.message,
            failure_class=FailureClass(status.failureClass) if status.failureClass else None,
            is_terminating=self.terminating,
            active_since=status.activeSince.timestamp() if status.activeSince else None,
            slot_active_since=status.slotActiveSince.timestamp() if status.slotActiveSince else None,
            batch=self.batch or None,
            uninstall_first=self.uninstall_first,
            retry_at=status.nextRetryTime.timestamp() if status.nextRetryTime else None,
            draining_since=status.lastTransitionTime.timestamp()
            if status.reason == DRAINING and status.lastTransitionTime
            else None,
        )

    def wanted(self) -> Wanted:
        return Wanted(
            name=self.name,
            uid=self.uid,
            family=NAME,
            order=self.order,
            source=self.source,
            status=self.status,
            is_terminating=self.terminating,
            uninstall_first=self.uninstall_first,
        )


@attrs.define
class Jvm:
    """One base: its pod and what runs in it.

    is_labelled: the pod has the module's label; is_endpoint: the Service's EndpointSlice holds it, which follows the label when
    `publish_endpoints` says so; others: modules of somebody else.
    """

    uid: str
    ready: bool = True
    gone: bool = False
    cap: int | None = None
    container: str = "c1"
    ready_since: float = 0.0
    running: dict[tuple[str, str], BizState] = attrs.field(factory=dict)
    known: tuple[Biz, ...] | None = None
    installs: int = 0
    uninstalls: int = 0
    is_labelled: bool = False
    is_endpoint: bool = False
    others: set[str] = attrs.field(factory=set)

    def listed(self) -> tuple[Biz, ...]:
        return tuple(Biz(name, version, state) for (name, version), state in self.running.items())

    def restart(self) -> None:
        self.running.clear()
        self.container += "'"
        self.known = None

    def install(self, source: ModuleSource) -> None:
        identity = (source.name, source.version)
        assert identity not in self.running, f"{identity} is installed twice on {self.uid}"
        second = any(name == source.name for name, _ in self.running)
        self.running[identity] = BizState.STANDBY if second else BizState.ACTIVE
        self.installs += 1

    def uninstall(self, name: str, version: str) -> None:
        was_active = self.running.pop((name, version)) is BizState.ACTIVE
        self.uninstalls += 1
        assert not (was_active and self.is_endpoint), f"{self.uid} is uninstalled while traffic comes"

    def switch(self, source: ModuleSource) -> None:
        for identity in self.running:
            if identity[0] == source.name:
                self.running[identity] = BizState.STANDBY
        self.running[source.name, source.version] = BizState.ACTIVE
