"""When each base's list is read again though nothing happened: spread over the interval, and never too many at once."""

from __future__ import annotations

from hashlib import blake2s
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from moduledeploy.controllers.facts import BaseKey
    from moduledeploy.runtime.clock import Clock

CALLS_PER_S: Final = 10.0


@attrs.define(kw_only=True)
class AuditSchedule:
    """One audit per base and `interval_s`, at a moment that the base's UID sets; all bases together at most 10 a second."""

    interval_s: float
    clock: Clock
    _next: dict[BaseKey, float] = attrs.field(factory=dict, init=False)
    _free_at: float = attrs.field(default=0.0, init=False)
    _promised: set[BaseKey] = attrs.field(factory=set, init=False)  # put off to a moment that is theirs alone

    def next_at(self, key: BaseKey) -> float:
        """When the base is to be audited next, on the monotonic clock."""
        if key not in self._next:
            self._next[key] = self.clock.monotonic() + self.interval_s * _share(key.uid)
        return self._next[key]

    def is_due(self, key: BaseKey) -> bool:
        """Whether to audit now; where too many are due at once, the base is put off by a little and this says no."""
        now = self.clock.monotonic()
        if self.next_at(key) > now:
            return False
        if key not in self._promised:
            if self._free_at > now:
                self._next[key] = self._free_at
                self._promised.add(key)
                self._free_at += 1 / CALLS_PER_S
                return False
            self._free_at = now + 1 / CALLS_PER_S
        self.done(key)
        return True

    def done(self, key: BaseKey) -> None:
        """The list was just read, for whatever reason."""
        self._next[key] = self.clock.monotonic() + self.interval_s
        self._promised.discard(key)

    def forget(self, key: BaseKey) -> None:
        """The base has no Modules any more."""
        self._next.pop(key, None)
        self._promised.discard(key)


def _share(uid: str) -> float:
    """A number from 0 to 1 that stands for the UID, so that a restart spreads bases as before."""
    return int.from_bytes(blake2s(uid.encode(), digest_size=4).digest(), "big") / 2**32
