"""Many alike things at once, without failing many times of one cause."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import anyio
import attrs

from moduledeploy.controllers.failures import first_error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from moduledeploy.runtime.clock import Clock

T = TypeVar("T")
PROVEN_S: Final = 10.0  # for so long a success says that the next one is likely


@attrs.define(kw_only=True)
class SlowStart:
    """`at_least` at a time at first, and one more for each that succeeded, up to `at_most`; after a failure as at first.

    What fails for all fails before there are many. ReplicaSets create their pods like that, in waves that double; here nobody
    waits for the slowest of a wave, and the next run goes on where this one ended, unless its last success is long ago.
    """

    clock: Clock
    at_least: int = 1
    at_most: int
    _at_once: int = attrs.field(default=0, init=False)
    _succeeded_at: float = attrs.field(default=float("-inf"), init=False)

    async def run(self, items: Sequence[T], do: Callable[[T], Awaitable[object]]) -> None:
        """Do it for all items in their order; the first failure calls off what is under way and comes out."""
        if not items:
            return
        if self.clock.monotonic() - self._succeeded_at > PROVEN_S:
            self._at_once = self.at_least
        places = anyio.Semaphore(self._at_once, fast_acquire=True)

        async def take_place(item: T) -> None:
            await do(item)
            self._succeeded_at = self.clock.monotonic()
            places.release()
            if self._at_once < self.at_most:
                self._at_once += 1
                places.release()

        try:
            async with anyio.create_task_group() as group:
                for item in items:
                    await places.acquire()
                    group.start_soon(take_place, item)
        except ExceptionGroup as failed:
            self._succeeded_at = float("-inf")
            raise first_error(failed) from failed
