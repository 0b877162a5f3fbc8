"""The only source of time: code that waits takes a `Clock`, so that tests own it."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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


@contextmanager
def move_on_after(clock: Clock, seconds: float, *, shield: bool = False) -> Iterator[anyio.CancelScope]:
    """Leave the block after `seconds` of this clock; the scope's `cancelled_caught` tells whether that happened."""
    with anyio.CancelScope(shield=shield) as scope:
        timer = clock.call_later(seconds, scope.cancel)
        try:
            yield scope
        finally:
            timer.cancel()


@contextmanager
def fail_after(clock: Clock, seconds: float) -> Iterator[anyio.CancelScope]:
    """Raise TimeoutError out of the block after `seconds` of this clock."""
    with move_on_after(clock, seconds) as scope:
        yield scope
    if scope.cancelled_caught:
        raise TimeoutError(f"no end within {seconds:g} s")
