"""How the server refuses: one exception that carries a Status, and field errors that become its causes.

    ApiError                     any refusal, with the HTTP code, reason and details a real server sends
    FieldError                   one violated field; a list of them makes an Invalid (422)

Reasons, codes and cause names are those of k8s.io/apimachinery (api/errors, util/validation/field).
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Object = dict[str, Any]

REQUIRED: Final = "FieldValueRequired"
DUPLICATE: Final = "FieldValueDuplicate"
INVALID: Final = "FieldValueInvalid"
NOT_SUPPORTED: Final = "FieldValueNotSupported"
FORBIDDEN: Final = "FieldValueForbidden"
TOO_LONG: Final = "FieldValueTooLong"
TOO_MANY: Final = "FieldValueTooMany"
TYPE_INVALID: Final = "FieldValueTypeInvalid"
NOT_FOUND: Final = "FieldValueNotFound"

_PHRASES: Final = {
    REQUIRED: "Required value",
    DUPLICATE: "Duplicate value",
    INVALID: "Invalid value",
    NOT_SUPPORTED: "Unsupported value",
    FORBIDDEN: "Forbidden",
    TOO_LONG: "Too long",
    TOO_MANY: "Too many",
    TYPE_INVALID: "Invalid value",
    NOT_FOUND: "Not found",
}
_WITHOUT_VALUE: Final = frozenset({REQUIRED, FORBIDDEN, TOO_LONG, TOO_MANY})


@attrs.frozen
class FieldError:
    """One field that can't be accepted; `reason` is one of this module's cause names."""

    reason: str
    path: str
    value: object = None
    detail: str = ""

    def body(self) -> str:
        """The sentence without the path: the phrase of the reason, the value where it helps, the detail."""
        phrase = _PHRASES.get(self.reason, "Invalid value")
        if self.reason not in _WITHOUT_VALUE:
            phrase = f"{phrase}: {_shown(self.value)}"
        return f"{phrase}: {self.detail}" if self.detail else phrase

    def cause(self) -> Object:
        """The entry under `details.causes`."""
        return {"reason": self.reason, "message": self.body(), "field": self.path}


def _shown(value: object) -> str:
    if isinstance(value, (dict, list)):
        return json.dumps(value, separators=(",", ":"), default=str)
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    return json.dumps(value) if isinstance(value, str) else str(value)


class ApiError(Exception):
    """The request is answered with this Status."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: Object | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.headers = headers or {}
        self.warnings: tuple[str, ...] = ()  # go out with it
        self.continue_token = ""  # lets an expired paged list go on inconsistently

    def status(self) -> Object:
        """The Status object as a real server encodes it (empty fields left out)."""
        body: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {"continue": self.continue_token} if self.continue_token else {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details:
            body["details"] = self.details
        body["code"] = self.code
        return body


@contextlib.contextmanager
def warned(warnings: tuple[str, ...]) -> Iterator[None]:
    """Has a refusal take along what was to be warned of before it."""
    try:
        yield
    except ApiError as error:
        error.warnings = warnings
        raise


def _details(kind: str, group: str, name: str, **more: object) -> Object:
    details = {"name": name, "group": group, "kind": kind, **more}
    return {key: value for key, value in details.items() if value}


def _qualified(plural: str, group: str) -> str:
    return f"{plural}.{group}" if group else plural


def not_found(plural: str, group: str, name: str) -> ApiError:
    """404 for one object."""
    message = f'{_qualified(plural, group)} "{name}" not found'
    return ApiError(404, "NotFound", message, details=_details(plural, group, name))


def already_exists(plural: str, group: str, name: str) -> ApiError:
    """409 for a create under a name that is taken."""
    message = f'{_qualified(plural, group)} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, details=_details(plural, group, name))


def conflict(plural: str, group: str, name: str, why: str) -> ApiError:
    """409 for a failed precondition."""
    message = f'Operation cannot be fulfilled on {_qualified(plural, group)} "{name}": {why}'
    return ApiError(409, "Conflict", message, details=_details(plural, group, name))


def invalid(kind: str, group: str, name: str, problems: Sequence[FieldError]) -> ApiError:
    """422 with one cause for each field."""
    sentences = list(dict.fromkeys(f"{problem.path}: {problem.body()}" for problem in problems))
    joined = sentences[0] if len(sentences) == 1 else "[" + ", ".join(sentences) + "]"
    message = f'{_qualified(kind, group)} "{name}" is invalid: {joined}'
    causes = [problem.cause() for problem in problems]
    return ApiError(422, "Invalid", message, details=_details(kind, group, name, causes=causes))


def bad_request(message: str) -> ApiError:
    """400."""
    return ApiError(400, "BadRequest", message)


def forbidden(plural: str, group: str, name: str, why: str) -> ApiError:
    """403 for a resource; with no name, for the collection."""
    target = f'{_qualified(plural, group)} "{name}"' if name else _qualified(plural, group)
    return ApiError(403, "Forbidden", f"{target} is forbidden: {why}", details=_details(plural, group, name))


def expired(message: str) -> ApiError:
    """410: the version asked for is no longer in the history."""
    return ApiError(410, "Expired", message)


def too_large_version(asked: int, current: int) -> ApiError:
    """504: the version asked for lies ahead of what the server has seen."""
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    return ApiError(
        504, "Timeout", message, details={"causes": causes, "retryAfterSeconds": 1}, headers={"Retry-After": "1"}
    )


def internal(message: str) -> ApiError:
    """500 with the reason InternalError."""
    return ApiError(
        500, "InternalError", f"Internal error occurred: {message}", details={"causes": [{"message": message}]}
    )


def unknown(message: str) -> ApiError:
    """500 without a reason, as a real server answers an error that it didn't foresee."""
    return ApiError(500, "", message)


def method_not_supported(plural: str, group: str, verb: str) -> ApiError:
    """405."""
    message = f"{verb} is not supported on resources of kind {json.dumps(_qualified(plural, group))}"
    return ApiError(405, "MethodNotAllowed", message, details=_details(plural, group, ""))
