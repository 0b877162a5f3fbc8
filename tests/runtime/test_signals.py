from __future__ import annotations

import os
import signal

import anyio

from moduledeploy.runtime.signals import watch_signals
from tests.clock import eventually


async def test_33_the_first_signal_asks_and_the_second_insists() -> None:
    asked: list[bool] = []
    exits: list[int] = []
    async with anyio.create_task_group() as group:
        await group.start(
            lambda task_status: watch_signals(
                lambda: asked.append(True), exit_process=exits.append, task_status=task_status
            )
        )

        os.kill(os.getpid(), signal.SIGTERM)
        await eventually(lambda: asked)
        assert exits == []
        os.kill(os.getpid(), signal.SIGINT)
        await eventually(lambda: exits)

    assert asked == [True]
    assert exits == [1]
