"""Writes to the API server: through a gate, with preconditions, answered by the version they produced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import attrs
import msgspec

from moduledeploy.kube.errors import KubeError
from moduledeploy.kube.resources import MERGE_PATCH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moduledeploy.kube.resources import ObjectKey, Resource
    from moduledeploy.kube.transport import Transport


class Gate(Protocol):
    """Decides whether this process may write now."""

    def check(self) -> None:
        """Return when it may; raise NotLeading otherwise."""


class OpenGate:
    """For processes that need no leader: lets everything through."""

    def check(self) -> None:
        """Return."""


@attrs.frozen
class Written:
    """What a write made of an object."""

    name: str
    uid: str
    resource_version: str


class _Meta(msgspec.Struct, rename="camel"):
    name: str = ""
    uid: str = ""
    resource_version: str = ""


class _Details(msgspec.Struct):
    name: str = ""
    uid: str = ""


class _Answer(msgspec.Struct):
    metadata: _Meta | None = None
    details: _Details | None = None


_DECODER: Final = msgspec.json.Decoder(_Answer)


@attrs.frozen(kw_only=True)
class Writer:
    """Sends one request per call and no more, unless the server itself asks for another try.

    The gate is asked at the last moment before sending; a wait inside the transport (for a free place, for Retry-After) asks
    it again. Nothing that a call returns may go into a store: only the watch may fill it.
    """

    transport: Transport
    gate: Gate

    async def create(self, resource: Resource, namespace: str, body: Mapping[str, object]) -> Written:
        """Create an object; raises AlreadyExists when there is one of that name."""
        return await self._send("POST", resource.path(namespace or None), body)

    async def patch(
        self,
        resource: Resource,
        key: ObjectKey,
        body: object,
        *,
        subresource: str = "",
        content_type: str = MERGE_PATCH,
    ) -> Written:
        """Change parts of an object; a merge patch with metadata.resourceVersion raises Conflict when that is old."""
        return await self._send("PATCH", _path(resource, key, subresource), body, content_type=content_type)

    async def delete(
        self,
        resource: Resource,
        key: ObjectKey,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        propagation: str | None = None,
    ) -> Written:
        """Delete an object, only if it still is the one with that `uid` and version; raises Conflict, NotFound.

        An object with finalizers is marked and stays: then the answer has its new version, else none.
        """
        body: dict[str, object] = {"apiVersion": "v1", "kind": "DeleteOptions"}
        preconditions = {
            name: value for name, value in (("uid", uid), ("resourceVersion", resource_version)) if value is not None
        }
        if preconditions:
            body["preconditions"] = preconditions
        if propagation is not None:
            body["propagationPolicy"] = propagation
        return await self._send("DELETE", _path(resource, key, ""), body)

    async def _send(self, method: str, path: str, body: object, *, content_type: str = "application/json") -> Written:
        answer = await self.transport.request(
            method, path, body=body, content_type=content_type, before_send=self.gate.check
        )
        try:
            decoded = _DECODER.decode(answer)
        except msgspec.MsgspecError as error:
            raise KubeError(f"{method} {path}: the answer is no object: {error}") from error
        meta, details = decoded.metadata or _Meta(), decoded.details or _Details()
        return Written(meta.name or details.name, meta.uid or details.uid, meta.resource_version)


def _path(resource: Resource, key: ObjectKey, subresource: str) -> str:
    return resource.path(key.namespace or None, key.name, subresource)
