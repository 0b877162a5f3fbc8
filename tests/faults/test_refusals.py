"""A server that refuses every tenth request, for no reason of ours, all through many rollouts."""

from __future__ import annotations

import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import pytest

from moduledeploy.devcluster.faults import Fault
from tests.faults.cluster import GROUP, MODULES, NS, running_scene

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.cluster import Scene

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
BASES = 6
KINDS = ("modules", "modulereplicasets", "moduledeployments", "pods", "services")
TOLD = ("PATCH modulereplicasets", "PATCH moduledeployments")
SHARE = 0.034  # of each of three kinds, one after the other: a tenth in all


def spoil(scene: Scene, seed: int) -> None:
    faults = scene.cluster.faults
    faults.clear(seed)
    faults.add(Fault(kind="error", probability=SHARE, code=500))
    faults.add(Fault(kind="too_many", probability=SHARE, seconds=1))
    faults.add(Fault(kind="conflict", probability=SHARE))


def end_state(scene: Scene) -> tuple[object, ...]:
    modules = scene.cluster.api.list(MODULES, NS)
    status = scene.status()
    counts = {key: value for key, value in status.items() if key.endswith("eplicas")}
    return (
        sorted((module["metadata"]["labels"][f"{GROUP}/revision"], module["status"]["status"]) for module in modules),
        sorted(tuple(states.items()) for states in scene.installed().values()),
        [sorted(scene.installs(f"orders:1.0.{number}").values()) for number in range(2)],
        counts,
        status["phase"],
    )


def done_writes(scene: Scene) -> Counter[str]:
    """Changes that took effect, by what they did to which kind; an object that was asked to go twice went once."""
    calls = [call for call in scene.calls() if call.is_done_write and call.kind in KINDS]
    gone = {call.path: call for call in calls if call.method == "DELETE"}
    others = [call for call in calls if call.method != "DELETE"]
    return Counter(f"{call.method} {call.kind}" for call in [*others, *gone.values()])


async def roll_out(scene: Scene, *, versions: int = 0, for_s: float = 0.0) -> int:
    """Deploy version after version, each to its end; how many."""
    await scene.deploy_bases(BASES, install_delay="0.2")
    await scene.start("alone", "--leader-election", "--lease-namespace", NS)
    began_at, done = time.monotonic(), 0
    while done < versions or time.monotonic() - began_at < for_s:
        scene.deploy(f"1.0.{done}", replicas=BASES, batches=3)
        await scene.complete(60)
        done += 1
    # Completed is said when the new is available: what was replaced may be on its way out still.
    await scene.until(partial(scene.has_alone, f"1.0.{done - 1}"), 30)
    await scene.quiet()
    return done


@pytest.mark.faults(runs=5)
async def test_refusals_change_neither_the_end_nor_the_number_of_writes(
    scene: Scene, run: int, is_full: bool, tmp_path: Path
) -> None:
    spoil(scene, seed=run)
    versions = await roll_out(scene, versions=2, for_s=60.0 if is_full else 0.0)
    refused = len(scene.cluster.faults.log)
    (undisturbed_folder := tmp_path / "undisturbed").mkdir()
    async with running_scene(undisturbed_folder) as undisturbed:
        await roll_out(undisturbed, versions=versions)
        wanted, writes = end_state(undisturbed), done_writes(undisturbed)

    assert refused > 0
    assert end_state(scene) == wanted
    done = done_writes(scene)
    # How often a status is told hangs on how many changes were seen at once, and delays draw them apart.
    for told in TOLD:
        assert done.pop(told) <= 2 * writes.pop(told), told
    assert done == writes, f"{refused} refused"
    assert all(controller.status is None for controller in scene.controllers)
