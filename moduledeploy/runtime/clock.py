"""The only source of time: code that waits takes a `Clock`, so that tests own it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


class Timer(Protocol):
    """A call that was put off and can still be called off."""

    def cancel(self) -> None:
        """Make sure the callback doesn't run any more; harmless when it has run."""


class Clock(Protocol):
    """Time as logic may see it: durations from `monotonic`, dates from `wall`, both in seconds."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment, never going backwards; for durations and deadlines."""

    def wall(self) -> float:
        """Seconds since the Unix epoch, as wrong as the machine's clock; for what people and other machines read."""

    async def sleep(self, seconds: float) -> None:
        """Wait that long; returns after one checkpoint when `seconds` is not positive."""

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> Timer:
        """Run `callback` in the event loop after `delay_s`, unless the timer is cancelled first."""


class SystemClock:
    """The machine's own clock."""

    def monotonic(self) -> float:
        """Seconds of CLOCK_MONOTONIC, the clock that asyncio schedules by."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since the Unix epoch."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Wait in real time."""
        await anyio.sleep(max(0.0, seconds))

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> Timer:
        """Schedule on the running event loop."""
        return asyncio.get_running_loop().call_later(max(0.0, delay_s), callback)


class move_on_after:  # noqa: N801  # used as a statement, like anyio's, and on every request: a generator would take twice as long
    """Leave the block after `seconds` of this clock; the scope's `cancelled_caught` tells whether that happened."""

    def __init__(self, clock: Clock, seconds: float, *, shield: bool = False) -> None:
        self._clock = clock
        self._seconds = seconds
        self._scope = anyio.CancelScope(shield=shield)

    def __enter__(self) -> anyio.CancelScope:
        """Begin to count."""
        scope = self._scope.__enter__()
        self._timer = self._clock.call_later(self._seconds, scope.cancel)
        return scope

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Stop counting; takes the cancellation back that was its own."""
        self._timer.cancel()
        return self._scope.__exit__(kind, error, trace)


class fail_after(move_on_after):  # noqa: N801  # used as a statement, like anyio's
    """Raise TimeoutError out of the block after `seconds` of this clock."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Raises TimeoutError where the time was over before the block."""
        caught = super().__exit__(kind, error, trace)
        if self._scope.cancelled_caught:
            raise TimeoutError(f"no end within {self._seconds:g} s")
        return caught
