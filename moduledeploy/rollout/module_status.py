"""What a Module's status says while something is awaited, lost or there at last: the words, and when they are written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import attrs

from moduledeploy.api.kinds import ModuleStatus, ModuleStatusWord
from moduledeploy.api.names import FORCE_DELETE_ANNOTATION
from moduledeploy.api.times import encode_time
from moduledeploy.api.traffic import SERVICE_NAME_LABEL, service_name

if TYPE_CHECKING:
    from collections.abc import Iterable

LONG_S: Final = 2.0  # what a Module waits for is told only when it lasts longer
INSTALLED: Final = "Installed"
LOST: Final = "ModuleLost"
INSTALLING: Final = "Installing"
WAITING_FOR_ENDPOINTS: Final = "WaitingForEndpoints"
DRAINING: Final = "Draining"
UNINSTALLING: Final = "Uninstalling"
UNINSTALL_FAILED: Final = "UninstallFailed"
UNREACHABLE: Final = "BaseUnreachable"
BUSY: Final = "BaseBusy"
HELD: Final = "HeldByFinalizers"
# What a person may do about a Module that is to go and can't.
GIVE_UP: Final = f'annotation {FORCE_DELETE_ANNOTATION}: "true" gives it up'


def available_status(container_id: str, now: float, carried: Iterable[datetime]) -> ModuleStatus:
    """Available from now on; `carried`: since when other versions have kept the slot available."""
    since = moment(now)
    return ModuleStatus(
        status=ModuleStatusWord.AVAILABLE,
        reason=INSTALLED,
        lastTransitionTime=since,
        activeSince=since,
        slotActiveSince=min(carried, default=since),
        containerID=container_id,
    )


def lost_status(old: ModuleStatus, why: str, now: float) -> ModuleStatus:
    """Status of a Module that was available and isn't on its base any more."""
    return ModuleStatus(
        status=ModuleStatusWord.PENDING,
        reason=LOST,
        message=why,
        attempts=old.attempts,
        lastTransitionTime=moment(now),
    )


def installing_status(
    old: ModuleStatus, now: float, *, is_terminating: bool, until: float | None = None
) -> ModuleStatus:
    """Status of a Module whose install goes on; `until`: when its answer is waited for no longer, where somebody waits."""
    at_most = "" if until is None else f", until {encode_time(until)} at most"
    if is_terminating:
        message = f"deleted while the base installs it: waiting for that to end{at_most}, to uninstall it then"
        return _told(old, ModuleStatusWord.TERMINATING, INSTALLING, message, now)
    message = f"the base installs it: waiting for its answer{at_most}"
    return _told(old, ModuleStatusWord.UPGRADING, INSTALLING, message, now)


def uninstalling_status(old: ModuleStatus, now: float, until: float) -> ModuleStatus:
    """Status of a Module whose uninstall has no answer yet."""
    waiting = f"the base has not answered yet that it is uninstalled: waiting until {encode_time(until)} at most"
    return _told(old, ModuleStatusWord.TERMINATING, UNINSTALLING, f"{waiting}; {GIVE_UP}", now)


def busy_status(old: ModuleStatus, doing: str, now: float, until: float) -> ModuleStatus:
    """Status of a Module that is to go while its base is busy with another one."""
    message = f"waiting for the base to answer about the {doing}, until {encode_time(until)} at most"
    return _told(old, ModuleStatusWord.TERMINATING, BUSY, message, now)


def draining_status(old: ModuleStatus, drain_s: int, now: float) -> ModuleStatus:
    """Status of a Module that gets no more traffic and is uninstalled after a while."""
    return _told(old, ModuleStatusWord.TERMINATING, DRAINING, f"waiting {drain_s} s before the uninstall", now)


def endpoints_status(old: ModuleStatus, module_name: str, now: float) -> ModuleStatus:
    """Status of a Module that still gets traffic."""
    service = service_name(module_name)
    message = (
        f"an EndpointSlice of Service {service} still has the base as ready, so it gets traffic:"
        f" kubectl get endpointslices -l {SERVICE_NAME_LABEL}={service}; {GIVE_UP}"
    )
    return _told(old, ModuleStatusWord.TERMINATING, WAITING_FOR_ENDPOINTS, message, now)


def ending_status(old: ModuleStatus, base: str, now: float) -> ModuleStatus:
    """Status of a Module that is to go from a base that can't be asked, and isn't gone either."""
    message = f"pod {base} is terminating, or has no address: waiting for it to go; {GIVE_UP}"
    return _told(old, ModuleStatusWord.TERMINATING, UNREACHABLE, message, now)


def stuck_status(old: ModuleStatus, reason: str, why: str, now: float) -> ModuleStatus:
    """Status of a Module that is to go and could not be uninstalled."""
    return _told(old, ModuleStatusWord.TERMINATING, reason, f"{why}; tried again until {GIVE_UP}", now)


def held_status(old: ModuleStatus, finalizers: list[str], now: float) -> ModuleStatus:
    """Status of a Module that is uninstalled, and whose object others keep."""
    why = f"uninstalled; the object stays until {', '.join(finalizers)} is taken from its finalizers"
    return _told(old, ModuleStatusWord.TERMINATING, HELD, why, now)


def waiting_status(old: ModuleStatus, reason: str, why: str, now: float) -> ModuleStatus:
    """Status of a Module that can't be installed now."""
    return _told(old, ModuleStatusWord.PENDING, reason, why, now)


def moment(at: float) -> datetime:
    """Seconds since the epoch as what status has."""
    return datetime.fromtimestamp(at, UTC)


def _told(old: ModuleStatus, word: ModuleStatusWord, reason: str, message: str, now: float) -> ModuleStatus:
    return attrs.evolve(old, status=word, reason=reason, message=message, lastTransitionTime=moment(now))
