"""String formats that a structural schema can ask for; formats not listed are not checked.

The list is that of k8s.io/apiextensions-apiserver (validation/formats.go); the checks are as lenient as Go's parsers.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")
_HOST: Final = re.compile(r"[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)*\.?")
_DURATION: Final = re.compile(
    r"[+-]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h|d|w)((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h|d|w))*|0"
)
_STAMP: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")
_MAC: Final = re.compile(r"([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}")
_COLOR: Final = re.compile(r"#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_SSN: Final = re.compile(r"\d{3}[- ]?\d{2}[- ]?\d{4}")


def parses_as_url(text: str) -> bool:
    """Go's url.ParseRequestURI: absolute, or a path from the root."""
    if text.startswith("/"):
        return _percents_are_right(text)
    scheme, colon, rest = text.partition(":")
    if not colon or not _SCHEME.fullmatch(scheme) or any(ord(c) <= 0x20 or ord(c) == 0x7F for c in text):
        return False
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    return bool(rest) and _percents_are_right(text)


def _percents_are_right(text: str) -> bool:
    return not re.search(r"%(?![0-9A-Fa-f]{2})", text)


def _parsed(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return check


def _is_date(text: str) -> bool:
    return bool(_DATE.fullmatch(text)) and _parsed(lambda t: datetime.strptime(t, "%Y-%m-%d"))(text)  # noqa: DTZ007


def _is_stamp(text: str) -> bool:
    return bool(_STAMP.fullmatch(text)) and _parsed(lambda t: datetime.fromisoformat(t.upper()))(text)


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


FORMATS: Final[dict[str, Callable[[str], bool]]] = {
    "uri": parses_as_url,
    "email": lambda text: bool(_EMAIL.fullmatch(text)),
    "hostname": lambda text: len(text) <= 255 and bool(_HOST.fullmatch(text)),
    "ipv4": _parsed(ipaddress.IPv4Address),
    "ipv6": _parsed(ipaddress.IPv6Address),
    "cidr": lambda text: "/" in text and _parsed(lambda t: ipaddress.ip_network(t, strict=False))(text),
    "mac": lambda text: bool(_MAC.fullmatch(text)),
    "uuid": _parsed(uuid.UUID),
    "uuid3": _parsed(uuid.UUID),
    "uuid4": _parsed(uuid.UUID),
    "uuid5": _parsed(uuid.UUID),
    "hexcolor": lambda text: bool(_COLOR.fullmatch(text)),
    "ssn": lambda text: bool(_SSN.fullmatch(text)),
    "byte": _is_base64,
    "date": _is_date,
    "date-time": _is_stamp,
    "datetime": _is_stamp,
    "duration": lambda text: bool(_DURATION.fullmatch(text)),
}
