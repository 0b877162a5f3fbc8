"""Rules of ConfigMaps and Secrets.

Follows pkg/apis/core/validation.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Final

from moduledeploy.devcluster.errors import FORBIDDEN, INVALID, REQUIRED, TOO_LONG, FieldError

if TYPE_CHECKING:
    from moduledeploy.devcluster.storage import Object

_SECRET_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/basic-auth": ("username", "password"),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
}
_DATA_KEY: Final = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_MAX_DATA: Final = 1024 * 1024
_TOO_MUCH: Final = f"may not be more than {_MAX_DATA} bytes"


def new_secret(obj: Object) -> None:
    """The type and the data of a Secret, from what came as text."""
    obj.setdefault("type", "Opaque")
    for key, value in (obj.pop("stringData", None) or {}).items():
        obj.setdefault("data", {})[key] = base64.b64encode(value.encode()).decode()


def secret_problems(obj: Object) -> list[FieldError]:
    """Secrets of known types have what the types are for."""
    data, needed = obj.get("data") or {}, _SECRET_KEYS.get(obj.get("type", ""), ())
    problems = [FieldError(REQUIRED, f"data[{key}]") for key in needed if key not in data]
    if obj.get("type") == "kubernetes.io/basic-auth" and len(problems) < len(needed):
        problems = []  # either will do
    if obj.get("type") == "kubernetes.io/service-account-token":
        account = "kubernetes.io/service-account.name"
        if not (obj["metadata"].get("annotations") or {}).get(account):
            problems.append(FieldError(REQUIRED, f"metadata.annotations[{account}]"))
    if _size(data, 3, 4) > _MAX_DATA:
        problems.append(FieldError(TOO_LONG, "data", None, _TOO_MUCH))
    return problems + _key_problems(obj)


def _size(values: Object, kept: int = 1, of: int = 1) -> int:
    """Bytes of a map's texts; `kept` `of` so many where they are encoded."""
    return sum(len(value.encode()) * kept // of for value in values.values())


def config_map_problems(obj: Object) -> list[FieldError]:
    """Keys that can't be, and too much data."""
    total = _size(obj.get("data") or {}) + _size(obj.get("binaryData") or {}, 3, 4)
    return _key_problems(obj) + ([FieldError(TOO_LONG, "[]", None, _TOO_MUCH)] if total > _MAX_DATA else [])


def _key_problems(obj: Object) -> list[FieldError]:
    both = (obj.get("data") or {}).keys() & (obj.get("binaryData") or {}).keys()
    return [
        FieldError(INVALID, f"data[{key}]", key, "duplicate of key present in binaryData") for key in sorted(both)
    ] + [
        FieldError(INVALID, f"{field}[{key}]", key, "a valid key consists of letters, digits, '-', '_' and '.'")
        for field in ("data", "binaryData")
        for key in obj.get(field) or {}
        if not _DATA_KEY.fullmatch(key) or key in (".", "..")
    ]


def secret_changes(new: Object, old: Object) -> list[FieldError]:
    """A Secret keeps its type, and if it says so its data."""
    problems = immutable_data(new, old)
    if new.get("type") != old.get("type"):
        problems.append(FieldError(INVALID, "type", new.get("type"), "field is immutable"))
    return problems


def immutable_data(new: Object, old: Object) -> list[FieldError]:
    """What says that it is immutable is."""
    if not old.get("immutable"):
        return []
    detail = "field is immutable when `immutable` is set"
    problems = [
        FieldError(FORBIDDEN, field, None, detail)
        for field in ("data", "binaryData")
        if new.get(field) != old.get(field)
    ]
    if not new.get("immutable"):
        problems.append(FieldError(FORBIDDEN, "immutable", None, detail))
    return problems
