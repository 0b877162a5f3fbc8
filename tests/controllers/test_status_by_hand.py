"""Status that somebody wrote by hand: what can't be is not acted on."""

from __future__ import annotations

from moduledeploy.controllers import resources
from tests.controllers.world import NAME, World


async def test_a_batch_that_was_never_planned_opens_none_of_those_that_were() -> None:
    world = World()
    world.add_bases(6)
    world.deploy("1", replicas=6, operationStrategy={"batchCount": 6, "needConfirm": True})
    world.start()
    await world.rest()
    assert world.progress() == "WaitingForConfirmation"

    world.patch(resources.MODULE_DEPLOYMENTS, NAME, {"status": {"releaseStatus": {"currentBatch": 99}}}, "status")
    await world.rest()

    release = world.status()["releaseStatus"]
    assert release["currentBatch"] <= len(release["batches"])
    assert len(world.modules()) < 3
    assert world.progress() == "WaitingForConfirmation"


async def test_a_rollout_whose_batches_are_not_done_is_not_completed_whatever_is_written() -> None:
    world = World()
    world.add_bases(6)
    world.deploy("1", replicas=6, operationStrategy={"batchCount": 6, "needConfirm": True})
    world.start()
    await world.rest()

    world.patch(resources.MODULE_DEPLOYMENTS, NAME, {"status": {"releaseStatus": {"progress": "Completed"}}}, "status")
    await world.rest()

    assert world.progress() == "WaitingForConfirmation"
    assert len(world.modules()) < 3
