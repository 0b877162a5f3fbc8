"""Asks the API server who somebody is and whether they may do something: TokenReview and SubjectAccessReview.

Answers are kept for the times that k8s.io/apiserver keeps them, so that a scraper every few seconds costs a question a minute.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import attrs
import msgspec

from moduledeploy.kube.errors import KubeError
from moduledeploy.kube.resources import Resource
from moduledeploy.runtime.clock import Clock, SystemClock

if TYPE_CHECKING:
    from collections.abc import Hashable

    from moduledeploy.kube.transport import Transport

TOKEN_REVIEWS: Final = Resource("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", namespaced=False)
ACCESS_REVIEWS: Final = Resource(
    "authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False
)
# apiserver, pkg/server/options: DelegatingAuthenticationOptions and DelegatingAuthorizationOptions.
_TIMEOUT_S: Final = 10.0
_KNOWN_S: Final = 60.0
_ALLOWED_S: Final = 300.0
_DENIED_S: Final = 30.0
_REMEMBERED: Final = 256
T = TypeVar("T")


class User(msgspec.Struct, frozen=True):
    """Who a token belongs to, in the words of the API."""

    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)


class _TokenStatus(msgspec.Struct):
    authenticated: bool = False
    user: User = msgspec.field(default_factory=User)


class _TokenReview(msgspec.Struct):
    status: _TokenStatus = msgspec.field(default_factory=_TokenStatus)


class _AccessStatus(msgspec.Struct):
    allowed: bool = False


class _AccessReview(msgspec.Struct):
    status: _AccessStatus = msgspec.field(default_factory=_AccessStatus)


_TOKEN_DECODER: Final = msgspec.json.Decoder(_TokenReview)
_ACCESS_DECODER: Final = msgspec.json.Decoder(_AccessReview)


@attrs.define
class _Memory(Generic[T]):
    """Values until their time is over, the latest few of them."""

    clock: Clock
    _values: OrderedDict[Hashable, tuple[float, T]] = attrs.field(factory=OrderedDict, init=False)

    def get(self, key: Hashable) -> T | None:
        until, value = self._values.get(key, (float("-inf"), None))
        return value if self.clock.monotonic() < until else None

    def put(self, key: Hashable, value: T, for_s: float) -> None:
        self._values[key] = (self.clock.monotonic() + for_s, value)
        self._values.move_to_end(key)
        if len(self._values) > _REMEMBERED:
            self._values.popitem(last=False)


@attrs.define
class Reviewer:
    """Decides by the API server's word alone; a token is never kept, only its hash."""

    transport: Transport
    clock: Clock = attrs.field(factory=SystemClock)
    _users: _Memory[User] = attrs.field(init=False)
    _answers: _Memory[bool] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._users = _Memory(self.clock)
        self._answers = _Memory(self.clock)

    async def user(self, token: str) -> User | None:
        """Who sends this token; None for nobody whom the server knows. Raises ApiError, KubeError."""
        key = hashlib.sha256(token.encode()).digest()
        known = self._users.get(key)
        if known is None:
            review = await self._ask(TOKEN_REVIEWS, {"token": token})
            status = _decode(_TOKEN_DECODER, review).status
            if not status.authenticated or not status.user.username:
                return None
            known = status.user
            self._users.put(key, known, _KNOWN_S)
        return known

    async def may(self, user: User, verb: str, path: str) -> bool:
        """Whether the user may do this to a path that is no resource. Raises ApiError, KubeError."""
        key = (user.username, user.uid, user.groups, verb, path)
        allowed = self._answers.get(key)
        if allowed is None:
            spec = {
                "user": user.username,
                "uid": user.uid,
                "groups": user.groups,
                "extra": user.extra,
                "nonResourceAttributes": {"path": path, "verb": verb},
            }
            allowed = _decode(_ACCESS_DECODER, await self._ask(ACCESS_REVIEWS, spec)).status.allowed
            self._answers.put(key, allowed, _ALLOWED_S if allowed else _DENIED_S)
        return allowed

    async def _ask(self, resource: Resource, spec: object) -> bytes:
        body = {"apiVersion": resource.api_version, "kind": resource.kind, "spec": spec}
        return await self.transport.request("POST", resource.path(), body=body, timeout_s=_TIMEOUT_S)


def _decode(decoder: msgspec.json.Decoder[T], answer: bytes) -> T:
    try:
        return decoder.decode(answer)
    except msgspec.MsgspecError as error:
        raise KubeError(f"the API server's review can't be read: {error}") from error
