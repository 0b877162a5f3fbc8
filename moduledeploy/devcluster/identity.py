"""Who asks: service account tokens, impersonation, and the one who needs no credentials."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import attrs

from moduledeploy.devcluster.errors import ApiError, bad_request
from moduledeploy.devcluster.names import label_problem, subdomain_problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from moduledeploy.devcluster.storage import Object, Store

MASTERS: Final = "system:masters"
AUDIENCE: Final = "https://kubernetes.default.svc.cluster.local"
_MIN_LIFE_S: Final = 600  # TokenRequest refuses less


@attrs.frozen(kw_only=True)
class User:
    """An authenticated user."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def info(self) -> Object:
        """The UserInfo of reviews."""
        info: Object = {"username": self.name, "uid": self.uid, "groups": list(self.groups)}
        if self.extra:
            info["extra"] = {key: list(values) for key, values in self.extra}
        return {key: value for key, value in info.items() if value}


ADMIN: Final = User(name="kubernetes-admin", groups=(MASTERS, "system:authenticated"))


def service_account(namespace: str, name: str, uid: str = "") -> User:
    """The user that a service account is."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return User(name=f"system:serviceaccount:{namespace}:{name}", groups=groups, uid=uid)


def unauthorized() -> ApiError:
    """401."""
    return ApiError(401, "Unauthorized", "Unauthorized")


@attrs.frozen
class Tokens:
    """Issues and checks service account tokens: JWTs signed with a key of this process."""

    store: Store
    now: Any  # Callable[[], datetime]; attrs would bind a plain function as a method
    _key: bytes = attrs.field(factory=lambda: secrets.token_bytes(32))

    def issue(self, namespace: str, account: Object, seconds: int, audiences: list[str]) -> tuple[str, datetime]:
        """A token for an account and when it ends."""
        until = self.now() + timedelta(seconds=max(seconds, _MIN_LIFE_S))
        meta = account["metadata"]
        claims = {
            "aud": audiences or [AUDIENCE], "exp": int(until.timestamp()), "iat": int(self.now().timestamp()), "iss": AUDIENCE,
            "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": meta["name"], "uid": meta["uid"]}},
            "sub": f"system:serviceaccount:{namespace}:{meta['name']}",
        }  # fmt: skip
        head = _encode(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
        payload = _encode(json.dumps(claims).encode())
        return f"{head}.{payload}.{self._sign(head, payload)}", until

    def _sign(self, head: str, payload: str) -> str:
        return _encode(hmac.new(self._key, f"{head}.{payload}".encode(), hashlib.sha256).digest())

    def check(self, token: str) -> tuple[User, list[str]] | None:
        """The user of a token and its audiences, or None for a token that isn't valid (any more)."""
        try:
            head, payload, signature = token.split(".")
            if not hmac.compare_digest(signature, self._sign(head, payload)):
                return None
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        except ValueError:
            return None
        if claims["exp"] < self.now().timestamp():
            return None
        bound = claims["kubernetes.io"]
        name, uid = bound["serviceaccount"]["name"], bound["serviceaccount"]["uid"]
        record = self.store.get("serviceaccounts", (bound["namespace"], name))
        if record is None or record.obj["metadata"]["uid"] != uid:
            return None
        return service_account(bound["namespace"], name, uid), claims["aud"]


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def authenticate(headers: Mapping[str, str], tokens: Tokens) -> User:
    """Who sent a request; nobody's credentials make an administrator, as behind kubectl proxy.  Raises ApiError 401."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return ADMIN
    checked = tokens.check(token.strip())
    if checked is None:
        raise unauthorized()
    return checked[0]


def impersonated(headers: Any, requester: User) -> User:
    """The user that the request is to be judged as."""
    name = headers.get("Impersonate-User", "")
    groups = tuple(headers.getall("Impersonate-Group", ()))
    extra = tuple(
        (unquote(key[len("Impersonate-Extra-") :]).lower(), tuple(headers.getall(key)))
        for key in dict.fromkeys(headers)
        if key.lower().startswith("impersonate-extra-")
    )
    if not name:
        if groups or extra or headers.get("Impersonate-Uid"):
            raise bad_request("requested impersonation of groups, uid or extra without impersonating a user")
        return requester
    parts = name.split(":")
    is_account = name.startswith("system:serviceaccount:") and len(parts) == 4
    if is_account and not label_problem(parts[2]) and not subdomain_problem(parts[3]):
        groups = groups or service_account(parts[2], parts[3]).groups[:2]
    known = "system:unauthenticated" if name == "system:anonymous" else "system:authenticated"
    if not {"system:authenticated", "system:unauthenticated"} & {*groups}:
        groups = (*groups, known)
    return User(name=name, groups=groups, uid=headers.get("Impersonate-Uid", ""), extra=extra)
