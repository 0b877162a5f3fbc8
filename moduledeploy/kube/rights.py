"""Asks the API server beforehand which rights this process has, so that a missing one is said once and by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio
import attrs
import msgspec
import structlog

from moduledeploy.kube.errors import ApiError, Invalid, NotFound
from moduledeploy.kube.resources import Resource

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moduledeploy.kube.transport import Transport

_log: Final = structlog.get_logger()
ACCESS_REVIEWS: Final = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False
)
SELF_REVIEWS: Final = Resource(
    "authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", namespaced=False
)
_TIMEOUT_S: Final = 10.0
_TRIES: Final = 3


@attrs.frozen
class Right:
    """One verb on one kind; an empty `namespace` is all of them, an empty `name` every object. `role` is who should grant it."""

    verb: str
    resource: Resource
    role: str
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        what = f"{self.resource}/{self.subresource}" if self.subresource else str(self.resource)
        return f"{self.verb} {what}"


class _User(msgspec.Struct):
    username: str = ""


class _Status(msgspec.Struct, rename="camel"):
    allowed: bool = False
    user_info: _User = msgspec.field(default_factory=_User)


class _Review(msgspec.Struct):
    status: _Status = msgspec.field(default_factory=_Status)


_DECODER: Final = msgspec.json.Decoder(_Review)


async def missing_rights(transport: Transport, rights: Iterable[Right]) -> list[Right]:
    """Those of `rights` that the API server denies, in order; a question it doesn't understand counts as granted.

    Raises ApiError where a question got no answer and no other one was denied.
    """
    asked, denied = list(rights), set[int]()
    unasked: list[ApiError] = []

    async def ask(number: int, right: Right) -> None:
        attributes = {
            "verb": right.verb,
            "group": right.resource.group,
            "resource": right.resource.plural,
            "subresource": right.subresource,
            "namespace": right.namespace,
            "name": right.name,
        }
        try:
            status = await _review(transport, ACCESS_REVIEWS, {"resourceAttributes": attributes})
        except ApiError as error:
            unasked.append(error)
        else:
            if not status.allowed:
                denied.add(number)

    async with anyio.create_task_group() as group:
        for number, right in enumerate(asked):
            group.start_soon(ask, number, right)
    for error in unasked:
        if not denied and not isinstance(error, Invalid | NotFound):
            raise error
    return [right for number, right in enumerate(asked) if number in denied]


async def whoami(transport: Transport) -> str:
    """The name by which the API server knows this process; empty where it doesn't tell."""
    try:
        return (await _review(transport, SELF_REVIEWS, {})).user_info.username
    except ApiError as error:
        _log.debug("the API server doesn't say who we are", error=str(error))
        return ""


async def _review(transport: Transport, resource: Resource, spec: object) -> _Status:
    body = {"apiVersion": resource.api_version, "kind": resource.kind, "spec": spec}
    answer = await transport.request("POST", resource.path(), body=body, timeout_s=_TIMEOUT_S, max_tries=_TRIES)
    try:
        return _DECODER.decode(answer).status
    except msgspec.MsgspecError as error:
        raise Invalid(f"{resource}: the answer is no review: {error}") from error
