"""Faults of the predecessor's Modules, bases and placement.

| what v1 did | test |
|---|---|
| a refused install stuck in Upgrading without a word | test_a_refused_install_is_told_and_tried_again |
| an install whose status write failed was taken for refused | test_an_install_whose_status_was_not_written_is_found |
| the answer to an install got lost: as refused | test_an_install_whose_answer_was_lost_is_found |
| a refused uninstall was swallowed and the finalizer went | test_a_refused_uninstall_keeps_the_module_and_says_why |
| a Module on a base that is gone hung in Terminating | test_a_module_on_a_base_that_is_gone_goes |
| and its replacement was never made | test_a_replica_on_a_base_that_is_gone_is_placed_again |
| another base with the same IP got the uninstall | test_a_base_with_a_reused_address_is_left_alone |
| a base that doesn't answer blocked its deletion for ever | test_a_base_that_does_not_answer_can_be_given_up |
| a restarted container counted as Available still | test_modules_lost_by_a_restart_are_installed_again |
| uninstalls for a restarted container were tried for ever | test_a_restarted_container_counts_as_uninstalled |
| deleting a Module by hand made another and left the old running | test_a_module_deleted_by_hand_is_uninstalled_and_replaced |
| scaleup_then_scaledown never uninstalled | test_scaleup_then_scaledown_uninstalls_the_old |
| counters on pods leaked when a creation failed | test_a_place_is_free_again_when_its_module_could_not_be_made |
| finalizers were put on pods | test_pods_get_no_finalizers_and_are_never_deleted |
| base pods were deleted by label | test_pods_get_no_finalizers_and_are_never_deleted |
| the first pod with an IP was taken, Ready or not | test_only_ready_bases_with_an_address_are_taken |
| a name could be on a pod once, in whatever version | test_a_second_version_comes_up_beside_the_first |
| a failed read was swallowed without another try | test_a_failed_request_is_tried_again |
| the cap was read from the first pod and used for all | test_each_base_has_its_own_cap |
| a cap that is no number meant no limit | test_a_cap_that_is_no_number_takes_nothing |
| a full base was given more by two owners at once | test_two_families_at_once_stay_below_the_cap |
| a quote in a value made bad JSON and hung | tests/arklet/test_client.py |
| calls had no timeout | tests/arklet/test_client.py |
"""

from __future__ import annotations

import pytest

from moduledeploy.api.names import CAP_LABEL, FINALIZER
from moduledeploy.arklet.outcomes import BizState, FailureClass, Refused
from moduledeploy.controllers import resources
from moduledeploy.kube.errors import Unreachable
from moduledeploy.kube.resources import ObjectKey
from tests.controllers.memory_api import Body
from tests.controllers.world import NAME, World
from tests.faults_of_v1.scenes import SERVICE, deployed


def once(world: World, point: str) -> None:
    """The next request at that point fails."""
    left = [point]

    def around(reached: str) -> None:
        if left and reached == left[0]:
            left.clear()
            raise Unreachable(reached)

    world.around = around
    world.start()


def status_of(world: World, number: int = 0) -> Body:
    found: Body = world.modules()[number].get("status", {})
    return found


async def test_a_refused_install_is_told_and_tried_again() -> None:
    world = World()
    world.add_bases(1)
    world.arklet.refused["orders:1"] = Refused(FailureClass.PERMANENT, "FAILED", "no such jar")
    world.deploy("1", operationStrategy={"failureThreshold": 1})
    world.start()
    await world.rest()

    assert (status_of(world)["status"], status_of(world)["message"]) == ("Failed", "no such jar")
    assert "no such jar" in world.status()["message"]
    world.arklet.refused.clear()
    await world.run_for(1000)

    assert status_of(world)["status"] == "Available"
    assert world.progress() == "Completed"


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_an_install_whose_status_was_not_written_is_found(moment: str) -> None:
    world = World()
    world.add_bases(1)
    world.deploy("1")
    once(world, f"{moment} patch Module status")
    await world.rest()

    assert status_of(world)["status"] == "Available"
    assert sum(world.arklet.installs.values()) == 1


async def test_an_install_whose_answer_was_lost_is_found() -> None:
    world = World()
    address = world.add_bases(1)[0]
    world.arklet.mute.add(address)
    world.deploy("1")
    world.start()
    await world.run_for(10)
    world.arklet.mute.clear()
    await world.rest()

    assert status_of(world)["status"] == "Available"
    assert sum(world.arklet.installs.values()) == 1


async def test_a_refused_uninstall_keeps_the_module_and_says_why() -> None:
    world = await deployed(1, 1)
    world.arklet.kept.add("orders:1")
    world.delete()
    await world.run_for(60)

    assert world.modules()[0]["metadata"]["finalizers"] == [FINALIZER]
    assert (status_of(world)["status"], status_of(world)["reason"]) == ("Terminating", "UninstallFailed")
    assert status_of(world)["message"].startswith("it doesn't stop; tried again until annotation ")
    world.arklet.kept.clear()
    await world.run_for(120)

    assert world.modules() == []
    assert world.installed() == []


async def test_a_module_on_a_base_that_is_gone_goes() -> None:
    world = await deployed(2, 2)
    world.delete_base(next(iter(world.arklet.serving())))
    calls = list(world.arklet.calls)
    await world.rest()

    assert len(world.modules()) == 1
    assert world.arklet.calls == calls


async def test_a_replica_on_a_base_that_is_gone_is_placed_again() -> None:
    world = await deployed(3, 2)
    world.delete_base(next(iter(world.arklet.serving())))
    await world.rest()

    assert world.status()["availableReplicas"] == 2
    assert world.progress() == "Completed"


async def test_a_base_with_a_reused_address_is_left_alone() -> None:
    world = await deployed(1, 1)
    address = next(iter(world.arklet.serving()))
    old = world.pod_at(address)
    world.delete_base(address)
    world.arklet.restart(address)
    world.arklet.running[address] = {("orders", "1"): BizState.ACTIVATED}  # somebody else's, by another way
    world.delete()
    fresh = {**old, "metadata": {key: old["metadata"][key] for key in ("name", "ownerReferences")}}
    world.api.create(resources.PODS, "default", fresh)
    await world.rest()

    assert world.modules() == []
    assert world.installed() == ["orders:1"]
    assert not world.arklet.uninstalls


async def test_a_base_that_does_not_answer_can_be_given_up() -> None:
    world = await deployed(1, 1)
    world.arklet.down.add(next(iter(world.arklet.serving())))
    world.delete()
    await world.run_for(300)

    assert (status_of(world)["status"], status_of(world)["reason"]) == ("Terminating", "BaseUnreachable")
    world.annotate(resources.MODULES, world.modules()[0]["metadata"]["name"], force_delete="true")
    await world.run_for(120)

    assert world.modules() == []
    assert world.api.find(resources.MODULE_DEPLOYMENTS, NAME) is None


async def test_modules_lost_by_a_restart_are_installed_again() -> None:
    world = await deployed(2, 2)
    address = next(iter(world.arklet.serving()))
    world.restart_base(address)
    world.process.deliver()
    await world.process.turn()
    await world.rest()

    assert len(world.arklet.serving()) == 2
    assert world.arklet.installs[address, "orders:1"] == 2


async def test_a_restarted_container_counts_as_uninstalled() -> None:
    world = await deployed(1, 1)
    world.restart_base(next(iter(world.arklet.serving())))
    world.delete()
    await world.rest()

    assert world.modules() == []
    assert not world.arklet.uninstalls


async def test_a_module_deleted_by_hand_is_uninstalled_and_replaced() -> None:
    world = await deployed(1, 1)
    old = world.modules()[0]["metadata"]
    world.api.delete(resources.MODULES, ObjectKey("default", old["name"]))
    await world.rest()

    assert world.modules()[0]["metadata"]["uid"] != old["uid"]
    assert sum(world.arklet.uninstalls.values()) == 1
    assert sum(world.arklet.installs.values()) == 2
    assert world.installed() == ["orders:1"]


async def test_scaleup_then_scaledown_uninstalls_the_old() -> None:
    world = await deployed(4, 2, upgradePolicy="scaleup_then_scaledown")
    before = set(world.arklet.serving())
    world.upgrade("2")
    await world.rest()

    assert world.installed() == ["orders:2"] * 2
    assert not before & set(world.arklet.serving())


@pytest.mark.parametrize("point", ["before create Module", "after patch ModuleReplicaSet status"])
async def test_a_place_is_free_again_when_its_module_could_not_be_made(point: str) -> None:
    world = World()
    world.add_bases(1, labels={CAP_LABEL: "1"})
    world.deploy("1")
    once(world, point)
    await world.rest()

    assert world.installed() == ["orders:1"]


async def test_pods_get_no_finalizers_and_are_never_deleted() -> None:
    world = await deployed(2, 2, serviceStrategy=SERVICE)
    uids = [pod["metadata"]["uid"] for pod in world.api.list(resources.PODS)]
    world.upgrade("2")
    await world.rest()
    world.delete()
    await world.rest()

    pods = world.api.list(resources.PODS)
    assert [pod["metadata"]["uid"] for pod in pods] == uids
    assert not any("finalizers" in pod["metadata"] or "deletionTimestamp" in pod["metadata"] for pod in pods)


async def test_only_ready_bases_with_an_address_are_taken() -> None:
    world = World()
    first, second, third = world.add_bases(3)
    world.set_ready(first, ready=False)
    name = world.pod_at(second)["metadata"]["name"]
    world.patch(resources.PODS, name, {"status": {"podIP": None}}, "status")
    world.deploy("1", replicas=3)
    world.start()
    await world.rest()

    assert list(world.arklet.serving()) == [third]
    assert "1 not ready, 1 without an address" in world.status()["message"]


async def test_a_second_version_comes_up_beside_the_first() -> None:
    world = await deployed(1, 1)
    seen: list[list[str]] = []
    world.around = lambda point: seen.append(world.installed())
    world.start()
    world.upgrade("2")
    await world.rest()

    assert ["orders:1", "orders:2"] in seen
    assert [] not in seen
    assert world.installed() == ["orders:2"]


@pytest.mark.parametrize(
    "point",
    ["before create ModuleReplicaSet", "before patch ModuleDeployment", "before create Module", "before query"],
)
async def test_a_failed_request_is_tried_again(point: str) -> None:
    world = World()
    world.add_bases(1)
    world.deploy("1")
    once(world, point)
    await world.rest()

    assert world.progress() == "Completed"


async def test_each_base_has_its_own_cap() -> None:
    world = World()
    world.add_bases(1, labels={CAP_LABEL: "0"})
    two = world.add_bases(1, labels={CAP_LABEL: "2"})[0]
    one = world.add_bases(1, labels={CAP_LABEL: "1"})[0]
    for name in ("a", "b", "c"):
        world.deploy("1", name=name, replicas=3)
    world.start()
    await world.rest()

    assert {address: len(here) for address, here in world.arklet.running.items() if here} == {two: 2, one: 1}


async def test_a_cap_that_is_no_number_takes_nothing() -> None:
    world = World()
    world.add_bases(1, labels={CAP_LABEL: "many"})
    world.deploy("1")
    world.start()
    await world.rest()

    assert world.installed() == []
    assert "0/1 bases are available" in world.status()["message"]


async def test_two_families_at_once_stay_below_the_cap() -> None:
    world = World()
    world.add_bases(2, labels={CAP_LABEL: "1"})
    world.deploy("1", name="a", replicas=2)
    world.deploy("1", name="b", replicas=2)
    world.start()
    world.process.held = {resources.MODULES}  # neither sees what the other made
    await world.process.settle()
    world.process.held = set()
    await world.rest()

    assert len(world.modules()) == 2
    assert [len(here) for here in world.arklet.running.values()] == [1, 1]
