"""An install that takes long is told while it lasts; a short one isn't."""

from __future__ import annotations

import anyio

from moduledeploy.arklet.outcomes import Outcome
from moduledeploy.rollout.converge import LONG_S
from tests.controllers.memory_arklet import MemoryArklet
from tests.controllers.world import World


class SlowArklet(MemoryArklet):
    """Installs end when a test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.ended = anyio.Event(), anyio.Event()

    async def install(self, address: str, name: str, version: str, url: str) -> Outcome:
        self.begun.set()
        await self.ended.wait()
        return await super().install(address, name, version, url)


async def words_of_an_install_of(seconds: float) -> list[str]:
    """Every status that the Module had."""
    arklet = SlowArklet()
    world = World(arklet=arklet)
    world.add_bases(1)
    world.start()
    world.deploy("1")
    async with anyio.create_task_group() as group:
        group.start_soon(world.process.settle)
        await arklet.begun.wait()
        world.clock.advance(seconds)
        await anyio.wait_all_tasks_blocked()
        arklet.ended.set()
    await world.rest()
    assert world.progress() == "Completed"
    bodies = [event.new for event in world.api.history if event.resource.kind == "Module" and event.new]
    return [body["status"]["status"] for body in bodies if body.get("status")]


async def test_an_install_that_takes_long_is_told_as_upgrading() -> None:
    assert await words_of_an_install_of(LONG_S) == ["Upgrading", "Available"]


async def test_a_short_install_is_told_only_when_it_is_over() -> None:
    assert await words_of_an_install_of(LONG_S - 0.1) == ["Available"]
