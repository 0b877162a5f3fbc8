"""The API server is gone for a while in the middle of a rollout, with a standby."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

import anyio
import pytest

if TYPE_CHECKING:
    from tests.faults.cluster import Scene
    from tests.faults.processes import Controller

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
BASES = 6
REPEATS_PER_S = 2.0
FIRST_TRIES = 2  # when the connection breaks, and at once again


async def tries_by_kind(controller: Controller) -> Counter[str]:
    """Complete reads and watches begun, by kind."""
    found: Counter[str] = Counter()
    for name in ("moduledeploy_watches_total", "moduledeploy_lists_total"):
        for labels, value in (await controller.samples(name)).items():
            if dict(labels).get("result") != "success":
                found[dict(labels)["kind"]] += int(value)
    return found


@pytest.mark.faults(runs=5)
async def test_a_rollout_goes_on_after_the_api_server_was_gone(scene: Scene, run: int, is_full: bool) -> None:
    gone_s = 60.0 if is_full else 13.0  # longer than the leader's 10 s to renew
    await scene.deploy_bases(BASES, install_delay="0.6")
    leader, standby = await scene.start_pair()
    scene.deploy("1.0.0", replicas=BASES, batches=1)
    await scene.complete(60)
    scene.deploy("2.0.0", replicas=BASES, batches=3)
    await scene.until(lambda: scene.has_begun("2.0.0"), 20)
    await anyio.sleep(0.25 * run)
    before = await tries_by_kind(standby)

    for door in scene.doors.values():
        door.shut()
    gone_at = time.monotonic()
    await anyio.sleep(2)  # what the bases were told before comes to its end
    effects = scene.effects()
    await anyio.sleep(gone_at + gone_s - time.monotonic())
    tried = await tries_by_kind(standby) - before
    touched = scene.effects() - effects
    for door in scene.doors.values():
        await door.open()
    back_at = time.monotonic()
    begun = scene.writes()
    await scene.until(lambda: scene.writes() > begun, 60)
    resumed_s = time.monotonic() - back_at
    await scene.complete(60)

    assert touched == 0
    assert leader.status == 1  # its lease ran out; its pod's kubelet would start it again
    assert standby.status is None
    assert resumed_s < 35
    assert max(tried.values()) <= FIRST_TRIES + REPEATS_PER_S * gone_s, tried
    scene.assert_everywhere("2.0.0", old="1.0.0")


async def test_a_leader_keeps_its_lease_through_an_outage_shorter_than_its_deadline(scene: Scene) -> None:
    await scene.deploy_bases(2)
    leader, _ = await scene.start_pair()
    holder = scene.holder()

    for door in scene.doors.values():
        door.shut()
    await anyio.sleep(6)
    for door in scene.doors.values():
        await door.open()
    scene.deploy("1.0.0", replicas=2, batches=1)
    await scene.complete(35)

    assert leader.status is None
    assert scene.holder() == holder
    scene.assert_everywhere("1.0.0")
