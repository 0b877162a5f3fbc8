"""The controller dies before and after each write to the API and each call to Arklet, or an answer to one of them is lost.

A reference run is enumerated: 12 replicas on 16 bases in 4 batches, each confirmed; first deployed, then upgraded. Every other
run meets one fault at one of the reference's points and must end as the reference did: the same objects, the same modules on
the same bases, and as many installs and uninstalls on each of them. MODULEDEPLOY_CRASH_STRIDE says which share of the points
is tried: 1 is all of them.
"""

from __future__ import annotations

import os
from typing import Any

import attrs
import pytest

from moduledeploy.api import names
from moduledeploy.controllers import resources
from moduledeploy.kube.errors import Unreachable
from tests.controllers.memory_api import Body, MemoryApi
from tests.controllers.memory_arklet import MemoryArklet
from tests.controllers.world import World

STRIDE = int(os.environ.get("MODULEDEPLOY_CRASH_STRIDE", "29"))
POLICIES = ("install_then_uninstall", "uninstall_then_install", "scaleup_then_scaledown")
PHASES = ("deploy", "upgrade")
SERVICE = {"enableModuleService": True, "port": 8080, "targetPort": 8080}


class Killed(BaseException):
    """The process is gone; nothing in it can catch this."""


@attrs.define
class Tape:
    """Counts the points of a run and raises at one of them."""

    fault: type[BaseException] | None = None
    at: int = -1
    points: list[str] = attrs.field(factory=list)

    def reach(self, point: str) -> None:
        self.points.append(point)
        if len(self.points) - 1 == self.at and self.fault is not None:
            raise self.fault(point)


@attrs.frozen
class Start:
    """What a phase begins with."""

    api: MemoryApi
    arklet: MemoryArklet
    now: float

    def world(self, tape: Tape) -> World:
        world = World(around=tape.reach)
        world.clock.now = self.now
        world.api, world.arklet = self.api.copy(world.clock.wall), self.arklet.copy()
        return world


def empty(policy: str, *, service: bool) -> Start:
    world = World()
    world.add_bases(16)
    strategy: Body = {"batchCount": 4, "needConfirm": True, "upgradePolicy": policy}
    if service:
        strategy |= {"serviceStrategy": SERVICE, "drainSeconds": 5}
    world.deploy("1", replicas=12, operationStrategy=strategy)
    return Start(world.api, world.arklet, world.clock.now)


async def run(start: Start, phase: str, tape: Tape) -> World:
    """The phase from its beginning to its end, through every death of the process."""
    world = start.world(tape)
    if phase == "upgrade":
        world.upgrade("2")
    world.start()
    for _ in range(3):
        try:
            await world.confirm_all()
        except (Killed, BaseExceptionGroup) as error:
            if isinstance(error, BaseExceptionGroup) and error.split(Killed)[1] is not None:
                raise
            world.start()
        else:
            return world
    raise AssertionError("it died more often than it was killed")


def outcome(world: World) -> Body:
    """What a run came to, without what differs from run to run by its nature: times, UIDs, versions."""
    release = world.status()["releaseStatus"]
    kept = (
        "updateRevision",
        "currentBatch",
        "realBatchCount",
        "batches",
        "progress",
        "batchProgress",
        "completedRevision",
    )
    return {
        "spec": world.deployment()["spec"],
        "waiting": names.WAITING_ANNOTATION in world.deployment()["metadata"].get("annotations", {}),
        "release": {name: release.get(name) for name in kept},
        "counts": {name: value for name, value in world.status().items() if isinstance(value, int | str)},
        "replica sets": {
            body["metadata"]["name"]: (body["spec"]["replicas"], body["metadata"]["labels"])
            for body in world.api.list(resources.MODULE_REPLICA_SETS)
        },
        "modules": {
            body["metadata"]["name"]: (body["spec"], body["metadata"]["labels"], body["status"]["status"])
            for body in world.modules()
        },
        "pod labels": [body["metadata"].get("labels") for body in world.api.list(resources.PODS)],
        "services": [body["spec"] for body in world.api.list(resources.SERVICES)],
        "running": world.arklet.running,
        "installs": world.arklet.installs,
        "uninstalls": world.arklet.uninstalls,
    }


async def explore(start: Start, phase: str, fault: type[BaseException]) -> tuple[int, int]:
    """Try the points; how many there are and how many were tried."""
    tape = Tape()
    expected = outcome(await run(start, phase, tape))
    tried = range(0, len(tape.points), STRIDE)
    for at in tried:
        world = await run(start, phase, Tape(fault, at))
        found = outcome(world)
        assert found == expected, f"{fault.__name__} at point {at}, {tape.points[at]}: {differences(expected, found)}"
    return len(tape.points), len(tried)


def differences(expected: Any, found: Any, path: str = "") -> list[str]:
    if isinstance(expected, dict) and isinstance(found, dict):
        keys = sorted({*expected, *found}, key=str)
        return [line for key in keys for line in differences(expected.get(key), found.get(key), f"{path}/{key}")]
    return [] if expected == found else [f"{path}: {found!r} is not {expected!r}"]


async def begin(policy: str, phase: str, *, service: bool = False) -> Start:
    start = empty(policy, service=service)
    if phase == "upgrade":
        world = await run(start, "deploy", Tape())
        return Start(world.api, world.arklet, world.clock.now + 10)
    return start


@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", [Killed, Unreachable])
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("policy", POLICIES)
async def test_a_fault_at_any_point_changes_nothing_in_the_end(
    policy: str, phase: str, fault: type[BaseException]
) -> None:
    points, tried = await explore(await begin(policy, phase), phase, fault)

    assert points > 100
    print(f"{policy}, {phase}: {fault.__name__} at {tried} of {points} points")  # noqa: T201  # counts, for pytest -s


@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", [Killed, Unreachable])
async def test_a_fault_at_any_point_of_leading_traffic_away_and_back_changes_nothing_in_the_end(
    fault: type[BaseException],
) -> None:
    start = await begin("uninstall_then_install", "upgrade", service=True)

    points, tried = await explore(start, "upgrade", fault)

    assert points > 100
    print(f"with a Service: {fault.__name__} at {tried} of {points} points")  # noqa: T201  # counts, for pytest -s
