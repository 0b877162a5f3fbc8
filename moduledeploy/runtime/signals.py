"""SIGTERM and SIGINT: the first asks, the second insists."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Final

import anyio
import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

_log: Final = structlog.get_logger()


async def watch_signals(
    on_first: Callable[[], object],
    *,
    exit_process: Callable[[int], object] = os._exit,
    task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Call `on_first` at the first signal; the second ends the process at once, with status 1. Runs until cancelled."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        is_first = True
        async for number in signals:
            if not is_first:
                exit_process(1)
                return
            is_first = False
            _log.info("stopping", signal=signal.Signals(number).name)
            on_first()
