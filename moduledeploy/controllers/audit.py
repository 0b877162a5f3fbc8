"""When each base's list is read again though nothing happened: spread over the interval, and never too many at once.

Audits fall on whole seconds. A process that wakes once for ten of them takes half the CPU of one that wakes ten times: what it
runs has left the processor's caches in between.
"""

from __future__ import annotations

import math
from hashlib import blake2s
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from moduledeploy.controllers.facts import BaseKey
    from moduledeploy.runtime.clock import Clock

CALLS_PER_S: Final = 10
_SOONEST: Final = 0.25  # of an interval, after the first list that this process has read


@attrs.define(kw_only=True)
class AuditSchedule:
    """One audit per base and `interval_s`, all bases together at most 10 in a second.

    A start reads all lists within seconds: the audit after that comes sooner, by a part of the interval that the base's UID
    sets, so that they are spread from then on.
    """

    interval_s: float
    clock: Clock
    _next: dict[BaseKey, float] = attrs.field(factory=dict, init=False)
    _listed: set[BaseKey] = attrs.field(factory=set, init=False)  # since this process began
    _promised: set[BaseKey] = attrs.field(factory=set, init=False)  # put off to a second in which they have a place
    _second: float = attrs.field(default=-math.inf, init=False)  # the last one in which a place was given
    _given: int = attrs.field(default=0, init=False)  # places in it

    def next_at(self, key: BaseKey) -> float:
        """When the base is to be audited next, on the monotonic clock."""
        if key not in self._next:
            self._next[key] = self._after(_share(key.uid))
        return self._next[key]

    def is_due(self, key: BaseKey) -> bool:
        """Whether to audit now; where too many are due at once, the base is put off by a little and this says no."""
        now = self.clock.monotonic()
        if self.next_at(key) > now:
            return False
        if key not in self._promised:
            second = self._place(now)
            if second > now:
                self._next[key] = second
                self._promised.add(key)
                return False
        self.done(key)
        return True

    def done(self, key: BaseKey) -> None:
        """The list was just read, for whatever reason."""
        share = 1.0 if key in self._listed else _SOONEST + (1 - _SOONEST) * _share(key.uid)
        self._next[key] = self._after(share)
        self._listed.add(key)
        self._promised.discard(key)

    def _after(self, share: float) -> float:
        """The second in which that share of an interval is over."""
        return math.ceil(self.clock.monotonic() + self.interval_s * share)

    def _place(self, now: float) -> float:
        """The first second from now on with a place left; the place is taken."""
        if self._second < math.floor(now):
            self._second, self._given = math.floor(now), 0
        elif self._given == CALLS_PER_S:
            self._second, self._given = self._second + 1, 0
        self._given += 1
        return self._second

    def forget(self, key: BaseKey) -> None:
        """The base has no Modules any more."""
        self._next.pop(key, None)
        self._listed.discard(key)
        self._promised.discard(key)


def _share(uid: str) -> float:
    """A number from 0 to 1 that stands for the UID, so that a restart spreads bases as before."""
    return int.from_bytes(blake2s(uid.encode(), digest_size=4).digest(), "big") / 2**32
