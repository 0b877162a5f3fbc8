"""What a call to Arklet can end in: a closed union, split by what the caller does about it.

Outcome
├── Done          it took effect (or held already)
├── Repeated      an install of what is registered already, in whatever state: the list tells which
├── NotFound      an uninstall or switch of what isn't there
├── Busy          another operation on that module is under way: wait
├── IllegalState  a switch to what isn't started: the list tells
├── Refused       it failed, and the class says how soon it is worth another try
└── Unclear       nobody knows whether it took effect: the list decides
"""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Literal

import attrs


class BizState(Enum):
    """State of a listed module; compared without regard to case, since runtimes before 1.3.0 print it in upper case."""

    RESOLVED = "resolved"
    ACTIVATED = "activated"
    DEACTIVATED = "deactivated"
    BROKEN = "broken"


class FailureClass(StrEnum):
    """How soon a failed operation is worth another try."""

    RETRYABLE = "retryable"  # something outside may mend by itself
    PERMANENT = "permanent"  # the same jar or request fails again
    CAPACITY = "capacity"  # the base is full
    CONFLICT = "conflict"  # something else on the base has to go first


@attrs.frozen(kw_only=True)
class BizRecord:
    """One step of a module's life as the base remembers it; `message` is one line, empty for what went well."""

    state: str
    reason: str
    message: str
    changed_at_ms: int | None


@attrs.frozen
class Biz:
    """One entry of the list: one version of one module, its records oldest first."""

    name: str
    version: str
    state: BizState
    records: tuple[BizRecord, ...] = ()


@attrs.frozen
class Listing:
    """What queryAllBiz says; the base itself is not in it."""

    modules: tuple[Biz, ...]


@attrs.frozen
class Done:
    """It took effect. Identity, the change of used Metaspace in bytes and the state are those of an install, else empty.

    The identity is that of the jar's manifest, which need not be the one asked for.
    """

    identity: str = ""
    metaspace_bytes: int | None = None
    state: BizState | None = None


@attrs.frozen
class Repeated:
    """That module is registered already (REPEAT_BIZ)."""

    message: str = ""


@attrs.frozen
class NotFound:
    """That module isn't there (NOT_FOUND_BIZ)."""

    message: str = ""


@attrs.frozen
class Busy:
    """Another operation on that module is under way, or it is still starting."""

    message: str = ""


@attrs.frozen
class IllegalState:
    """That module isn't started (ILLEGAL_STATE_BIZ)."""

    message: str = ""


@attrs.frozen
class Refused:
    """It failed: the class, Arklet's word (data.code, else the outer code), and one line for people."""

    failure: FailureClass
    code: str
    message: str


@attrs.frozen
class Unclear:
    """No usable answer came. `connect`: nothing was sent, so it did not take effect."""

    why: Literal["timeout", "connect", "protocol"]
    message: str = ""


Outcome = Done | Repeated | NotFound | Busy | IllegalState | Refused | Unclear
