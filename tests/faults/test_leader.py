"""Two controllers and one lease: the leader is killed, stopped, asked to end; the standby goes on where it was."""

from __future__ import annotations

import random
import signal
import time
from typing import TYPE_CHECKING

import anyio
import pytest

from moduledeploy.devcluster.faults import Fault
from tests.faults.cluster import NS
from tests.faults.network import held

if TYPE_CHECKING:
    from tests.faults.cluster import Scene
    from tests.faults.processes import Controller

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]
BASES = 6
LEASE_S = 15.0


async def in_mid_rollout(scene: Scene, run: int, server: str = "") -> tuple[Controller, Controller]:
    """Leader and standby, an upgrade in its first batch, at a moment of chance in it."""
    await scene.deploy_bases(BASES, install_delay="0.6")
    leader, standby = await scene.start_pair(server)
    scene.deploy("1.0.0", replicas=BASES, batches=1)
    await scene.complete(60)
    scene.deploy("2.0.0", replicas=BASES, batches=3)
    await scene.until(lambda: scene.has_begun("2.0.0"), 20)
    await anyio.sleep(random.Random(run).uniform(0, 1.5))
    assert not scene.is_completed()
    return leader, standby


@pytest.mark.faults(runs=20)
async def test_a_leader_killed_in_mid_rollout_is_followed_by_the_standby(scene: Scene, run: int) -> None:
    leader, _ = await in_mid_rollout(scene, run)
    holder = scene.holder()

    leader.send(signal.SIGKILL)
    took_s = await scene.until(lambda: scene.holder() not in ("", holder), LEASE_S + 10)
    await scene.complete(30)

    assert took_s < LEASE_S + 5
    scene.assert_everywhere("2.0.0", old="1.0.0")


@pytest.mark.faults(runs=10)
async def test_a_leader_stopped_beyond_its_lease_sends_nothing_when_it_goes_on(scene: Scene, run: int) -> None:
    leader, standby = await in_mid_rollout(scene, run)
    holder = scene.holder()

    stopped_at = leader.send(signal.SIGSTOP)
    await scene.until(lambda: scene.holder() not in ("", holder), LEASE_S + 10)
    await anyio.sleep(max(0.0, stopped_at + 20 - time.monotonic()))
    # While the successor stands still, whatever comes is the old leader's.
    standby.send(signal.SIGSTOP)
    await anyio.sleep(0.5)
    calls, connections = len(scene.doors["first"].calls), scene.bases.connections
    leader.send(signal.SIGCONT)
    ended_s = await scene.until(lambda: leader.status is not None, 5)
    await anyio.sleep(0.2)
    sent = [call for call in scene.doors["first"].calls[calls:] if call.is_write]
    called = scene.bases.connections - connections
    standby.send(signal.SIGCONT)
    await scene.complete(40)

    assert (sent, called) == ([], 0), f"within {ended_s:.2f} s"
    assert leader.status == 1
    assert standby.status is None
    scene.assert_everywhere("2.0.0", old="1.0.0")


@pytest.mark.faults(runs=10)
@pytest.mark.parametrize("is_silent", [False, True], ids=["refused", "silent"])
async def test_a_leader_alone_without_the_api_server_ends_before_a_standby_takes_over(
    scene: Scene, run: int, *, is_silent: bool
) -> None:
    """It still reaches the bases: nothing but its own clock keeps it from calling them."""
    await scene.open_door("first")
    async with held(scene.doors["first"].url) as wire:
        leader, standby = await in_mid_rollout(scene, run, server=wire.url)
        holder = scene.holder()

        cut_at = time.monotonic()
        if is_silent:
            wire.hold(new_ones=True)
        else:
            scene.doors["first"].shut()
        ended_s = await scene.until(lambda: leader.status is not None, LEASE_S + 5)
        await anyio.sleep(0.5)  # the bases, which are here, see the last connections late
        was_held_by, connections = scene.holder(), scene.bases.connections
        between = await scene.connections_at_takeover(holder, LEASE_S + 5) - connections
        took_s = time.monotonic() - cut_at
        sent = [call for call in scene.doors["first"].since(cut_at + 0.5) if call.is_done_write]
        await scene.complete(40)

    assert leader.status == 1
    assert (was_held_by, between, sent) == (holder, 0, []), f"ended after {ended_s:.2f} s"
    assert ended_s < LEASE_S - 1  # the gate's margin
    assert took_s < LEASE_S + 5
    assert standby.status is None
    scene.assert_everywhere("2.0.0", old="1.0.0")


@pytest.mark.faults(runs=20)
async def test_33_a_leader_asked_to_end_in_mid_rollout_hands_over_at_once(scene: Scene, run: int) -> None:
    leader, standby = await in_mid_rollout(scene, run)
    holder = scene.holder()

    asked_at = leader.send(signal.SIGTERM)
    await scene.until(lambda: scene.holder() != holder, 10)
    was_released = scene.holder() == ""
    released_s = time.monotonic() - asked_at
    await scene.until(lambda: scene.holder() not in ("", holder), 10)
    took_s = time.monotonic() - asked_at
    await scene.until(lambda: leader.status is not None, 20)
    ended_s = time.monotonic() - asked_at
    await scene.complete(30)

    assert was_released
    assert took_s < 3, f"released after {released_s:.2f} s, taken over after {took_s:.2f} s"
    assert ended_s < 10
    assert leader.status == 0
    assert standby.status is None
    scene.assert_everywhere("2.0.0", old="1.0.0")


async def test_33_a_leader_asked_to_end_waits_for_no_base_that_takes_its_time(scene: Scene) -> None:
    await scene.deploy_bases(2, install_delay="12")
    leader, _ = await scene.start_pair()
    scene.deploy("1.0.0", replicas=2, batches=1)
    await scene.until(lambda: scene.bases.connections >= 4, 20)  # a list and an install each
    holder = scene.holder()

    asked_at = leader.send(signal.SIGTERM)
    await scene.until(lambda: scene.holder() not in ("", holder), 10)
    took_s = time.monotonic() - asked_at
    await scene.until(lambda: leader.status is not None, 25)
    ended_s = time.monotonic() - asked_at
    await scene.complete(40)

    assert took_s < 3
    assert ended_s < 10
    assert leader.status == 0
    scene.assert_everywhere("1.0.0")


async def test_33_a_standby_asked_to_end_leaves_the_lease_alone(scene: Scene) -> None:
    _, standby = await scene.start_pair()
    holder = scene.holder()

    asked_at = standby.send(signal.SIGTERM)
    await scene.until(lambda: standby.status is not None, 10)

    assert time.monotonic() - asked_at < 5
    assert standby.status == 0
    assert scene.holder() == holder
    written = [call.path for call in scene.doors["second"].calls if call.is_done_write]
    assert not [path for path in written if not path.endswith("reviews")]  # questions, asked by creating
    assert scene.cluster.api.get("leases.coordination.k8s.io", "moduledeploy", NS)["spec"]["leaseTransitions"] == 0


async def test_33_a_process_asked_to_end_while_it_reads_the_cluster_ends_at_once(scene: Scene) -> None:
    scene.cluster.faults.add(Fault(kind="delay", verb="watch", resource="pods", seconds=60))
    reading = await scene.start("first", "--leader-election", "--lease-namespace", NS)
    await scene.until(lambda: any(call.is_watch and call.kind == "pods" for call in scene.calls()), 30)

    asked_at = reading.send(signal.SIGTERM)
    await scene.until(lambda: reading.status is not None, 10)

    assert time.monotonic() - asked_at < 5
    assert reading.status == 0
    assert scene.holder() == ""
