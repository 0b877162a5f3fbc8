"""What passes remember goes with what it is about: a controller runs for months."""

from __future__ import annotations

import gc

from moduledeploy.controllers import resources
from moduledeploy.rollout.view import Revision
from tests.controllers.world import World

NAME = "kept"


def remembered() -> set[str]:
    """Names of this family's revisions that anything in the process still holds."""
    gc.collect()
    found = {obj.name for obj in gc.get_objects() if isinstance(obj, Revision)}
    return {name for name in found if name.startswith(f"{NAME}-")}


async def test_nothing_is_remembered_of_revisions_and_families_that_are_gone() -> None:
    world = World()
    world.add_bases(2)
    world.deploy("1", name=NAME, replicas=2, revisionHistoryLimit=1)
    world.start()
    for version in "2345":
        await world.rest()
        world.upgrade(version, NAME)
    await world.rest()
    there = {body["metadata"]["name"] for body in world.api.list(resources.MODULE_REPLICA_SETS)}
    assert len(there) == 2
    assert remembered() <= there

    world.delete(NAME)
    await world.rest()

    assert len(world.process.rollout.written) == 0
    assert remembered() == set()
