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


@attrs.define(kw_only=True)
class AuditSchedule:
    """One audit per base and `interval_s`, at a second that the base's UID sets; all bases together at most 10 in a second.

    That second stays the base's own, whenever else its list is read: what reads all lists at one moment, as a start does,
    doesn't bring the audits together. With more bases than an interval has places the interval is as long as they need.
    """

    interval_s: float
    clock: Clock
    _next: dict[BaseKey, float] = attrs.field(factory=dict, init=False)
    _promised: set[BaseKey] = attrs.field(factory=set, init=False)  # put off to a second in which they have a place
    _second: float = attrs.field(default=-math.inf, init=False)  # the last one in which a place was given
    _given: int = attrs.field(default=0, init=False)  # places in it

    def next_at(self, key: BaseKey) -> float:
        """When the base is to be audited next, on the monotonic clock."""
        if key not in self._next:
            self._next[key] = self._own_second(key)
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
        self._next[key] = self._own_second(key)
        self._promised.discard(key)

    def _own_second(self, key: BaseKey) -> float:
        """The base's own second that comes next."""
        period_s = max(self.interval_s, len(self._next) / CALLS_PER_S)
        phase_s = period_s * _share(key.uid)
        now = self.clock.monotonic()
        return math.ceil(now + period_s - (now - phase_s) % period_s)

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
        self._promised.discard(key)


def _share(uid: str) -> float:
    """A number from 0 to 1 that stands for the UID, so that a restart spreads bases as before."""
    return int.from_bytes(blake2s(uid.encode(), digest_size=4).digest(), "big") / 2**32
