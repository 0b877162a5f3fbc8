"""The forms of names, labels and keys that Kubernetes accepts (RFC 1123, RFC 1035, qualified names)."""

from __future__ import annotations

import functools
import re
from typing import Final

_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_1035: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_PORT_NAME: Final = re.compile(r"(?=.{1,15}$)(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_QUALIFIED: Final = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")

MAX_LABEL: Final = 63
MAX_SUBDOMAIN: Final = 253


def label_problem(value: str) -> str | None:
    """Why `value` is no DNS label (RFC 1123), or None."""
    if len(value) > MAX_LABEL:
        return f"must be no more than {MAX_LABEL} characters"
    if not _LABEL.fullmatch(value):
        return "must be a DNS label: lower-case letters, digits and '-', beginning and ending with a letter or digit"
    return None


def label_1035_problem(value: str) -> str | None:
    """Why `value` is no DNS label that begins with a letter (RFC 1035), or None."""
    if len(value) > MAX_LABEL:
        return f"must be no more than {MAX_LABEL} characters"
    if not _LABEL_1035.fullmatch(value):
        return "must be a DNS label that begins with a letter: lower-case letters, digits and '-'"
    return None


def subdomain_problem(value: str) -> str | None:
    """Why `value` is no DNS subdomain, or None."""
    if len(value) > MAX_SUBDOMAIN:
        return f"must be no more than {MAX_SUBDOMAIN} characters"
    if not _SUBDOMAIN.fullmatch(value):
        return "must be a DNS subdomain: labels of lower-case letters, digits and '-', joined by '.'"
    return None


def path_segment_problem(value: str) -> str | None:
    """Why `value` can't stand in a URL path, or None."""
    if value in {".", ".."}:
        return f"may not be {value!r}"
    for character in ("/", "%"):
        if character in value:
            return f"may not contain {character!r}"
    return None


def port_name_problem(value: str) -> str | None:
    """Why `value` can't name a port, or None."""
    if not _PORT_NAME.fullmatch(value):
        return "must be at most 15 lower-case letters, digits and single '-', with a letter among them"
    return None


NAME_RULES: Final = {
    "subdomain": subdomain_problem,
    "label": label_problem,
    "label-1035": label_1035_problem,
    "path-segment": path_segment_problem,
}


@functools.lru_cache(maxsize=4096)
def label_value_problem(value: str) -> str | None:
    """Why `value` can't be the value of a label, or None."""
    if len(value) > MAX_LABEL:
        return f"must be no more than {MAX_LABEL} characters"
    if value and not _QUALIFIED.fullmatch(value):
        return (
            "a label value is empty, or letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
        )
    return None


@functools.lru_cache(maxsize=4096)
def qualified_name_problem(value: str) -> str | None:
    """Why `value` is no qualified name such as `example.com/name`, or None."""
    prefix, slash, name = value.rpartition("/")
    if slash:
        if "/" in prefix:
            return "may have one '/' at most"
        if not prefix:
            return "prefix part must be non-empty"
        problem = subdomain_problem(prefix)
        if problem:
            return f"prefix part {problem}"
    if not name:
        return "name part must be non-empty"
    if len(name) > MAX_LABEL:
        return f"name part must be no more than {MAX_LABEL} characters"
    if not _QUALIFIED.fullmatch(name):
        return "name part consists of letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
    return None
