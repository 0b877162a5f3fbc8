"""What can go wrong with the API server, split by what the caller should do about it.

KubeError
├── ApiError             the server answered no, or couldn't be asked
│   ├── Invalid          400, 422: the request itself is wrong; don't repeat it
│   ├── Unauthorized     401: no valid credentials, also after they were read again
│   ├── Forbidden        403: a right is missing
│   ├── NotFound         404
│   ├── AlreadyExists    409 on create: somebody was first, look at what is there
│   ├── Conflict         409: the object has changed since it was read; read, plan anew
│   ├── Gone             410: this resourceVersion or page token is too old; start over
│   ├── TooManyRequests  429: come back later
│   ├── ServerError      5xx: the server's trouble; come back later
│   └── Unreachable      no answer at all, a timeout, a broken connection; nobody knows whether it was done
└── NotLeading           this process may not write any more
"""

from __future__ import annotations

from typing import Final

import attrs
import msgspec

from moduledeploy.runtime.text import one_line


class KubeError(Exception):
    """Raised for everything that this package reports."""


class NotLeading(KubeError):
    """Raised by a gate when this process doesn't hold the lease; nothing was sent."""


class ApiError(KubeError):
    """Raised when a request to the API server failed; a subclass says how to react."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        reason: str = "",
        causes: tuple[str, ...] = (),
        retry_after_s: float | None = None,
        audit_id: str = "",
    ) -> None:
        super().__init__(message)
        self.message: Final = message
        self.status: Final = status
        self.reason: Final = reason
        self.causes: Final = causes
        self.retry_after_s: Final = retry_after_s
        self.audit_id: Final = audit_id


class Invalid(ApiError):
    """Raised for 400, 413, 415 and 422: the same request will never be accepted."""


class Unauthorized(ApiError):
    """Raised for 401, after the token was read again once."""


class Forbidden(ApiError):
    """Raised for 403: a role lacks the verb that the message names."""


class NotFound(ApiError):
    """Raised for 404: no such object, or no such kind on this server."""


class AlreadyExists(ApiError):
    """Raised when an object of that name exists."""


class Conflict(ApiError):
    """Raised when a precondition (resourceVersion, uid) doesn't hold any more."""


class Gone(ApiError):
    """Raised for 410: the history that was asked for has been dropped."""


class TooManyRequests(ApiError):
    """Raised for 429; `retry_after_s` is what the server asked for, in seconds, a minute at most."""


class ServerError(ApiError):
    """Raised for 5xx answers."""


class Unreachable(ApiError):
    """Raised when no answer came: refused, reset, timed out, or not understood. A write may have been done."""


@attrs.frozen
class _Cause:
    reason: str = ""
    message: str = ""
    field: str = ""


@attrs.frozen
class _Details:
    causes: list[_Cause] | None = None
    retryAfterSeconds: float | None = None  # noqa: N815  # as on the wire


@attrs.frozen
class Status:
    """The API's own error body, as far as it is used."""

    reason: str | None = None
    message: str | None = None
    code: int | None = None
    details: _Details | None = None


_STATUS_DECODER: Final = msgspec.json.Decoder(Status)
_LONGEST_PAUSE_S: Final = 60.0  # API servers ask for seconds; whoever asks for a day would make us blind for a day
_MESSAGE_BYTES: Final = 4096  # servers say all that is wrong with an object, and repeat it
_BY_CODE: Final[dict[int, type[ApiError]]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    405: Invalid,
    406: Invalid,
    409: Conflict,
    410: Gone,
    413: Invalid,
    415: Invalid,
    422: Invalid,
    429: TooManyRequests,
}


def error_from_response(
    *, request: str, code: int, body: bytes, retry_after_s: float | None = None, audit_id: str = ""
) -> ApiError:
    """Turn an answer that is no success into the error to raise; `request` says what was asked, for the message."""
    try:
        status = _STATUS_DECODER.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        # A proxy's page or a bare text: its beginning is worth more to the reader than nothing.
        status = Status(message=body[:200].decode("utf-8", "replace").strip() or f"HTTP {code}")
    return error_from_status(status, request=request, code=code, retry_after_s=retry_after_s, audit_id=audit_id)


def error_from_status(
    status: Status, *, request: str, code: int = 0, retry_after_s: float | None = None, audit_id: str = ""
) -> ApiError:
    """Turn a Status, from an answer or out of a watch, into the error to raise."""
    code = code or status.code or 500
    details = status.details or _Details()
    asked_s = retry_after_s if retry_after_s is not None else details.retryAfterSeconds
    kind = _BY_CODE.get(code) or (ServerError if code >= 500 else Invalid)
    if kind is Conflict and status.reason == "AlreadyExists":
        kind = AlreadyExists
    if status.reason == "Expired":
        kind = Gone
    return kind(
        one_line(f"{request}: {status.message or status.reason or f'HTTP {code}'}", _MESSAGE_BYTES),
        status=code,
        reason=status.reason or "",
        causes=tuple(cause.reason for cause in details.causes or () if cause.reason),
        retry_after_s=None if asked_s is None else min(max(asked_s, 0.0), _LONGEST_PAUSE_S),
        audit_id=audit_id,
    )
