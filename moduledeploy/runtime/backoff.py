"""How long to wait before trying again, as a value and as a small counter with a quiet period."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from moduledeploy.runtime.clock import Clock


@attrs.frozen(kw_only=True)
class Backoff:
    """Exponential delays in seconds that never exceed `cap_s`.

    Jitter is taken *off* a delay (0.5 leaves 50–100 % of it), so that the cap bounds how late recovery is noticed.
    """

    base_s: float
    cap_s: float
    factor: float = 2.0
    jitter: float = 0.5

    def delay_s(self, attempt: int, draw: float) -> float:
        """Delay before retry number `attempt` (from 0); `draw` is a random number in [0, 1)."""
        # Beyond 64 doublings a float power only risks overflow: every cap in use has been reached long before.
        full = min(self.cap_s, self.base_s * self.factor ** min(attempt, 64))
        return full * (1.0 - self.jitter * draw)


@attrs.define(kw_only=True)
class BackoffCounter:
    """Consecutive failures of one thing; forgotten on `reset` and after `quiet_s` without any.

    The quiet period is what client-go's reflector does: a watch that breaks once an hour starts over at the base.
    """

    policy: Backoff
    clock: Clock
    quiet_s: float = 120.0
    draw: Callable[[], float] = random.random
    _attempts: int = attrs.field(default=0, init=False)
    _last_at: float = attrs.field(default=float("-inf"), init=False)

    def next_delay_s(self) -> float:
        """Count one more failure and tell how long to wait for it, in seconds."""
        now = self.clock.monotonic()
        if now - self._last_at > self.quiet_s:
            self._attempts = 0
        delay = self.policy.delay_s(self._attempts, self.draw())
        self._attempts += 1
        self._last_at = now + delay
        return delay

    def reset(self) -> None:
        """Start again at the base delay."""
        self._attempts = 0

    @property
    def attempts(self) -> int:
        """Failures since the last reset."""
        return self._attempts
