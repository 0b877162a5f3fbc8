"""Operations that a base takes long for are told while they last, with the next step; short ones aren't."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any, Self

import anyio
import attrs

from moduledeploy.arklet.outcomes import Outcome
from moduledeploy.controllers import resources
from moduledeploy.controllers.long_calls import PATIENCE_S
from moduledeploy.kube.resources import ObjectKey
from moduledeploy.rollout.module_status import LONG_S
from tests.controllers.memory_arklet import MemoryArklet
from tests.controllers.world import NAME, World

UNTIL = "2023-11-14T22:18:20.000000Z"  # 300 s after the clock of a world begins
GIVE_UP = 'annotation koupleless.alipay.com/force-delete: "true" gives it up'


class SlowArklet(MemoryArklet):
    """Operations that are named in `slow` end when a test says so; `hangs`: without an answer."""

    def __init__(self, *slow: str) -> None:
        super().__init__()
        self.slow, self.begun, self.ended = slow, anyio.Event(), anyio.Event()

    async def install(self, address: str, name: str, version: str, url: str) -> Outcome:
        await self._take_time("install", name)
        return await super().install(address, name, version, url)

    async def uninstall(self, address: str, name: str, version: str) -> Outcome:
        await self._take_time("uninstall", name)
        return await super().uninstall(address, name, version)

    async def _take_time(self, *call: str) -> None:
        if call[0] in self.slow or "/".join(call) in self.slow:
            self.begun.set()
            await self.ended.wait()


@attrs.define
class During:
    """A world while its base is busy with a call."""

    world: World
    arklet: SlowArklet
    stack: AsyncExitStack = attrs.field(factory=AsyncExitStack)

    async def __aenter__(self) -> Self:
        group = await self.stack.enter_async_context(anyio.create_task_group())
        group.start_soon(self.world.process.settle)
        await self.arklet.begun.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.arklet.ended.set()
        await self.stack.aclose()

    async def run_for(self, seconds: float) -> None:
        """Time passes, the call goes on, the watch brings what is new."""
        for _ in range(int(seconds)):
            self.world.process.deliver()
            self.world.clock.advance(1)
            await anyio.wait_all_tasks_blocked()

    def status(self, name: str = NAME) -> tuple[str, str, str]:
        (found,) = [body["status"] for body in self.world.modules() if body["spec"]["module"]["name"] == name]
        return found.get("status", ""), found.get("reason", ""), found.get("message", "")

    def delete(self) -> None:
        for body in self.world.modules():
            if body["spec"]["module"]["name"] == NAME:
                self.world.api.delete(resources.MODULES, ObjectKey("default", body["metadata"]["name"]))

    def force(self) -> None:
        for body in self.world.modules():
            self.world.annotate(resources.MODULES, body["metadata"]["name"], force_delete="true")


def installing() -> During:
    arklet = SlowArklet("install")
    world = World(arklet=arklet)
    world.add_bases(1)
    world.start()
    world.deploy("1")
    return During(world, arklet)


async def uninstalling(**spec: Any) -> During:
    arklet = SlowArklet()
    world = World(arklet=arklet)
    world.add_bases(1)
    world.start()
    world.deploy("1", **spec)
    await world.rest()
    arklet.slow = ("uninstall",)
    world.delete()
    return During(world, arklet)


async def words_of_an_install_of(seconds: float) -> list[str]:
    """Every status that the Module had."""
    async with installing() as during:
        during.world.clock.advance(seconds)
        await anyio.wait_all_tasks_blocked()
    await during.world.rest()
    assert during.world.progress() == "Completed"
    bodies = [event.new for event in during.world.api.history if event.resource.kind == "Module" and event.new]
    return [body["status"]["status"] for body in bodies if body.get("status")]


async def test_an_install_that_takes_long_is_told_as_upgrading() -> None:
    assert await words_of_an_install_of(LONG_S) == ["Upgrading", "Available"]


async def test_a_short_install_is_told_only_when_it_is_over() -> None:
    assert await words_of_an_install_of(LONG_S - 0.1) == ["Available"]


async def test_a_module_deleted_in_mid_install_is_terminating_and_waits_for_the_install_to_end() -> None:
    async with installing() as during:
        await during.run_for(20)
        before = during.status()
        during.delete()
        await during.run_for(5)
        after = during.status()
        writes = len(during.world.api.history)
        await during.run_for(60)
        assert len(during.world.api.history) == writes  # said once

    await during.world.rest()

    assert before == ("Upgrading", "Installing", f"the base installs it: waiting for its answer, until {UNTIL} at most")
    assert after == (
        "Terminating",
        "Installing",
        f"deleted while the base installs it: waiting for that to end, until {UNTIL} at most, to uninstall it then",
    )
    assert sum(during.arklet.uninstalls.values()) == 1
    assert during.world.progress() == "Completed"  # it was deleted by hand, and is replaced


async def test_an_uninstall_that_takes_long_says_until_when_it_is_waited_for_and_what_a_person_may_do() -> None:
    async with await uninstalling() as during:
        await during.run_for(5)
        told = during.status()
        during.world.process.deliver()
        await during.world.process.turn()  # the family's
        message = during.world.status()["message"]

    await during.world.rest()

    assert told == (
        "Terminating",
        "Uninstalling",
        f"the base has not answered yet that it is uninstalled: waiting until {UNTIL} at most; {GIVE_UP}",
    )
    assert told[2] in message
    assert message.count("gives it up") == 1
    assert (during.world.modules(), during.world.installed()) == ([], [])


async def test_a_short_uninstall_is_not_told() -> None:
    async with await uninstalling() as during:
        await during.run_for(1)
        assert during.status()[0] == "Available"


async def test_whoever_gives_a_module_up_does_not_wait_for_a_base_that_hangs() -> None:
    async with await uninstalling() as during:
        await during.run_for(5)
        during.force()
        await during.run_for(PATIENCE_S)

        assert during.world.modules() == []


async def test_a_slow_uninstall_of_a_module_given_up_in_advance_is_waited_for_a_while() -> None:
    async with await uninstalling() as during:
        during.force()
        await during.run_for(PATIENCE_S - 1)
        assert len(during.world.modules()) == 1

    await during.world.rest()

    assert (during.world.modules(), during.world.installed()) == ([], [])


async def test_a_module_deleted_while_its_base_is_busy_with_another_says_what_it_waits_for() -> None:
    arklet = SlowArklet("install/audit")
    world = World(arklet=arklet)
    world.add_bases(1)
    world.start()
    world.deploy("1")
    await world.rest()
    world.deploy("1", name="audit")

    async with During(world, arklet) as during:
        during.delete()
        await during.run_for(5)
        told = during.status()
    await world.rest()

    assert told == (
        "Terminating",
        "BaseBusy",
        f"waiting for the base to answer about the install of audit:1, until {UNTIL} at most",
    )
    assert sorted(world.installed()) == ["audit:1", "orders:1"]


async def test_a_base_that_never_answers_says_what_a_person_may_do() -> None:
    world = World()
    world.add_bases(1)
    world.start()
    world.deploy("1")
    await world.rest()
    world.arklet.down.update(world.arklet.running)
    world.delete()
    await world.run_for(10)

    (body,) = world.modules()
    assert body["status"]["reason"] == "BaseUnreachable"
    assert body["status"]["message"] == f"refused; tried again until {GIVE_UP}"
    assert world.status()["message"].count("gives it up") == 1


async def test_a_module_on_a_pod_that_is_about_to_go_and_does_not_says_so() -> None:
    world = World()
    world.add_bases(1, finalizers=["example.com/held"])
    world.start()
    world.deploy("1", replicas=1)
    await world.rest()
    world.delete()
    world.api.delete(resources.PODS, ObjectKey("default", "base-00"))
    await world.run_for(10)

    (body,) = world.modules()
    assert (body["status"]["status"], body["status"]["reason"]) == ("Terminating", "BaseUnreachable")
    assert (
        body["status"]["message"] == f"pod base-00 is terminating, or has no address: waiting for it to go; {GIVE_UP}"
    )
