"""What to do next on one base: its Modules against what Arklet lists, one operation at a time.

The list is the truth. An install whose answer was lost is found in it; a module that a container restart lost is missing from
it; a version left behind stands in it. Owned are the names of Modules on this base now, terminating ones included: other
versions of an owned name are removed, other names never touched.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Final

import attrs

from moduledeploy.api.kinds import ModuleSource, ModuleStatus, ModuleStatusWord
from moduledeploy.rollout.module_status import (
    DRAINING,
    INSTALLING,
    LONG_S,
    UNINSTALL_FAILED,
    UNINSTALLING,
    UNREACHABLE,
    WAITING_FOR_ENDPOINTS,
    available_status,
    draining_status,
    ending_status,
    endpoints_status,
    installing_status,
    lost_status,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TERMINATING: Final = ModuleStatusWord.TERMINATING
STARTING_POLL_S: Final = 1.0  # a module that is being started is looked at again after this
ENDPOINT_POLL_S: Final = 5.0  # the EndpointSlice's own event comes sooner; this is for the case that it doesn't


class BizState(Enum):
    """States in which Arklet lists a module, folded to what matters here."""

    STARTING = "resolved"
    ACTIVE = "activated"
    STANDBY = "deactivated"  # started, but another version is the one that is looked up
    BROKEN = "broken"

    @property
    def is_started(self) -> bool:
        """It runs, whether or not it is the active version."""
        return self in (BizState.ACTIVE, BizState.STANDBY)


@attrs.frozen
class Biz:
    """One entry of Arklet's list."""

    name: str
    version: str
    state: BizState


@attrs.frozen(kw_only=True)
class Wanted:
    """One Module object on the base; `deleted_at` is when its deletion was asked for, infinity where that isn't known."""

    name: str
    uid: str
    family: str
    order: tuple[float, int, str]
    source: ModuleSource
    status: ModuleStatus
    is_terminating: bool
    has_finalizer: bool = True
    uninstall_first: bool = False
    is_given_up: bool = False
    deleted_at: float = math.inf


@attrs.frozen(kw_only=True)
class Route:
    """How traffic comes to one module on one base.

    is_wanted: a Service asks for it; is_labelled: the pod has the module's label; is_endpoint: an EndpointSlice of the Service
    holds the pod as ready; drain_s: how long to wait after that has ended.
    """

    is_wanted: bool = False
    is_labelled: bool = False
    is_endpoint: bool = False
    drain_s: int = 0


NO_ROUTE: Final = Route()


@attrs.frozen(kw_only=True)
class BaseView:
    """One base as one pass sees it.

    is_gone: the pod is gone or has ended, so that whatever was installed is too.
    is_reachable: it has an address and isn't terminating.
    listed: what Arklet listed last, None where that isn't known (any more).
    routes: by module name, those of modules without any traffic left out.
    resting: names for which nothing is done now, since the last operation had no clear end.
    """

    name: str = ""
    is_gone: bool
    is_reachable: bool
    container_id: str
    modules: tuple[Wanted, ...]
    listed: tuple[Biz, ...] | None
    routes: Mapping[str, Route] = attrs.field(factory=dict)
    resting: frozenset[str] = frozenset()


@attrs.frozen
class Query:
    """Ask for the list."""


@attrs.frozen
class Install:
    """Install this Module's jar."""

    module: Wanted


@attrs.frozen
class Uninstall:
    """Uninstall a version; `module` is the one whose removal it is, None for what no Module stands for."""

    name: str
    version: str
    module: Wanted | None


@attrs.frozen
class Switch:
    """Make this Module's version the active one."""

    module: Wanted


@attrs.frozen
class SetTraffic:
    """Put the module's label on the pod, or take it away."""

    name: str
    on: bool


Step = Query | Install | Uninstall | Switch | SetTraffic


@attrs.frozen(kw_only=True)
class Decision:
    """What a pass over a base wants: statuses to write, Modules to let go, the next operation, when to look again."""

    reports: tuple[tuple[Wanted, ModuleStatus], ...] = ()
    released: tuple[Wanted, ...] = ()
    step: Step | None = None
    wake_at: float | None = None


def converge(base: BaseView, now: float) -> Decision:
    """The next step on a base at `now` (seconds since the epoch)."""
    terminating = tuple(module for module in base.modules if module.is_terminating and module.has_finalizer)
    if base.is_gone:
        return Decision(released=terminating)
    lost = tuple(_lost(base, now))
    if not base.is_reachable:
        return _await_end(base, lost, terminating, now)
    given_up = tuple(module for module in terminating if module.is_given_up and _has_resisted(module))
    if not base.modules:
        left = next((name for name, route in sorted(base.routes.items()) if route.is_labelled), None)
        return Decision(step=SetTraffic(left, on=False) if left is not None else None)
    if base.listed is None:
        return Decision(reports=lost, released=given_up, step=Query())
    labelled = {name for name, route in base.routes.items() if route.is_labelled}
    names = sorted(labelled | {module.source.name for module in base.modules})
    return _merge(lost, given_up, [_converge_name(base, name, base.listed, now) for name in names])


def _await_end(
    base: BaseView, lost: tuple[tuple[Wanted, ModuleStatus], ...], terminating: tuple[Wanted, ...], now: float
) -> Decision:
    """Nobody can be asked: what is to go waits for the pod to be gone, and says so when that lasts."""
    told_at = {
        module: module.deleted_at + LONG_S
        for module in terminating
        if not module.is_given_up and (module.status.status, module.status.reason) != (TERMINATING, UNREACHABLE)
    }
    return Decision(
        reports=(
            *lost,
            *((module, ending_status(module.status, base.name, now)) for module, at in told_at.items() if at <= now),
        ),
        released=tuple(module for module in terminating if module.is_given_up),
        wake_at=min((at for at in told_at.values() if now < at < math.inf), default=None),
    )


def _has_resisted(module: Wanted) -> bool:
    """Its uninstall was tried and told to fail: one that was never tried is tried before it is given up."""
    return module.status.reason in (UNREACHABLE, UNINSTALL_FAILED)


def _merge(
    lost: tuple[tuple[Wanted, ModuleStatus], ...], given_up: tuple[Wanted, ...], decisions: list[Decision]
) -> Decision:
    """All reports and releases at once, the first step, the earliest moment."""
    reports = dict(lost)
    released = dict.fromkeys(given_up)
    for decision in decisions:
        reports |= dict(decision.reports)
        released |= dict.fromkeys(decision.released)
    return Decision(
        reports=tuple(reports.items()),
        released=tuple(released),
        step=next((decision.step for decision in decisions if decision.step is not None), None),
        wake_at=min((decision.wake_at for decision in decisions if decision.wake_at is not None), default=None),
    )


def _lost(base: BaseView, now: float) -> Iterator[tuple[Wanted, ModuleStatus]]:
    """Modules that were available in a container that is no more."""
    for module in base.modules:
        status = module.status
        if module.is_terminating or status.status != ModuleStatusWord.AVAILABLE:
            continue
        if base.container_id and status.containerID and status.containerID != base.container_id:
            yield module, lost_status(status, "the container was restarted", now)


def _converge_name(base: BaseView, name: str, listed: Iterable[Biz], now: float) -> Decision:
    """One module name: its versions wanted against its versions listed."""
    there = {biz.version: biz for biz in listed if biz.name == name}
    modules = sorted((module for module in base.modules if module.source.name == name), key=lambda module: module.order)
    oldest = {module.source.version: module for module in reversed(modules)}
    live = [module for module in modules if not module.is_terminating]
    # One that goes while an older one of its version stays was never installed: what is listed stands for the older.
    going = [module for module in modules if module.is_terminating and oldest[module.source.version].is_terminating]
    released = tuple(
        module
        for module in modules
        if module.is_terminating
        and module.has_finalizer
        and (module.source.version not in there or not oldest[module.source.version].is_terminating)
    )
    reports = tuple(_reports(base, live, going, there, now))
    starting = any(biz.state is BizState.STARTING for biz in there.values())
    route = base.routes.get(name, NO_ROUTE)
    step, retry_at = _step(live, going, there, now) if name not in base.resting else (None, None)
    if isinstance(step, Uninstall) and step.module is not None and _takes_away(step, live, there):
        drained = _drain(step.module, route, now)
        if drained is not None:
            return Decision(
                reports=(*reports, *drained.reports), released=released, step=drained.step, wake_at=drained.wake_at
            )
    elif (signpost := _signpost(name, live, there, route)) is not None:
        step = signpost
    wake = [moment for moment in (retry_at, now + STARTING_POLL_S if starting and step is None else None) if moment]
    return Decision(reports=reports, released=released, step=step, wake_at=min(wake, default=None))


def _step(
    live: list[Wanted], going: list[Wanted], there: dict[str, Biz], now: float
) -> tuple[Step | None, float | None]:
    """The next operation for one name, or when a failed one may be tried again.

    First the switch to the last created version, once it is started; only then is another uninstalled; then what is missing
    is installed, the older first, so that what served before serves again soonest.
    """
    going_versions = {module.source.version for module in going}
    newest = live[-1] if live else None
    if newest is not None and newest.source.version not in going_versions:
        biz = there.get(newest.source.version)
        if biz is not None and biz.state is BizState.STANDBY:
            return Switch(newest), None
    if removal := _removal(live, going, there):
        return removal, None
    return _installation(live, going, there, now)


def _takes_away(step: Uninstall, live: list[Wanted], there: dict[str, Biz]) -> bool:
    """No other version serves on the base meanwhile."""
    return not any(
        module.source.version != step.version
        and (biz := there.get(module.source.version)) is not None
        and biz.state.is_started
        for module in live
    )


def _drain(module: Wanted, route: Route, now: float) -> Decision | None:
    """What goes before the uninstall of a version that serves: label off, no endpoint left, drain; None when that is over.

    Whoever gives the Module up waits for neither of the last two: what keeps the endpoint may never go.
    """
    if route.is_labelled:
        return Decision(step=SetTraffic(module.source.name, on=False))
    if module.is_given_up:
        return None
    if route.is_endpoint:
        return _await_endpoints(module, now)
    if not route.drain_s or module.status.reason in (UNINSTALLING, UNINSTALL_FAILED):
        return None  # an uninstall is tried, and tried again, after the drain
    began = module.status.lastTransitionTime if module.status.reason == DRAINING else None
    if began is None:
        return Decision(reports=((module, draining_status(module.status, route.drain_s, now)),))
    end = began.timestamp() + route.drain_s
    return Decision(wake_at=end) if now < end else None


def _await_endpoints(module: Wanted, now: float) -> Decision:
    """Look again; what a failed uninstall said stays, since it is tried again without another drain."""
    if module.status.reason in (WAITING_FOR_ENDPOINTS, UNINSTALLING, UNINSTALL_FAILED):
        return Decision(wake_at=now + ENDPOINT_POLL_S)
    told_at = module.deleted_at + LONG_S
    if now < told_at:
        return Decision(wake_at=min(told_at, now + ENDPOINT_POLL_S))
    return Decision(reports=((module, endpoints_status(module.status, module.source.name, now)),))


def _signpost(name: str, live: list[Wanted], there: dict[str, Biz], route: Route) -> SetTraffic | None:
    """The label as it should be: on while a version is available here that nobody takes away, and a Service asks for it."""
    serves = any(
        module.status.status == ModuleStatusWord.AVAILABLE
        and (biz := there.get(module.source.version)) is not None
        and biz.state.is_started
        for module in live
    )
    wanted = route.is_wanted and serves
    return None if wanted == route.is_labelled else SetTraffic(name, on=wanted)


def _removal(live: list[Wanted], going: list[Wanted], there: dict[str, Biz]) -> Uninstall | None:
    """What is to go: terminating Modules, broken ones that are wanted (to be installed anew), versions that nobody wants."""
    going_by_version = {module.source.version: module for module in going}
    wanted = {module.source.version for module in live}
    for version, biz in sorted(there.items()):
        if biz.state is BizState.STARTING:
            continue  # an uninstall of it is refused; it is started or gone soon
        if version in going_by_version:
            return Uninstall(biz.name, version, going_by_version[version])
        if version not in wanted or biz.state is BizState.BROKEN:
            return Uninstall(biz.name, version, None)
    return None


def _installation(
    live: list[Wanted], going: list[Wanted], there: dict[str, Biz], now: float
) -> tuple[Install | None, float | None]:
    going_versions = {module.source.version for module in going}
    retry_at: float | None = None
    for module in live:
        version = module.source.version
        if version in there or version in going_versions:
            continue
        if module.uninstall_first and (there or going or live[0] is not module):
            continue  # another version is to be gone before
        again = module.status.nextRetryTime
        if again is not None and again.timestamp() > now:
            retry_at = min(retry_at or again.timestamp(), again.timestamp())
            continue
        return Install(module), None
    return None, retry_at


def _reports(
    base: BaseView, live: list[Wanted], going: list[Wanted], there: dict[str, Biz], now: float
) -> Iterator[tuple[Wanted, ModuleStatus]]:
    """Modules that became available, turned out to be lost, or are being started without this process waiting for it.

    A standby version is available too unless it is about to be switched to: its base serves with another one meanwhile.
    Of Modules of one version what is listed stands for the oldest, which has yet to go.
    """
    claimed = {module.source.version for module in going}
    for module in going:
        biz = there.get(module.source.version)
        is_told = (module.status.status, module.status.reason) == (TERMINATING, INSTALLING)
        if biz is not None and biz.state is BizState.STARTING and not is_told:
            yield module, installing_status(module.status, now, is_terminating=True)
    for module in live:
        version = module.source.version
        biz = there.get(version) if version not in claimed else None
        claimed.add(version)
        is_available = module.status.status == ModuleStatusWord.AVAILABLE
        if biz is None or not biz.state.is_started:
            if is_available:
                yield module, lost_status(module.status, "the base doesn't list it any more", now)
            elif biz is not None and biz.state is BizState.STARTING and module.status.reason != INSTALLING:
                yield module, installing_status(module.status, now, is_terminating=False)
        elif biz.state is BizState.STANDBY and module is live[-1]:
            continue
        elif not is_available or module.status.containerID != base.container_id:
            yield module, _available_status(base, module, live, there, now)


def _available_status(
    base: BaseView, module: Wanted, live: list[Wanted], there: dict[str, Biz], now: float
) -> ModuleStatus:
    """The slot's clock goes on where another version of the family has served until now."""
    carried = [
        other.status.slotActiveSince
        for other in live
        if other is not module
        and other.family == module.family
        and other.status.slotActiveSince is not None
        and other.status.containerID == base.container_id
        and other.source.version in there
        and there[other.source.version].state.is_started
    ]
    return available_status(base.container_id, now, carried)
