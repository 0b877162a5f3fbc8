"""Time that moves when the test says so."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import socket
from typing import TYPE_CHECKING

import anyio
import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

# More than a connection, a request and its answer take steps of the event loop, on both sides together.
_HOPS = 40


@attrs.define(eq=False)
class _Timer:
    callback: Callable[[], object] | None

    def cancel(self) -> None:
        self.callback = None


class ManualClock:
    """A `Clock` that stands still until `advance` or `run_until` moves it."""

    def __init__(self, *, wall: float = 1_700_000_000.0) -> None:
        self.now = 1000.0
        self._wall_offset = wall - self.now
        self._timers: list[tuple[float, int, _Timer]] = []
        self._seq = itertools.count()

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now + self._wall_offset

    def shift_wall(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an administrator or NTP would; durations don't notice."""
        self._wall_offset += seconds

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await anyio.lowlevel.checkpoint()
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not woken.done():
                woken.set_result(None)

        timer = self.call_later(seconds, wake)
        try:
            await woken
        finally:
            timer.cancel()

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> _Timer:
        timer = _Timer(callback)
        heapq.heappush(self._timers, (self.now + max(0.0, delay_s), next(self._seq), timer))
        return timer

    def next_delay_s(self) -> float | None:
        """Seconds until the next timer; None when nothing waits."""
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0][0] - self.now) if self._timers else None

    def advance(self, seconds: float) -> None:
        """Let time pass; what is due is called in its order, each at its own moment."""
        end = self.now + seconds
        while (delay_s := self.next_delay_s()) is not None and self.now + delay_s <= end:
            at, _, timer = heapq.heappop(self._timers)
            self.now = max(self.now, at)
            callback, timer.callback = timer.callback, None
            assert callback is not None
            callback()
        self.now = max(self.now, end)

    async def run_for(self, seconds: float) -> None:
        """Let time pass and everybody act on it, timer by timer."""
        end = self.now + seconds
        await settle()
        while (delay_s := self.next_delay_s()) is not None and self.now + delay_s <= end:
            self.advance(delay_s)
            await settle()
        self.now = max(self.now, end)
        await settle()

    async def run_until(self, condition: Callable[[], object], *, at_most_s: float = 3600.0) -> None:
        """Jump from timer to timer until `condition` holds; fails after `at_most_s` of this clock or 10 real seconds.

        With 0 the clock stands still and only what is under way is waited for.
        """
        end = self.now + at_most_s
        with anyio.fail_after(10):
            while not condition():
                await settle()
                if condition():
                    return
                delay_s = self.next_delay_s()
                if delay_s is None or at_most_s == 0:
                    continue
                assert self.now + delay_s <= end, f"not within {at_most_s} s"
                self.advance(delay_s)


async def settle() -> None:
    """Give every task and every loopback socket the time to do what can be done now.

    On a busy machine the kernel may deliver loopback packets late, while this process idles. So no time is waited for, but
    bytes of our own, sent behind everybody else's: when they arrive, what was sent before them has arrived too.
    """
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as near:
        far, _ = listener.accept()
        with far:
            far.setblocking(False)
            for _ in range(_HOPS):
                near.send(b".")
                await loop.sock_recv(far, 1)
                await asyncio.sleep(0)


async def eventually(condition: Callable[[], object]) -> None:
    """Wait in real time, for what needs no clock at all."""
    with anyio.fail_after(10):
        while not condition():  # noqa: ASYNC110  # the condition is anything at all
            await asyncio.sleep(0.001)
