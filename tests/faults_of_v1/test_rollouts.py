"""Faults of the predecessor's rollouts.

| what v1 did | test |
|---|---|
| useBeta applied to scaling too: 5 to 10 went by 1 | test_scaling_up_knows_no_beta, test_scaling_down_knows_no_beta |
| without gates the cursor stayed at 1: 10 in 4 went 3, 6, 9, 12 | test_batches_add_up_to_the_replicas_without_any_gate |
| the last batch of 6 in 4 was empty, and 9 in 8 reached 10 | test_no_batch_is_empty_and_none_overshoots |
| an upgrade looked for bases without the module and found none | test_an_upgrade_goes_where_the_old_version_is |
| peers were never upgraded | test_peers_are_upgraded_on_their_bases |
| old replicas were cut before new ones existed | test_old_replicas_stay_until_new_ones_serve |
| modules wandered to other bases | test_replicas_stay_on_their_bases |
| any ReplicaSet of the module's name was scaled down, even another family's | test_another_family_is_left_alone |
| confirmBatchNum was reset in spec | test_confirm_batch_num_is_never_written |
| resolved peer replicas were written over -1, and stayed | test_minus_one_stays_in_spec_and_follows_the_base |
| a toggle approved two batches | test_one_confirmation_opens_one_batch |
| gray time ended in a wait for a person | test_gray_time_alone_goes_on_by_itself |
| Completed as soon as the wish was written down | test_completed_means_available |
| a Deployment with 0 pods at that moment stuck at 0 | test_peers_of_a_base_that_comes_later_are_made |
| deletion began from Completed alone | test_deletion_goes_through_in_every_phase |
| one-shot scaling: what found no base was never made up for | test_what_found_no_base_is_made_up_for |
| a change of the url alone never reached a base | test_another_url_of_the_same_version_is_installed |
| without labels on the object the manager panicked | test_an_object_without_labels_is_deployed |
| limits and counters were declared and not used | test_declared_limits_and_counters_are_used |
| status was written at every pass | test_rest_costs_no_writes |
| the base Deployment was written to | test_nothing_is_written_to_what_users_own |
"""

from __future__ import annotations

from collections import Counter

import pytest

from moduledeploy.controllers import resources
from moduledeploy.rollout.slots import Mark
from tests.controllers.world import NAME, World

POLICIES = ("install_then_uninstall", "uninstall_then_install", "scaleup_then_scaledown")


async def deployed(bases: int, replicas: int, *, version: str = "1", **strategy: object) -> World:
    world = World()
    world.add_bases(bases)
    world.deploy(version, replicas=replicas, operationStrategy=strategy)
    world.start()
    await world.confirm_all()
    return world


def versions(world: World) -> Counter[str]:
    return Counter(identity.partition(":")[2] for identity in world.arklet.serving().values())


def installs(world: World) -> int:
    return sum(world.arklet.installs.values())


async def test_scaling_up_knows_no_beta() -> None:
    world = await deployed(10, 5, batchCount=3, useBeta=True, needConfirm=True)

    world.edit(replicas=10)
    await world.rest()

    assert versions(world) == {"1": 10}
    assert not world.is_waiting()


async def test_scaling_down_knows_no_beta() -> None:
    world = await deployed(10, 10, batchCount=3, useBeta=True, needConfirm=True)

    world.edit(replicas=5)
    await world.rest()

    assert versions(world) == {"1": 5}


async def test_batches_add_up_to_the_replicas_without_any_gate() -> None:
    world = await deployed(14, 10, batchCount=4)

    assert world.status()["releaseStatus"]["batches"] == [2, 2, 3, 3]
    assert world.status()["releaseStatus"]["currentBatch"] == 4
    assert installs(world) == 10


@pytest.mark.parametrize(("replicas", "batches", "sizes"), [(6, 4, [1, 1, 2, 2]), (9, 8, [1] * 7 + [2])])
async def test_no_batch_is_empty_and_none_overshoots(replicas: int, batches: int, sizes: list[int]) -> None:
    world = await deployed(12, replicas, batchCount=batches, needConfirm=True)

    assert world.status()["releaseStatus"]["batches"] == sizes
    assert installs(world) == replicas


@pytest.mark.parametrize("policy", POLICIES[:2])
async def test_an_upgrade_goes_where_the_old_version_is(policy: str) -> None:
    world = await deployed(4, 4, upgradePolicy=policy)

    world.upgrade("2")
    await world.rest()

    assert versions(world) == {"2": 4}
    assert world.installed() == ["orders:2"] * 4


@pytest.mark.parametrize("policy", POLICIES[:2])
async def test_peers_are_upgraded_on_their_bases(policy: str) -> None:
    world = await deployed(5, -1, upgradePolicy=policy)

    world.upgrade("2")
    await world.rest()

    assert versions(world) == {"2": 5}


@pytest.mark.parametrize("policy", POLICIES)
async def test_old_replicas_stay_until_new_ones_serve(policy: str) -> None:
    world = await deployed(10, 8, batchCount=2, upgradePolicy=policy)
    seen: list[int] = []
    world.around = lambda point: seen.append(len(world.arklet.serving()))
    world.start()

    world.upgrade("2")
    await world.rest()

    assert versions(world) == {"2": 8}
    assert min(seen) >= (6 if policy == "uninstall_then_install" else 8)


@pytest.mark.parametrize("policy", POLICIES[:2])
async def test_replicas_stay_on_their_bases(policy: str) -> None:
    world = await deployed(12, 5, upgradePolicy=policy)
    before = set(world.arklet.serving())

    for version in ("2", "3"):
        world.upgrade(version)
        await world.rest()

    assert set(world.arklet.serving()) == before


async def test_another_family_is_left_alone() -> None:
    world = World()
    world.add_bases(3)
    world.add_bases(3, deployment="other")
    world.deploy("1", name="a", module_name="shared", replicas=3)
    world.deploy("1", name="b", module_name="shared", replicas=3, baseDeploymentName="other")
    world.start()
    await world.rest()
    made = {body["metadata"]["name"]: body for body in world.modules()}

    world.edit("a", template={"spec": {"module": {"version": "2"}}})
    await world.rest()

    assert versions(world) == {"1": 3, "2": 3}
    untouched = [body for body in world.modules() if body["metadata"]["name"].startswith("b-")]
    assert untouched == [body for name, body in sorted(made.items()) if name.startswith("b-")]


async def test_confirm_batch_num_is_never_written() -> None:
    world = await deployed(4, 4)
    world.strategy(batchCount=4, needConfirm=True)
    world.upgrade("2")
    await world.rest()

    world.edit(confirmBatchNum=2)
    await world.rest()
    assert world.is_waiting()
    assert versions(world)["2"] == 3
    assert world.deployment()["spec"]["confirmBatchNum"] == 2
    await world.confirm_all()

    assert world.progress() == "Completed"
    assert world.deployment()["spec"]["confirmBatchNum"] == 2


async def test_minus_one_stays_in_spec_and_follows_the_base() -> None:
    world = await deployed(3, -1)
    world.add_bases(2)
    await world.rest()

    assert world.deployment()["spec"]["replicas"] == -1
    assert world.status()["desiredReplicas"] == 5
    assert versions(world) == {"1": 5}


async def test_one_confirmation_opens_one_batch() -> None:
    world = await deployed(4, 4, batchCount=1)
    world.strategy(batchCount=4, needConfirm=True)
    world.upgrade("2")
    await world.rest()

    for _ in range(2):  # a client that tries again
        world.edit(pause=False)
        world.edit(pause=False)
    await world.rest()

    assert world.status()["releaseStatus"]["currentBatch"] == 2
    assert versions(world)["2"] == 2
    assert world.is_waiting()


async def test_gray_time_alone_goes_on_by_itself() -> None:
    world = World()
    world.add_bases(4)
    world.deploy("1", replicas=4, operationStrategy={"batchCount": 2, "grayTime": 300})
    world.start()

    await world.run_for(299)
    assert versions(world) == {"1": 2}
    assert world.progress() == "GrayWaiting"
    world.start()  # a restart neither loses nor repeats it
    await world.run_for(5)

    assert versions(world) == {"1": 4}
    assert not world.deployment()["spec"].get("pause")


async def test_completed_means_available() -> None:
    world = World()
    world.arklet.down |= set(world.add_bases(3))
    world.deploy("1", replicas=3)
    world.start()
    await world.run_for(60)

    assert world.progress() != "Completed"
    assert world.conditions()["Available"] == ("False", "MinimumReplicasUnavailable")
    assert world.status()["updatedReplicas"] == 3
    world.arklet.down.clear()
    await world.run_for(120)

    assert world.progress() == "Completed"
    assert world.conditions()["Available"][0] == "True"


async def test_peers_of_a_base_that_comes_later_are_made() -> None:
    world = World()
    world.deploy("1", replicas=-1)
    world.start()
    await world.rest()

    world.add_bases(3)
    await world.rest()

    assert versions(world) == {"1": 3}
    assert world.progress() == "Completed"


@pytest.mark.parametrize(
    "phase", ["Executing", "WaitingForConfirmation", "GrayWaiting", "Paused", "Completed", "Failed"]
)
async def test_deletion_goes_through_in_every_phase(phase: str) -> None:
    world = await deployed(4, 4)
    addresses = [f"{pod['status']['podIP']}:1238" for pod in world.api.list(resources.PODS)]
    match phase:
        case "WaitingForConfirmation":
            world.strategy(batchCount=4, needConfirm=True)
        case "GrayWaiting":
            world.strategy(batchCount=4, grayTime=1000)
        case "Paused":
            world.edit(pause=True)
        case "Executing":
            world.arklet.down |= set(addresses)
        case "Failed":
            world.arklet.loads["file:///modules/orders-2.jar"] = ("orders", "9")
    if phase != "Completed":
        world.upgrade("2")
    await world.run_for(20)
    assert world.progress() == phase

    world.delete()
    world.arklet.down.clear()
    await world.run_for(200)

    assert world.installed() == []
    assert world.modules() == []
    assert world.api.find(resources.MODULE_DEPLOYMENTS, NAME) is None


async def test_what_found_no_base_is_made_up_for() -> None:
    world = await deployed(2, 5)
    assert versions(world) == {"1": 2}
    assert "0/2 bases are available" in world.status()["message"]

    world.add_bases(3)
    await world.rest()

    assert versions(world) == {"1": 5}
    assert world.progress() == "Completed"


@pytest.mark.parametrize("policy", POLICIES)
async def test_another_url_of_the_same_version_is_installed(policy: str) -> None:
    world = await deployed(5, 3, upgradePolicy=policy)
    urls: list[str] = []
    before = installs(world)

    world.upgrade("1", url="file:///modules/orders-1-rebuilt.jar")
    await world.rest()
    urls = [body["spec"]["module"]["url"] for body in world.modules()]

    assert urls == ["file:///modules/orders-1-rebuilt.jar"] * 3
    assert installs(world) == before + 3
    assert versions(world) == {"1": 3}


async def test_an_object_without_labels_is_deployed() -> None:
    world = await deployed(1, 1)

    assert "labels" not in world.deployment()["metadata"]
    assert world.progress() == "Completed"


async def test_declared_limits_and_counters_are_used() -> None:
    world = await deployed(4, 4, upgradePolicy="uninstall_then_install")
    world.edit(maxUnavailable=1, minReadySeconds=5, revisionHistoryLimit=1)
    await world.run_for(10)
    seen: list[int] = []
    world.around = lambda point: seen.append(len(world.arklet.serving()))
    world.start()
    for version in "2345":
        world.upgrade(version)
        await world.run_for(60)

    status = world.status()
    assert min(seen) == 3
    assert len(world.api.list(resources.MODULE_REPLICA_SETS)) == 2
    counts = [status[name] for name in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")]
    assert counts == [4, 4, 4, 4]
    assert status["observedGeneration"] == world.deployment()["metadata"]["generation"]


async def test_the_progress_deadline_is_used() -> None:
    world = World()
    address = world.add_bases(1)[0]
    world.deploy("1", replicas=1, progressDeadlineSeconds=30)
    world.arklet.down.add(address)
    world.start()

    await world.run_for(40)

    assert world.conditions()["Progressing"] == ("False", "ProgressDeadlineExceeded")


async def test_rest_costs_no_writes() -> None:
    world = await deployed(5, 5)
    before = world.api.version

    await world.run_for(3000)
    world.start()
    await world.run_for(3000)

    assert world.api.version == before
    assert world.process.cluster.slots(next(iter(world.process.cluster.families))).count(Mark.AVAILABLE) == 5


async def test_nothing_is_written_to_what_users_own() -> None:
    world = World()
    world.add_bases(3)
    theirs = (resources.PODS, resources.DEPLOYMENTS, resources.REPLICA_SETS)
    before = [world.api.list(resource) for resource in theirs]
    world.deploy("1", replicas=3)
    world.start()
    await world.rest()
    world.upgrade("2")
    await world.rest()
    world.delete()
    await world.rest()

    assert [world.api.list(resource) for resource in theirs] == before
