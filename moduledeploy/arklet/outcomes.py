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
    """State of a listed module; compared without regard to case, since old runtimes print it in upper case."""

    RESOLVED = "resolved"
    ACTIVATED = "activated"
    DEACTIVATED = "deactivated"
    BROKEN = "broken"


class FailureClass(StrEnum):
    """How soon a failed install is worth another try."""

    RETRYABLE = "retryable"
    PERMANENT = "permanent"
    CAPACITY = "capacity"
    CONFLICT = "conflict"


@attrs.frozen
class Biz:
    """One entry of the list: one version of one module."""

    name: str
    version: str
    state: BizState


@attrs.frozen
class Listing:
    """What queryAllBiz says; the base itself is not in it."""

    modules: tuple[Biz, ...]


@attrs.frozen
class Done:
    """It took effect. Identity and the change of used Metaspace in bytes are those of an install, else empty."""

    identity: str = ""
    metaspace_bytes: int | None = None


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
    """Another operation on that module is under way."""

    message: str = ""


@attrs.frozen
class IllegalState:
    """That module isn't started (ILLEGAL_STATE_BIZ)."""

    message: str = ""


@attrs.frozen
class Refused:
    """It failed: the class, Arklet's word, and one line for people."""

    failure: FailureClass
    code: str
    message: str


@attrs.frozen
class Unclear:
    """No usable answer came. `connect`: nothing was sent, so it did not take effect."""

    why: Literal["timeout", "connect", "protocol"]
    message: str = ""


Outcome = Done | Repeated | NotFound | Busy | IllegalState | Refused | Unclear
