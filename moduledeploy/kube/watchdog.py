"""Ends a process whose event loop is stuck while it holds the lease; the one thread of the process that decides anything."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Final, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from moduledeploy.runtime.clock import Clock

# Before the lease runs out, so that a successor never works beside a process that is only slow.
_MARGIN_S: Final = 1.0
_POLL_S: Final = 1.0


class Deadline(Protocol):
    """A moment that somebody keeps putting off; `LeaderGate` is one."""

    @property
    def valid_until(self) -> float:
        """Seconds on the monotonic clock; minus infinity while there is none."""


@attrs.define(kw_only=True)
class Watchdog:
    """Calls `exit_process(1)` one second before `deadline` is reached; runs beside the event loop, in a daemon thread.

    A renewal that comes in time puts the deadline off, so nothing happens as long as the loop turns. No cleanup is done:
    whatever the process was about to write must not be written.
    """

    deadline: Deadline
    clock: Clock
    exit_process: Callable[[int], object] = os._exit
    _stop: threading.Event = attrs.field(factory=threading.Event, init=False)
    _thread: threading.Thread | None = attrs.field(default=None, init=False)

    def start(self) -> None:
        """Begin to watch."""
        self._thread = threading.Thread(target=self._watch, name="lease-watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer; returns when the thread has ended."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=2 * _POLL_S)

    def remaining_s(self) -> float | None:
        """Seconds until the process would be ended; None while there is no deadline."""
        valid_until = self.deadline.valid_until
        if valid_until == float("-inf"):
            return None
        return valid_until - _MARGIN_S - self.clock.monotonic()

    def _watch(self) -> None:
        while True:
            remaining_s = self.remaining_s()
            if remaining_s is not None and remaining_s <= 0:
                # No logger here: its lock may be held by the very code that is stuck.
                sys.stderr.write('{"event":"lease ran out while the process was stuck","level":"error"}\n')
                sys.stderr.flush()
                self.exit_process(1)
                return
            if self._stop.wait(_POLL_S if remaining_s is None else min(remaining_s, _POLL_S)):
                return
