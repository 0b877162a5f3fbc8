"""How late the event loop is: what a garbage collection or a long computation costs everybody else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
import structlog

if TYPE_CHECKING:
    from prometheus_client import Histogram

    from moduledeploy.runtime.clock import Clock

_log: Final = structlog.get_logger()
_EVERY_S: Final = 0.1
_WORTH_A_LOG_S: Final = 0.5


@attrs.define(kw_only=True)
class LoopLag:
    """Samples the lag ten times a second; `last_s` is the last sample, in seconds."""

    histogram: Histogram
    clock: Clock
    last_s: float = attrs.field(default=0.0, init=False)

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            began_at = self.clock.monotonic()
            await self.clock.sleep(_EVERY_S)
            self.last_s = max(0.0, self.clock.monotonic() - began_at - _EVERY_S)
            self.histogram.observe(self.last_s)
            if self.last_s >= _WORTH_A_LOG_S:
                _log.warning("event loop was blocked", seconds=round(self.last_s, 3))
