"""Faults on demand: what a cluster does to its clients on a bad day, deterministic by seed and logged.

A `Fault` says what goes wrong, for which requests, how often.  Rules are set through the Python handle
(`cluster.faults.add(...)`) or over HTTP under `/devcluster/faults` (GET lists rules and log, POST adds one, DELETE
clears).  Rules are asked in the order in which they were added; the first that strikes decides.
"""

from __future__ import annotations

import random
import re
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import attrs

from moduledeploy.devcluster.errors import ApiError, Object, bad_request, conflict, expired
from moduledeploy.devcluster.storage import encode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from moduledeploy.devcluster.requests import Target

Kind = Literal[
    "delay",  # the answer comes `seconds` later
    "conflict",  # 409 on a write
    "gone",  # 410 on a watch (in the stream) or on a later page of a list
    "too_many",  # 429 with Retry-After: `seconds`
    "error",  # `code` (500, 503, 504) instead of an answer; nothing has taken effect
    "lost_reply",  # a write takes effect, then the connection is cut
    "cut",  # the connection of a watch is cut in mid-line after `events` events
    "half_open",  # a watch stays open and says nothing more after `events` events
    "no_bookmarks",  # a watch never sends a bookmark
    "stale",  # reads show the state `versions` versions ago
]
_LOG_LENGTH: Final = 10_000


@attrs.frozen(kw_only=True)
class Fault:
    """One rule; empty matches match everything, `times` None strikes for ever."""

    kind: Kind
    verb: str = ""  # RBAC's: get, list, watch, create, update, patch, delete
    resource: str = ""  # plural
    namespace: str = ""
    name: str = ""  # a regular expression, matched whole
    probability: float = 1.0
    times: int | None = None
    seconds: float = 1.0
    code: int = 500
    events: int = 0
    versions: int = 10

    @classmethod
    def parse(cls, raw: Any) -> Fault:
        """From JSON; raises ApiError 400 for what is no rule."""
        known = {field.name for field in attrs.fields(cls)}
        if not isinstance(raw, dict) or raw.get("kind") not in get_args(Kind) or set(raw) - known:
            raise bad_request(f"a fault has a kind ({', '.join(get_args(Kind))}) and any of {', '.join(sorted(known))}")
        return cls(**raw)

    def matches(self, target: Target) -> bool:
        """Whether the request is one that the rule is about."""
        return (
            self.verb in ("", target.verb)
            and self.resource in ("", target.plural)
            and self.namespace in ("", target.namespace)
            and (not self.name or re.fullmatch(self.name, target.name) is not None)
        )


@attrs.define(eq=False)
class Faults:
    """The rules in force and the log of what they did."""

    seed: int = 0
    log: deque[Object] = attrs.field(factory=lambda: deque(maxlen=_LOG_LENGTH))
    _rules: list[tuple[Fault, list[int]]] = attrs.field(factory=list)  # with how often each struck
    _random: random.Random = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - chance that can be repeated is the point

    def add(self, fault: Fault) -> None:
        """Put one more rule in force."""
        self._rules.append((fault, [0]))

    def clear(self, seed: int | None = None) -> None:
        """Take all rules away, and begin the chances anew if there is a seed."""
        self._rules.clear()
        if seed is not None:
            self.seed = seed
            self._random = random.Random(seed)  # noqa: S311

    def strike(self, target: Target) -> Fault | None:
        """The fault that this request meets, if any; it is logged."""
        for fault, struck in self._rules:
            if fault.times is not None and struck[0] >= fault.times:
                continue
            if fault.matches(target) and self._random.random() < fault.probability:
                struck[0] += 1
                self.log.append({"kind": fault.kind, "verb": target.verb, "path": target.path})
                return fault
        return None

    def listed(self) -> Object:
        """Rules and log as JSON."""
        rules = [{**attrs.asdict(fault), "struck": struck[0]} for fault, struck in self._rules]
        return {"seed": self.seed, "rules": rules, "log": list(self.log)}


def refusal(fault: Fault, target: Target) -> ApiError | None:
    """The error that a fault answers with, if it is one that answers with an error."""
    match fault.kind:
        case "conflict":
            return conflict(target.plural, target.group, target.name, "injected")
        case "gone":
            return expired("injected: too old resource version")
        case "too_many":
            after = str(max(1, int(fault.seconds)))
            details = {"retryAfterSeconds": int(after)}
            return ApiError(429, "TooManyRequests", "injected", details=details, headers={"Retry-After": after})
        case "error":
            reasons = {500: "InternalError", 503: "ServiceUnavailable", 504: "Timeout"}
            return ApiError(fault.code, reasons.get(fault.code, ""), "injected")
        case _:
            return None


class CutError(Exception):
    """The connection is to be cut where it is."""


async def spoiled(lines: AsyncIterator[bytes], fault: Fault) -> AsyncIterator[bytes]:
    """The pieces of a watch as a fault lets them through; raises CutError where the connection breaks."""
    if fault.kind == "gone":
        yield encode({"type": "ERROR", "object": expired("injected: too old resource version").status()}) + b"\n"
        return
    passed = 0
    async for piece in lines:
        for line in piece.splitlines(keepends=True):
            if fault.kind == "no_bookmarks" and line.startswith(b'{"type":"BOOKMARK"'):
                continue
            if fault.kind in ("cut", "half_open") and passed >= fault.events:
                if fault.kind == "cut":
                    yield line[: len(line) // 2]
                    raise CutError
                continue
            passed += 1
            yield line
