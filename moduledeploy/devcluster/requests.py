"""What a request asks for: its path taken apart, its parameters checked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs
from multidict import MultiMapping

from moduledeploy.devcluster.errors import (
    FORBIDDEN,
    INVALID,
    NOT_SUPPORTED,
    REQUIRED,
    TOO_LONG,
    FieldError,
    bad_request,
    invalid,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_VERBS: Final = {"POST": "create", "PUT": "update", "PATCH": "patch", "GET": "get", "HEAD": "get", "DELETE": "delete"}
_MAX_MANAGER: Final = 128
_INTEGER: Final = re.compile(r"[+-]?[0-9]+")
_INT64: Final = 1 << 63
_TRUE: Final = frozenset({"1", "true", "True", "TRUE", "t", "T"})
_FALSE: Final = frozenset({"0", "false", "False", "FALSE", "f", "F"})
APPLY_TYPE: Final = "application/apply-patch+yaml"


@attrs.frozen(kw_only=True)
class Target:
    """The path of a request taken apart; `verb` is RBAC's, empty for a method that no resource has."""

    method: str
    verb: str
    path: str
    is_resource: bool = False
    group: str = ""
    version: str = ""
    plural: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    surplus: bool = False  # the path goes on behind the subresource


def parse_target(method: str, path: str, *, watch: bool) -> Target:
    """Take a path apart as apiserver's RequestInfoFactory does."""
    parts = [part for part in path.split("/") if part]
    plain = Target(method=method, verb=method.lower(), path=path)
    match parts:
        case ["api", version, *rest] if rest:
            group = ""
        case ["apis", group, version, *rest] if rest:
            pass
        case _:
            return plain
    old_watch = rest[0] == "watch" and len(rest) > 1  # of before there was a parameter for it
    if old_watch:
        rest = rest[1:]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2 and rest[2] not in ("status", "finalize"):
            rest = rest[2:]
    plural, name = rest[0], rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    verb = _VERBS.get(method, "")
    if old_watch and verb == "get":
        verb = "watch"
    if not name and verb in ("get", "delete"):
        verb = "deletecollection" if verb == "delete" else "watch" if watch else "list"
    return Target(method=method, verb=verb, path=path, is_resource=True, group=group, version=version, plural=plural,
                  namespace=namespace, name=name, subresource=subresource, surplus=len(rest) > 3)  # fmt: skip


@attrs.frozen
class Query:
    """The parameters of a request."""

    values: Mapping[str, str]

    def text(self, name: str) -> str:
        """A parameter, or nothing."""
        return self.values.get(name, "")

    def all(self, name: str) -> list[str]:
        """Every value of a parameter that may stand several times."""
        if isinstance(self.values, MultiMapping):
            return list(self.values.getall(name, []))
        return [self.values[name]] if name in self.values else []

    def flag(self, name: str) -> bool:
        """A boolean parameter; present without a value means true."""
        value = self.values.get(name)
        return value is not None and value not in _FALSE

    def switch(self, name: str) -> bool | None:
        """A boolean that may be absent."""
        value = self.values.get(name)
        return None if value is None else value not in _FALSE

    def number(self, name: str) -> int | None:
        """An integer; raises ApiError 400 for anything else."""
        value = self.values.get(name)
        if value is None:
            return None
        if not _INTEGER.fullmatch(value):
            raise bad_request(f'strconv.ParseInt: parsing "{value}": invalid syntax')
        if not -_INT64 <= int(value) < _INT64:
            raise bad_request(f'strconv.ParseInt: parsing "{value}": value out of range')
        return int(value)

    def dry_run(self) -> bool:
        """Whether nothing is to be stored; the value has been checked by `check_write`."""
        return bool(self.values.get("dryRun"))

    def included(self) -> str:
        """What rows of a table hold of their objects; raises ApiError 400."""
        value = self.text("includeObject") or "Metadata"
        if value not in ("Metadata", "Object", "None"):
            detail = "must be 'Metadata', 'Object', 'None', or empty"
            raise bad_request(
                f'Unable to convert to Table as requested: includeObject: Invalid value: "{value}": {detail}'
            )
        return value

    def check_write(self, kind: str, *, apply: bool = False) -> None:
        """Raises ApiError 422 for options of a write that can't be; `kind` is CreateOptions and the like."""
        problems = []
        dry_runs = self.all("dryRun")
        if any(value != "All" for value in dry_runs):
            problems.append(FieldError(NOT_SUPPORTED, "dryRun", dry_runs, 'supported values: "All"'))
        manager = self.text("fieldManager")
        if len(manager.encode()) > _MAX_MANAGER:
            problems.append(FieldError(TOO_LONG, "fieldManager", None, f"may not be more than {_MAX_MANAGER} bytes"))
        elif not manager.isprintable():
            problems.append(FieldError(INVALID, "fieldManager", manager, "should only contain printable characters"))
        if apply and not manager:
            problems.append(FieldError(REQUIRED, "fieldManager", None, "is required for apply patch"))
        if kind == "PatchOptions" and not apply and "force" in self.values:
            problems.append(FieldError(FORBIDDEN, "force", None, "may not be specified for non-apply patch"))
        validation = "" if kind == "DeleteOptions" else self.text("fieldValidation")
        if validation and validation not in ("Strict", "Warn", "Ignore"):
            detail = 'supported values: "Ignore", "Strict", "Warn"'
            problems.append(FieldError(NOT_SUPPORTED, "fieldValidation", validation, detail))
        if problems:
            raise invalid(kind, "meta.k8s.io", "", problems)

    def check_list(self, *, watch: bool) -> None:
        """Raises ApiError 400 for options of lists and watches that are no numbers, 422 for contradictory ones."""
        self.number("limit")
        self.number("timeoutSeconds")
        problems = self._watch_problems() if watch else self._list_problems()
        if problems:
            raise invalid("ListOptions", "meta.k8s.io", "", problems)

    def _watch_problems(self) -> list[FieldError]:
        match, initial = self.text("resourceVersionMatch"), "sendInitialEvents" in self.values
        problems = []
        if initial and match != "NotOlderThan":
            detail = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            problems.append(FieldError(FORBIDDEN, "resourceVersionMatch", None, detail))
        if match and not initial:
            detail = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            problems.append(FieldError(FORBIDDEN, "resourceVersionMatch", None, detail))
        if match and match != "NotOlderThan":
            problems.append(
                FieldError(NOT_SUPPORTED, "resourceVersionMatch", match, 'supported values: "NotOlderThan"')
            )
        replays = not initial and self.text("resourceVersion") in ("", "0")  # is completed to NotOlderThan
        if (match or replays) and self.text("continue"):
            detail = "resourceVersionMatch is forbidden when continue is provided"
            problems.append(FieldError(FORBIDDEN, "resourceVersionMatch", None, detail))
        return problems

    def _list_problems(self) -> list[FieldError]:
        match, version = self.text("resourceVersionMatch"), self.text("resourceVersion")
        problems = []
        if match:
            if not version:
                detail = "resourceVersionMatch is forbidden unless resourceVersion is provided"
                problems.append(FieldError(FORBIDDEN, "resourceVersionMatch", None, detail))
            if self.text("continue"):
                detail = "resourceVersionMatch is forbidden when continue is provided"
                problems.append(FieldError(FORBIDDEN, "resourceVersionMatch", None, detail))
            if match not in ("Exact", "NotOlderThan"):
                detail = 'supported values: "Exact", "NotOlderThan"'
                problems.append(FieldError(NOT_SUPPORTED, "resourceVersionMatch", match, detail))
            if match == "Exact" and version == "0":
                detail = 'resourceVersionMatch "Exact" is forbidden for resourceVersion "0"'
                problems.append(FieldError(FORBIDDEN, "resourceVersionMatch", None, detail))
        if "sendInitialEvents" in self.values:
            detail = "sendInitialEvents is forbidden for list"
            problems.append(FieldError(FORBIDDEN, "sendInitialEvents", None, detail))
        return problems
