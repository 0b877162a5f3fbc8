"""A controller that dies in mid-batch and comes back, alone, without a lease."""

from __future__ import annotations

import random
import signal
from typing import TYPE_CHECKING

import anyio
import pytest

if TYPE_CHECKING:
    from tests.faults.cluster import Scene

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
BASES = 6


@pytest.mark.faults(runs=20)
async def test_kill_9_in_mid_batch_and_a_restart_end_in_the_same_state_with_every_module_installed_once(
    scene: Scene, run: int
) -> None:
    chance = random.Random(run)
    await scene.deploy_bases(BASES, install_delay="0.6")
    controller = await scene.start("alone")
    scene.deploy("1.0.0", replicas=BASES, batches=2)
    await scene.complete(30)

    scene.deploy("2.0.0", replicas=BASES, batches=3)
    await scene.until(lambda: scene.since_installed("orders:2.0.0") >= 2, 20)
    await anyio.sleep(chance.uniform(0, 1))
    controller.send(signal.SIGKILL)
    assert not scene.is_completed()
    await scene.start("alone")
    await scene.complete(30)

    scene.assert_everywhere("2.0.0", old="1.0.0")
