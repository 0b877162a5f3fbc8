"""What status tells of a ModuleReplicaSet, whenever the process dies."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog
from structlog.testing import capture_logs
from structlog.typing import EventDict

from moduledeploy.arklet.outcomes import BizState, FailureClass, Refused
from moduledeploy.controllers import resources
from moduledeploy.controllers.facts import FamilyKey
from moduledeploy.kube.errors import Forbidden
from tests.controllers.world import NAME, World


class Killed(BaseException):
    """The process dies."""


async def counts_after_death_at(point: str, number: int) -> tuple[int, dict[str, int]]:
    """How often the point was reached, when the process dies at that time of them, and the counts in the end."""
    reached = 0

    def around(passed: str) -> None:
        nonlocal reached
        reached += passed == point
        if passed == point and reached == number:
            raise Killed

    world = World(around=around)
    world.add_bases(3)
    world.deploy("1", replicas=3)
    world.start()
    for _ in range(2):
        try:
            await world.rest()
        except (Killed, BaseExceptionGroup):
            world.start()
    (revision,) = world.api.list(resources.MODULE_REPLICA_SETS)
    return reached, {name: count for name, count in revision["status"].items() if name.endswith("eplicas")}


@pytest.mark.parametrize("kind", ["ModuleReplicaSet", "ModuleDeployment"])
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_counts_of_a_revision_are_right_after_a_death_at_any_status(kind: str, moment: str) -> None:
    point = f"{moment} patch {kind} status"
    times, wanted = await counts_after_death_at(point, 0)

    found = [(await counts_after_death_at(point, number + 1))[1] for number in range(times)]

    assert times > 1
    assert wanted["availableReplicas"] == 3
    assert found == [wanted] * times


async def test_a_bare_replica_set_says_what_keeps_it_from_acting_and_since_when() -> None:
    world = World()
    world.replica_set("pay", "pay", 2)
    world.start()
    world.clock.advance(60)
    began = f"{world.time()[:-1]}.000000Z"

    await world.rest()
    without_bases = conditions(world)
    world.add_bases(1)
    await world.rest()
    (placed,) = conditions(world)
    world.clock.advance(60)
    world.patch(resources.MODULE_REPLICA_SETS, "pay", {"spec": {"replicas": 3}})
    await world.rest()
    (later,) = conditions(world)

    assert without_bases == [("Progressing", "BaseDeploymentNotFound", began)]
    assert placed[:2] == ("ReplicaFailure", "FailedPlacement")
    assert placed[2] >= began
    assert later == placed


def conditions(world: World) -> list[tuple[str, str, str]]:
    (found,) = world.api.list(resources.MODULE_REPLICA_SETS)
    return [(item["type"], item["reason"], item["lastTransitionTime"]) for item in found["status"]["conditions"]]


@pytest.fixture
def logs() -> Iterator[list[EventDict]]:
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    with capture_logs() as found:
        yield found
    structlog.configure(**before)


async def test_what_fails_is_logged_as_a_warning_with_its_reason(logs: list[EventDict]) -> None:
    world = World()
    world.add_bases(1)
    world.arklet.refused["orders:1"] = Refused(FailureClass.PERMANENT, "FAILED", "no such jar")
    world.deploy("1", replicas=1)
    world.start()

    await world.rest()

    warned = [(entry["event"], entry["reason"]) for entry in logs if entry["log_level"] == "warning"]
    assert ("module", "InstallFailed") in warned
    assert ("rollout event", "InstallFailed") in warned
    assert {entry["message"] for entry in logs if entry["event"] == "module"} == {"no such jar"}


async def test_a_refused_write_is_told_once_and_until_it_is_let_through() -> None:
    denied = True

    def around(point: str) -> None:
        if denied and point == "before create Module":
            raise Forbidden("POST modules: exceeded quota", status=403)

    world = World(around=around)
    world.add_bases(1)
    world.deploy("1", replicas=1)
    world.start()
    await world.run_for(60)
    told, phase = world.conditions().get("ReplicaFailure"), world.status()["message"]

    denied = False
    await world.rest()

    assert told == ("True", "RequestRefused")
    assert "exceeded quota" in phase
    assert world.events.reasons.count("RequestRefused") == 1
    assert "ReplicaFailure" not in world.conditions()
    assert world.progress() == "Completed"


async def test_what_is_lost_is_counted_though_the_server_refuses_to_have_it_replaced() -> None:
    denied = ""

    def around(point: str) -> None:
        if denied and point == "before create Module":
            raise Forbidden(f"POST modules: {denied}", status=403)

    world = World(around=around)
    (base,) = world.add_bases(1)
    world.deploy("1", replicas=1)
    world.start()
    await world.rest()

    denied = "exceeded quota"
    world.delete_base(base)
    world.add_bases(1)
    await world.run_for(60)
    first, since = world.status(), transition(world)
    denied = "the webhook says no"
    await world.run_for(300)

    assert first["availableReplicas"] == first["updatedReplicas"] == 0
    assert world.conditions()["Available"] == ("False", "MaxUnavailableExceeded")
    assert "exceeded quota" in first["message"]
    assert "the webhook says no" in world.status()["message"], "another refusal is told in the place of the first"
    assert transition(world) == since
    (revision,) = world.api.list(resources.MODULE_REPLICA_SETS)
    assert revision["status"]["availableReplicas"] == 0
    assert world.events.reasons.count("RequestRefused") == 1


def transition(world: World) -> str:
    """Since when writes are refused."""
    (condition,) = [item for item in world.status()["conditions"] if item["type"] == "ReplicaFailure"]
    return str(condition["lastTransitionTime"])


async def test_replicas_whose_base_does_not_answer_are_told_from_those_being_installed() -> None:
    world = World()
    addresses = world.add_bases(3)
    world.arklet.down.update(addresses[1:])
    world.deploy("1", replicas=3)
    world.start()

    await world.run_for(30)
    two = world.status()["message"]
    world.arklet.down.discard(addresses[1])
    await world.run_for(70)
    one = world.status()["message"]
    world.arklet.down.clear()
    await world.rest()

    assert "are being installed" not in two + one
    assert "2 wait for bases that don't answer, such as base-01" in two
    assert "1 waits for base base-02, which doesn't answer" in one
    assert world.progress() == "Completed"


async def test_a_base_that_stops_to_answer_in_mid_install_is_told() -> None:
    world = World()
    [address] = world.add_bases(1)
    world.arklet.running[address] = {("orders", "1"): BizState.RESOLVED}
    world.deploy("1", replicas=1)
    world.start()
    await world.run_for(5)
    before = world.modules()[0]["status"]["status"], world.status()["message"]

    world.arklet.down.add(address)
    await world.run_for(30)

    assert before[0] == "Upgrading"
    assert "1 is being installed" in before[1]
    assert world.modules()[0]["status"]["reason"] == "BaseUnreachable"
    assert "1 waits for base base-00, which doesn't answer" in world.status()["message"]


async def test_counts_of_revisions_alone_are_written_once_a_second() -> None:
    world, family = World(), FamilyKey("ModuleDeployment", "default", NAME)
    world.add_bases(12)
    world.deploy("1", replicas=12)
    process = world.start()
    await world.rest()
    await world.run_for(5)
    (name,) = (item["metadata"]["name"] for item in world.api.list(resources.MODULE_REPLICA_SETS))
    begun, queue = len(world.api.history), process.queue

    world.upgrade("2")
    process.deliver()
    while await process.turn():  # no time passes, and a pass follows on every change
        process.deliver()
        if queue.due.get(family, float("inf")) <= world.clock.monotonic():
            queue.due[family] = float("-inf")
    written = [
        event.new["status"]["replicas"]
        for event in world.api.history[begun:]
        if event.key.name == name and event.old and event.new and event.old.get("status") != event.new.get("status")
    ]
    await world.run_for(2)

    assert not any(module["spec"]["module"]["version"] == "1" for module in world.modules())
    assert len(written) <= 2
    assert world.api.find(resources.MODULE_REPLICA_SETS, name)["status"]["replicas"] == 0
