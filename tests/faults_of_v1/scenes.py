"""What is there when a test of bases or of traffic begins."""

from __future__ import annotations

from tests.controllers.world import World

SERVICE = {"enableModuleService": True, "port": 8080, "targetPort": 8080}


async def deployed(bases: int, replicas: int, **strategy: object) -> World:
    world = World()
    world.add_bases(bases)
    world.deploy("1", replicas=replicas, operationStrategy=strategy)
    world.start()
    await world.rest()
    return world
