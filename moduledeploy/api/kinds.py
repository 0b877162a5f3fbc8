"""The three kinds as they are on the wire.

A Module is read often and by the ten thousand: all of it is typed. The specs of ModuleDeployments and
ModuleReplicaSets are written by people: they stay as they came until `decode` reads them, naming what is wrong.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import attrs

from moduledeploy.api.meta import Metadata


class ModuleStatusWord(StrEnum):
    """Module.status.status; empty reads Pending."""

    PENDING = "Pending"
    UPGRADING = "Upgrading"
    AVAILABLE = "Available"
    FAILED = "Failed"
    TERMINATING = "Terminating"


class FailureClass(StrEnum):
    """What kind of failure an install ended in, which decides how soon it is tried again."""

    RETRYABLE = "retryable"
    PERMANENT = "permanent"
    CAPACITY = "capacity"
    CONFLICT = "conflict"


@attrs.frozen
class ModuleSource:
    """What to install: spec.module of a Module, template.spec.module above it."""

    name: str = ""
    version: str = ""
    url: str = ""
    md5: str = ""
    type: str = ""

    @property
    def identity(self) -> str:
        """What Arklet knows it by."""
        return f"{self.name}:{self.version}"


@attrs.frozen
class BaseReference:
    """The one pod, by name and UID, that a Module is for."""

    name: str = ""
    uid: str = ""


@attrs.frozen
class ModuleSpec:
    """Module.spec; never changes."""

    module: ModuleSource = ModuleSource()
    base: BaseReference = BaseReference()


@attrs.frozen
class ModuleStatus:
    """Module.status, written by the base controller alone.

    activeSince: since when this version has been started and served without a break.
    slotActiveSince: since when the base has had an active version of this family; a switch of versions carries it over.
    containerID: the container it was last seen in; another one has lost it.
    """

    status: str = ""
    reason: str = ""
    message: str = ""
    failureClass: str = ""
    attempts: int = 0
    nextRetryTime: datetime | None = None
    lastTransitionTime: datetime | None = None
    activeSince: datetime | None = None
    slotActiveSince: datetime | None = None
    containerID: str = ""


@attrs.frozen
class Module:
    """One module version on one base pod."""

    metadata: Metadata
    spec: ModuleSpec = ModuleSpec()
    status: ModuleStatus = ModuleStatus()


@attrs.frozen
class ModuleReplicaSet:
    """One revision of a ModuleDeployment, or a family of its own."""

    metadata: Metadata
    spec: dict[str, Any] = attrs.field(factory=dict)
    status: dict[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class ModuleDeployment:
    """What people write."""

    metadata: Metadata
    spec: dict[str, Any] = attrs.field(factory=dict)
    status: dict[str, Any] = attrs.field(factory=dict)
