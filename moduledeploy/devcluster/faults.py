"""Faults on demand: what a cluster and its bases do to their clients on a bad day, deterministic by seed and logged.

A `Fault` says what goes wrong, for which requests, how often.  Rules are set through the Python handle
(`cluster.faults.add(...)`) or over HTTP under `/devcluster/faults` (GET lists rules and log, POST adds one, DELETE
clears).  Rules are asked in the order in which they were added; the first that strikes decides.  Whether the n-th request
that a rule matches is struck depends on the seed, the rule's place and n alone.
"""

from __future__ import annotations

import random
import re
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, get_args

import attrs
import msgspec

from moduledeploy.devcluster.arklet.mishaps import MISHAPS, Mishap, MishapKind
from moduledeploy.devcluster.errors import Object, bad_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from moduledeploy.devcluster.requests import Target

RequestKind = Literal[
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
Kind = RequestKind | MishapKind
_KINDS: Final = (*get_args(RequestKind), *get_args(MishapKind))
_LOG_LENGTH: Final = 10_000


@attrs.frozen(kw_only=True)
class Fault:
    """One rule; empty matches match everything, `times` None strikes for ever.

    Of requests to the API server `name` is the object's, of commands to a simulated base the pod's.
    """

    kind: Kind
    verb: str = ""  # RBAC's: get, list, watch, create, update, patch, delete; or Arklet's command: installBiz, …
    resource: str = ""  # plural
    namespace: str = ""
    name: str = ""  # a regular expression, matched whole
    module: str = ""  # the same for the `name:version` that a command to a base names
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
        if not isinstance(raw, dict) or raw.get("kind") not in _KINDS or set(raw) - known:
            raise bad_request(f"a fault has a kind ({', '.join(_KINDS)}) and any of {', '.join(sorted(known))}")
        try:
            fault = msgspec.convert(raw, cls)
            re.compile(fault.name), re.compile(fault.module)
        except (msgspec.ValidationError, re.error) as error:
            raise bad_request(f"no fault: {error}") from error
        return fault

    @property
    def is_of_bases(self) -> bool:
        """Whether it is about commands to simulated bases and not about requests to the API server."""
        return self.kind in MISHAPS

    @property
    def is_at_once(self) -> bool:
        """Whether it strikes when it is added: a restart that waits for no command."""
        return self.kind == "base_restart" and not self.verb

    def matches(self, target: Target) -> bool:
        """Whether the request is one that the rule is about."""
        return (
            not self.is_of_bases
            and self.verb in ("", target.verb)
            and self.resource in ("", target.plural)
            and self.namespace in ("", target.namespace)
            and _fits(self.name, target.name)
        )

    def matches_command(self, command: Command) -> bool:
        """Whether the command to a base is one that the rule is about."""
        return (
            self.is_of_bases
            and self.verb in ("", command.verb)
            and self.namespace in ("", command.namespace)
            and _fits(self.name, command.pod)
            and _fits(self.module, command.module)
        )


def _fits(pattern: str, text: str) -> bool:
    return not pattern or re.fullmatch(pattern, text) is not None


@attrs.frozen(kw_only=True)
class Command:
    """A command that comes to a simulated base, or with no verb the base itself."""

    namespace: str
    pod: str
    verb: str = ""
    module: str = ""


class Bases(Protocol):
    """The simulated bases that rules may be about."""

    def names(self) -> Iterable[tuple[str, str]]:
        """Namespace and name of every pod that is played."""
        ...

    def restart(self, namespace: str, name: str) -> None:
        """Restart the container of a pod."""
        ...


@attrs.define(eq=False)
class _Rule:
    fault: Fault
    chance: random.Random
    struck: int = 0

    def strikes(self) -> bool:
        """Whether it strikes this time; what it matches has been looked at before."""
        if self.fault.times is not None and self.struck >= self.fault.times:
            return False
        is_hit = self.chance.random() < self.fault.probability
        self.struck += is_hit
        return is_hit


@attrs.define(eq=False)
class Faults:
    """The rules in force and the log of what they did; `bases` are there while simulated bases are played."""

    seed: int = 0
    log: deque[Object] = attrs.field(factory=lambda: deque(maxlen=_LOG_LENGTH))
    bases: Bases | None = None
    _rules: list[_Rule] = attrs.field(factory=list)

    def add(self, fault: Fault) -> None:
        """Put one more rule in force; raises ApiError 400 for one about bases where none are played."""
        if fault.is_of_bases and self.bases is None:
            raise bad_request(f"{fault.kind} is about simulated bases, and none are played here")
        rule = _Rule(fault, random.Random(f"{self.seed}/{len(self._rules)}"))  # noqa: S311 - chance that can be repeated is the point
        self._rules.append(rule)
        if fault.is_at_once and self.bases is not None:
            for namespace, pod in sorted(self.bases.names()):
                command = Command(namespace=namespace, pod=pod)
                if fault.matches_command(command) and rule.strikes():
                    self.log.append({"kind": fault.kind, **attrs.asdict(command)})
                    self.bases.restart(namespace, pod)

    def clear(self, seed: int | None = None) -> None:
        """Take all rules away, and begin the chances anew if there is a seed."""
        self._rules.clear()
        if seed is not None:
            self.seed = seed

    def strike(self, target: Target) -> Fault | None:
        """The fault that this request meets, if any; it is logged."""
        if not self._rules:
            return None
        return self._strike(lambda fault: fault.matches(target), {"verb": target.verb, "path": target.path})

    def strike_command(self, command: Command) -> Mishap | None:
        """What befalls a command to a base, if anything; it is logged."""
        if not self._rules:
            return None
        fault = self._strike(
            lambda fault: not fault.is_at_once and fault.matches_command(command), attrs.asdict(command)
        )
        if fault is None:
            return None
        if fault.kind == "base_restart" and self.bases is not None:
            self.bases.restart(command.namespace, command.pod)
        return msgspec.convert({"kind": fault.kind, "seconds": fault.seconds}, Mishap)

    def _strike(self, matches: Callable[[Fault], bool], about: Object) -> Fault | None:
        for rule in self._rules:
            if matches(rule.fault) and rule.strikes():
                self.log.append({"kind": rule.fault.kind, **about})
                return rule.fault
        return None

    def listed(self) -> Object:
        """Rules and log as JSON."""
        rules = [{**attrs.asdict(rule.fault), "struck": rule.struck} for rule in self._rules]
        return {"seed": self.seed, "rules": rules, "log": list(self.log)}
