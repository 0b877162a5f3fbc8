"""The values of a small world: one moment as plain tuples, so that equal moments are one state."""

from __future__ import annotations

from typing import Any, NamedTuple

import attrs

from moduledeploy.api.decode import decode_deployment_spec
from moduledeploy.api.kinds import FailureClass, ModuleSource, ModuleStatus, ModuleStatusWord
from moduledeploy.api.spec import DeploymentSpec
from moduledeploy.api.status import Release
from moduledeploy.rollout.converge import BizState, Wanted
from moduledeploy.rollout.module_status import DRAINING
from moduledeploy.rollout.slots import BaseFacts, ModuleFacts

NAME = "orders"
BEGIN = 1_000_000.0
Listed = tuple[tuple[str, BizState], ...]


class Mod(NamedTuple):
    """One Module object; `serial` stands for its UID, `taken` counts the installs of it that took effect."""

    name: str
    serial: int
    replica_set: str
    number: int
    base: int
    source: ModuleSource
    created: float
    batch: str
    uninstall_first: bool
    status: ModuleStatus = ModuleStatus()
    terminating: bool = False
    taken: int = 0

    @property
    def is_available(self) -> bool:
        return not self.terminating and self.status.status == ModuleStatusWord.AVAILABLE

    @property
    def order(self) -> tuple[float, int, str]:
        return (self.created, self.number, self.name)


class Jvm(NamedTuple):
    """One base: what runs there, what the controller knows of it, which container it is, how traffic comes to it."""

    running: Listed = ()
    known: Listed | None = None
    container: int = 0
    is_gone: bool = False
    is_labelled: bool = False
    is_endpoint: bool = False


class Ghost(NamedTuple):
    """What only the proof remembers: a container that was restarted, or a base that was lost, has cost what nobody planned."""

    confirmed: str = ""
    done_at: float | None = None
    restarted: bool = False
    lost: bool = False

    @property
    def is_bereft(self) -> bool:
        return self.restarted or self.lost


class State(NamedTuple):
    """All of one moment."""

    now: float
    version: str
    paused: bool
    waiting: str | None
    release: Release | None
    revisions: tuple[tuple[str, str, int, int], ...]  # name, version, number, replicas
    modules: tuple[Mod, ...]
    jvms: tuple[Jvm, ...]
    faults: int
    edits: int
    ghost: Ghost = Ghost()


class Write(NamedTuple):
    """One request to the API."""

    kind: str
    what: Any


@attrs.frozen(kw_only=True)
class Setting:
    """What doesn't change in a world. `full` bases hold another module and take no more; with drain_s there is a Service.

    rebuilt: every template has another jar under one version of the module.
    """

    bases: int
    replicas: int
    batches: int
    policy: str
    gray_s: int = 0
    confirm: bool = True
    full: int = 0
    drain_s: int | None = None
    rebuilt: bool = False

    @property
    def spare(self) -> int:
        """Bases that may be lost."""
        return self.bases - self.full - self.replicas - (self.policy == "scaleup_then_scaledown")

    @property
    def floor(self) -> int:
        return self.replicas - 1

    def spec(self, version: str, *, paused: bool) -> DeploymentSpec:
        strategy = {
            "batchCount": self.batches,
            "needConfirm": self.confirm,
            "grayTime": self.gray_s,
            "upgradePolicy": self.policy,
            "drainSeconds": self.drain_s or 0,
            "serviceStrategy": {"enableModuleService": self.drain_s is not None, "port": 80},
        }
        url = f"file:///modules/{NAME}-{version}.jar"
        module = {"name": NAME, "version": "1" if self.rebuilt else version, "url": url}
        return decode_deployment_spec(
            {
                "baseDeploymentName": "base",
                "replicas": self.replicas,
                "maxUnavailable": 1,
                "pause": paused or None,
                "template": {"spec": {"module": module}},
                "operationStrategy": strategy,
            }
        )


def template_of(source: ModuleSource) -> str:
    """The template that this jar is of."""
    return source.url.removeprefix(f"file:///modules/{NAME}-").removesuffix(".jar")


def uid_of(number: int) -> str:
    return f"b{number}"


def with_jvm(state: State, number: int, jvm: Jvm) -> State:
    return state._replace(jvms=(*state.jvms[:number], jvm, *state.jvms[number + 1 :]))


def by_name(module: Mod) -> str:
    return module.name


def facts_of(module: Mod) -> ModuleFacts:
    status = module.status
    return ModuleFacts(
        name=module.name,
        uid=str(module.serial),
        replica_set=module.replica_set,
        order=module.order,
        base_uid=uid_of(module.base),
        base_name=uid_of(module.base),
        source=module.source,
        status=ModuleStatusWord(status.status or "Pending"),
        is_terminating=module.terminating,
        active_since=status.activeSince.timestamp() if status.activeSince else None,
        slot_active_since=status.slotActiveSince.timestamp() if status.slotActiveSince else None,
        batch=module.batch or None,
        uninstall_first=module.uninstall_first,
        failure_class=FailureClass(status.failureClass) if status.failureClass else None,
        draining_since=status.lastTransitionTime.timestamp()
        if status.reason == DRAINING and status.lastTransitionTime
        else None,
    )


def wanted_of(module: Mod) -> Wanted:
    return Wanted(
        name=module.name,
        uid=str(module.serial),
        family=NAME,
        order=module.order,
        source=module.source,
        status=module.status,
        is_terminating=module.terminating,
        uninstall_first=module.uninstall_first,
    )


def base_of(number: int, jvm: Jvm) -> BaseFacts:
    return BaseFacts(
        uid=uid_of(number),
        name=uid_of(number),
        is_gone=jvm.is_gone,
        is_lost=jvm.is_gone,
        ready_since=None if jvm.is_gone else 0.0,
    )
