"""What the API server keeps of what we write: an older CRD drops fields of status without a word.

Such a status is never what was written, so it would be written again at every look, and rollouts would begin anew with each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from moduledeploy.api import names
from moduledeploy.controllers import resources
from moduledeploy.kube.errors import Forbidden, Invalid, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moduledeploy.kube.resources import Resource
    from moduledeploy.kube.transport import Transport

_log: Final = structlog.get_logger()
_TIMEOUT_S: Final = 10.0
# The server makes its description anew within a second or two of a change to a CRD.
_LOOKS: Final = 5
_LOOK_AGAIN_S: Final = 1.0
# A test compares these with manifests/crd.
STATUS_FIELDS: Final[dict[Resource, tuple[str, ...]]] = {
    resources.MODULE_DEPLOYMENTS: (
        *("observedGeneration", "collisionCount", "replicas", "desiredReplicas", "updatedReplicas", "readyReplicas"),
        *("availableReplicas", "unavailableReplicas", "updatedAvailableReplicas", "maxUnavailable", "selector"),
        *("phase", "message", "conditions", "releaseStatus", "releaseStatus.kind", "releaseStatus.updateRevision"),
        *("releaseStatus.completedRevision", "releaseStatus.progress", "releaseStatus.batchProgress"),
        *("releaseStatus.currentBatch", "releaseStatus.realBatchCount", "releaseStatus.batches"),
        *("releaseStatus.originalDeltaReplicas", "releaseStatus.initialUpdatedReplicas"),
        *("releaseStatus.peakAvailableReplicas", "releaseStatus.confirmedBatch", "releaseStatus.confirmBatchNumSeen"),
        *("releaseStatus.startedAt", "releaseStatus.lastTransitionTime", "releaseStatus.nextReconcileTime"),
        *("releaseStatus.failure", "releaseStatus.failure.revision", "releaseStatus.failure.decision"),
        *("releaseStatus.failure.reason", "releaseStatus.failure.message", "releaseStatus.failure.time"),
        *("releaseStatus.failure.retry", "releaseStatus.deadline", "releaseStatus.deadline.highWaterMark"),
        *("releaseStatus.deadline.progressedAt", "releaseStatus.deadline.heldAt"),
    ),
    resources.MODULE_REPLICA_SETS: (
        *("observedGeneration", "replicas", "readyReplicas", "availableReplicas", "selector", "conditions"),
    ),
    resources.MODULES: (
        *("status", "reason", "message", "failureClass", "attempts", "nextRetryTime", "lastTransitionTime"),
        *("activeSince", "slotActiveSince", "containerID"),
    ),
}


class _Served(msgspec.Struct):
    name: str


class _Discovery(msgspec.Struct):
    resources: list[_Served] = []


class _Kind(msgspec.Struct):
    group: str
    version: str
    kind: str


class _Schema(msgspec.Struct):
    properties: dict[str, _Schema] = {}
    is_open: bool = msgspec.field(default=False, name="x-kubernetes-preserve-unknown-fields")
    kinds: list[_Kind] = msgspec.field(default_factory=list, name="x-kubernetes-group-version-kind")


class _Components(msgspec.Struct):
    schemas: dict[str, _Schema] = {}


class _Description(msgspec.Struct):
    components: _Components = msgspec.field(default_factory=_Components)


_DISCOVERY: Final = msgspec.json.Decoder(_Discovery)
_DESCRIPTION: Final = msgspec.json.Decoder(_Description)


async def not_kept(transport: Transport) -> str:
    """What the server's CRDs lack of what is written, as one line; empty when nothing, or where the server doesn't tell.

    Raises ApiError.
    """
    for look in range(_LOOKS):
        try:
            missing = "; ".join(await _missing(transport))
        except (Forbidden, NotFound, Invalid, msgspec.MsgspecError) as error:
            _log.debug("the API server doesn't describe its kinds", error=str(error))
            return ""
        if not missing or look + 1 == _LOOKS:
            return missing
        await transport.clock.sleep(_LOOK_AGAIN_S)
    raise AssertionError("there is a last look")


async def _missing(transport: Transport) -> list[str]:
    where = f"/apis/{names.GROUP}/{resources.MODULES.version}"
    served = _DISCOVERY.decode(await transport.request("GET", where, timeout_s=_TIMEOUT_S))
    known = {found.name for found in served.resources}
    described = _DESCRIPTION.decode(await transport.request("GET", f"/openapi/v3{where}", timeout_s=_TIMEOUT_S))
    missing = []
    for resource, fields in STATUS_FIELDS.items():
        schema = _schema(described, resource)
        lacking = [f"status.{path}" for path in fields if schema is not None and not _has(schema, f"status.{path}")]
        if resource.plural in known and f"{resource.plural}/status" not in known:
            lacking.insert(0, "the subresource status")
        if lacking:
            missing.append(f"{resource} lacks {', '.join(lacking)}")
    return missing


def _schema(described: _Description, resource: Resource) -> _Schema | None:
    asked = _Kind(resource.group, resource.version, resource.kind)
    return next((schema for schema in described.components.schemas.values() if asked in schema.kinds), None)


def _has(schema: _Schema, path: str) -> bool:
    return all(_kept(schema, path.split(".")))


def _kept(schema: _Schema, steps: list[str]) -> Iterator[bool]:
    for name in steps:
        if schema.is_open:
            return
        found = schema.properties.get(name)
        yield found is not None
        if found is None:
            return
        schema = found
