"""Watches that break every second, and connections that say nothing more."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

import anyio
import pytest

from tests.faults.cluster import DEPLOYMENTS, NS
from tests.faults.network import held

if TYPE_CHECKING:
    from tests.faults.cluster import Scene

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def is_observed(scene: Scene) -> bool:
    obj = scene.cluster.api.get(DEPLOYMENTS, "orders", NS)
    return bool(scene.status().get("observedGeneration") == obj["metadata"]["generation"])


@pytest.mark.faults(runs=1)
async def test_every_change_is_seen_though_watches_are_cut_every_second(scene: Scene, run: int, is_full: bool) -> None:
    cuts = 60 if is_full else 12
    await scene.deploy_bases(4)
    controller = await scene.start("alone")
    scene.deploy("1.0.0", replicas=4, batches=1)
    await scene.complete(30)
    began_at, door = time.monotonic(), scene.doors["alone"]

    watches = []
    for number in range(cuts):
        watches.append(door.cut_watches())
        # While nobody watches: each change has to be found by the next watch.
        scene.deploy(f"1.0.{number + 1}", replicas=4, batches=1, minReadySeconds=number % 2)
        await anyio.sleep(max(0.0, began_at + number + 1 - time.monotonic()))
    await scene.until(lambda: is_observed(scene), 35)
    await scene.complete(60)
    reads = Counter(call.kind for call in door.since(began_at) if call.is_complete_read)

    assert controller.status is None
    assert min(watches) >= 4, watches  # of eight kinds; some wait a moment before they are back
    assert all(count <= cuts for count in reads.values()), reads
    assert {tuple(states) for states in scene.installed().values()} == {(f"orders:1.0.{cuts}",)}


@pytest.mark.faults(runs=1)
async def test_every_change_is_seen_though_the_connections_were_half_open(
    scene: Scene, run: int, is_full: bool
) -> None:
    silent_s = 90.0 if is_full else 15.0
    await scene.deploy_bases(4)
    await scene.open_door("alone")
    async with held(scene.doors["alone"].url) as wire:
        controller = await scene.start("alone", server=wire.url)
        scene.deploy("1.0.0", replicas=4, batches=1)
        await scene.complete(30)
        began_at = time.monotonic()

        wire.hold()
        scene.deploy("2.0.0", replicas=4, batches=2)
        await anyio.sleep(silent_s)
        wire.let_go()
        await scene.complete(60)
        reads = Counter(call.kind for call in scene.doors["alone"].since(began_at) if call.is_complete_read)

    assert controller.status is None
    assert all(count <= 1 for count in reads.values()), reads
    scene.assert_everywhere("2.0.0", old="1.0.0")


@pytest.mark.faults(runs=1, is_long=True)  # more than a minute of silence
async def test_connections_that_stay_dead_are_left_within_90_seconds(scene: Scene, run: int) -> None:
    await scene.deploy_bases(4)
    await scene.open_door("alone")
    async with held(scene.doors["alone"].url) as wire:
        await scene.start("alone", server=wire.url)
        scene.deploy("1.0.0", replicas=4, batches=1)
        await scene.complete(30)
        began_at = time.monotonic()

        wire.hold()  # those that there are, for ever; new ones work
        scene.deploy("2.0.0", replicas=4, batches=2)
        await scene.until(lambda: scene.has_begun("2.0.0"), 90)
        await scene.complete(60)
        reads = Counter(call.kind for call in scene.doors["alone"].since(began_at) if call.is_complete_read)

    assert all(count <= 1 for count in reads.values()), reads
    scene.assert_everywhere("2.0.0", old="1.0.0")
