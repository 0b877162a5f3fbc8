"""What people find where the API server refuses what a pass writes."""

from __future__ import annotations

import pytest

from moduledeploy.kube.errors import Forbidden
from tests.controllers.world import World


@pytest.mark.parametrize("point", ["before patch Module status", "before patch Module", "before patch Pod"])
async def test_a_base_whose_writes_are_refused_says_so(point: str) -> None:
    denied = True

    def around(passed: str) -> None:
        if denied and passed == point:
            raise Forbidden("PATCH: no right to patch", status=403)

    world = World(around=around)
    world.add_bases(1)
    world.deploy("1", replicas=1, operationStrategy={"serviceStrategy": {"enableModuleService": True, "port": 80}})
    world.start()
    await world.run_for(30)
    if point == "before patch Module":
        world.delete()
        await world.run_for(30)

    told = "RequestRefused" in world.events.reasons
    denied = False
    await world.rest()

    assert told
    assert len(world.installed()) == (0 if point == "before patch Module" else 1)


@pytest.mark.parametrize("kind", ["ModuleDeployment", "ModuleReplicaSet"])
async def test_a_rollout_whose_status_can_not_be_written_says_so_and_goes_on_afterwards(kind: str) -> None:
    denied = True

    def around(passed: str) -> None:
        if denied and passed == f"before patch {kind} status":
            raise Forbidden("PATCH: no right to patch", status=403)

    world = World(around=around)
    world.add_bases(2)
    world.deploy("1", replicas=2)
    world.start()
    await world.run_for(60)
    told, message = (
        world.events.reasons.count("RequestRefused"),
        world.deployment().get("status", {}).get("message", ""),
    )

    denied = False
    await world.rest()

    assert told >= 1
    assert ("no right to patch" in message) == (kind == "ModuleReplicaSet"), "where it can be said, it is said"
    assert world.progress() == "Completed"
