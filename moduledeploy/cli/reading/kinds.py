"""ModuleDeployments with what only people ask for: who wrote which field."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any, Final

import attrs

from moduledeploy.api.decode_status import decode_deployment_status
from moduledeploy.api.fields import DecodeError
from moduledeploy.api.kinds import ModuleDeployment
from moduledeploy.api.meta import Metadata
from moduledeploy.api.status import DeploymentStatus
from moduledeploy.api.times import at

CONTROLLER: Final = "moduledeploy"  # the controller's field manager
# Who confirmed which batch, as this command line noted it: {revision: {batch: {by, at}}}.
CONFIRMATIONS_ANNOTATION: Final = "koupleless.alipay.com/confirmations"
RESTARTED_ANNOTATION: Final = "koupleless.alipay.com/restarted-at"
CHANGE_CAUSE_ANNOTATION: Final = "kubernetes.io/change-cause"


@attrs.frozen
class ManagedFields:
    """One entry of metadata.managedFields."""

    manager: str = ""
    operation: str = ""
    subresource: str = ""
    time: datetime | None = None
    fieldsV1: dict[str, Any] | None = None  # noqa: N815  # as on the wire

    def has(self, *path: str) -> bool:
        """It owns the field of that path."""
        fields: Any = self.fieldsV1 or {}
        for name in path:
            fields = fields.get(f"f:{name}")
            if fields is None:
                return False
        return True


@attrs.frozen
class ReadMetadata(Metadata):
    """Metadata together with managedFields, which the controller drops."""

    managedFields: tuple[ManagedFields, ...] = ()  # noqa: N815  # as on the wire


@attrs.frozen
class ReadDeployment(ModuleDeployment):
    """A ModuleDeployment as the commands read it."""

    metadata: ReadMetadata = attrs.field(factory=ReadMetadata)

    @property
    def spec_written_at(self) -> float:
        """When anybody but the controller last wrote to it, in seconds since the epoch."""
        written = [
            entry.time.timestamp()
            for entry in self.metadata.managedFields
            if entry.time is not None and entry.subresource != "status" and entry.manager != CONTROLLER
        ]
        return max(written, default=at(self.metadata.creationTimestamp) or 0.0)

    @property
    def gate_written_at(self) -> float:
        """When the controller last wrote spec.pause, in seconds since the epoch; infinity where nobody kept that."""
        written = [
            entry.time.timestamp()
            for entry in self.metadata.managedFields
            if entry.time is not None and entry.manager == CONTROLLER and entry.has("spec", "pause")
        ]
        return max(written, default=math.inf)


def read_status(deployment: ModuleDeployment) -> DeploymentStatus:
    """The status; one that can't be read counts as none, as it does for the controller."""
    try:
        return decode_deployment_status(deployment.status)
    except DecodeError:
        return DeploymentStatus()
