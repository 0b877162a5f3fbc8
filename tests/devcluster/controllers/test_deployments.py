"""Deployments roll their base pods as a real cluster does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from moduledeploy.devcluster.controllers.revisions import HASH, REVISION
from tests.devcluster.controllers.world import NS, deployment, template

if TYPE_CHECKING:
    from tests.devcluster.controllers.world import World

ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}


async def deployed(world: World, replicas: int = 4, **spec: Any) -> None:
    world.api.create("deployments.apps", deployment(replicas, **spec))
    await world.make_ready()


async def test_a_deployment_brings_up_its_pods_and_says_so(world: World) -> None:
    await deployed(world)

    status = world.status()
    assert {name: n for name, n in status.items() if name != "conditions"} == {
        "observedGeneration": 1,
        "replicas": 4,
        "updatedReplicas": 4,
        "readyReplicas": 4,
        "availableReplicas": 4,
        "terminatingReplicas": 0,
    }
    assert world.conditions() == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }
    [found] = world.sets().values()
    digest = found["metadata"]["labels"][HASH]
    assert found["metadata"]["name"] == f"base-{digest}"
    assert found["metadata"]["annotations"] == {
        REVISION: "1",
        "deployment.kubernetes.io/desired-replicas": "4",
        "deployment.kubernetes.io/max-replicas": "5",
    }
    assert len(world.pods(**{HASH: digest})) == 4


async def test_a_new_template_is_rolled_within_the_limits(world: World) -> None:
    await deployed(world, 6, strategy=ROLLING)
    most, least = 0, 6
    world.patch("deployments.apps", "base", spec={"template": template("2")})

    for _ in range(60):
        await world.clock.run_for(0.05)
        live = [pod for pod in world.pods() if not pod["metadata"].get("deletionTimestamp")]
        ready = [pod for pod in live if pod["status"]["phase"] == "Running"]
        most, least = max(most, len(live)), min(least, len(ready))
        if starting := [pod for pod in live if pod["status"]["phase"] == "Pending"]:
            world.report(starting[0]["metadata"]["name"])
    await world.settle()

    assert (most, least) == (7, 5)
    assert sorted(obj["spec"]["replicas"] for obj in world.sets().values()) == [0, 6]
    assert {pod["spec"]["containers"][0]["image"] for pod in world.pods()} == {"base:2"}
    assert world.conditions()["Progressing"] == ("True", "NewReplicaSetAvailable")
    assert world.the("deployments.apps", "base")["metadata"]["annotations"][REVISION] == "2"


async def test_going_back_to_an_old_template_takes_its_replicaset_up_again(world: World) -> None:
    await deployed(world, 2)
    [first] = world.sets()
    for version in ("2", "1"):
        world.patch("deployments.apps", "base", spec={"template": template(version)})
        await world.make_ready()

    assert len(world.sets()) == 2
    assert world.sets()[first]["spec"]["replicas"] == 2
    annotations = world.sets()[first]["metadata"]["annotations"]
    assert (annotations[REVISION], annotations["deployment.kubernetes.io/revision-history"]) == ("3", "1")


async def test_recreate_starts_nothing_new_before_all_the_old_has_gone(world: World) -> None:
    await deployed(world, 3, strategy={"type": "Recreate"})
    held = world.names()[0]
    world.patch("pods", held, metadata={"finalizers": ["example.com/hold"]})
    world.patch("deployments.apps", "base", spec={"template": template("2")})
    await world.settle()
    world.patch("pods", held, metadata={"finalizers": None})
    await world.make_ready()

    assert {pod["spec"]["containers"][0]["image"] for pod in world.pods()} == {"base:2"}
    assert world.status()["availableReplicas"] == 3


async def test_a_paused_deployment_scales_but_does_not_roll(world: World) -> None:
    await deployed(world, 2, paused=True)
    assert world.pods() == []

    world.patch("deployments.apps", "base", spec={"paused": False})
    await world.make_ready()
    world.patch("deployments.apps", "base", spec={"paused": True, "replicas": 3, "template": template("2")})
    await world.make_ready()

    assert {pod["spec"]["containers"][0]["image"] for pod in world.pods()} == {"base:1"}
    assert len(world.pods()) == 3
    assert world.conditions()["Progressing"] == ("Unknown", "DeploymentPaused")


@pytest.mark.parametrize("replicas", [0, 2, 9])
async def test_scaling_takes_the_one_replicaset_to_the_new_size(world: World, replicas: int) -> None:
    await deployed(world)
    world.patch("deployments.apps", "base", spec={"replicas": replicas})
    await world.make_ready()

    assert len(world.pods()) == replicas
    assert world.status().get("availableReplicas", 0) == replicas


async def test_scaling_in_mid_rollout_keeps_the_proportions(world: World) -> None:
    await deployed(world, 10, strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}})
    world.patch("deployments.apps", "base", spec={"template": template("2")})
    await world.settle()
    before = sorted(obj["spec"]["replicas"] for obj in world.sets().values())

    world.patch("deployments.apps", "base", spec={"replicas": 15})
    await world.settle()

    assert before == [5, 8]
    assert sorted(obj["spec"]["replicas"] for obj in world.sets().values()) == [7, 11]


async def test_only_so_many_old_replicasets_are_kept(world: World) -> None:
    await deployed(world, 1, revisionHistoryLimit=1)
    for version in ("2", "3", "4"):
        world.patch("deployments.apps", "base", spec={"template": template(version)})
        await world.make_ready()
    await world.settle()

    images = [obj["spec"]["template"]["spec"]["containers"][0]["image"] for obj in world.sets().values()]
    assert sorted(images) == ["base:3", "base:4"]


async def test_a_rollout_that_stands_still_exceeds_its_deadline(world: World) -> None:
    world.api.create("deployments.apps", deployment(1, progressDeadlineSeconds=60))
    await world.clock.run_for(50)
    early = world.conditions()

    await world.clock.run_for(30)

    assert early["Progressing"][0] == "True"
    assert world.conditions()["Progressing"] == ("False", "ProgressDeadlineExceeded")
    assert world.conditions()["Available"] == ("False", "MinimumReplicasUnavailable")


async def test_a_replicaset_of_the_same_name_makes_it_take_another(world: World) -> None:
    await deployed(world, 1)
    [(name, found)] = world.sets().items()
    world.api.delete("deployments.apps", "base", namespace=NS)
    await world.settle()
    foreign = {**found["spec"], "template": template("9"), "selector": {"matchLabels": {"app": "base"}}}
    world.api.create(
        "replicasets.apps", {"metadata": {"name": name, "namespace": NS}, "spec": {**foreign, "replicas": 0}}
    )
    world.patch(
        "replicasets.apps",
        name,
        metadata={
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "Namespace",
                    "name": NS,
                    "uid": world.api.get("namespaces", NS)["metadata"]["uid"],
                    "controller": True,
                }
            ]
        },
    )

    await deployed(world, 1)

    assert len(world.sets()) == 2
    assert world.status()["collisionCount"] == 1


async def test_orphaned_replicasets_are_taken_over_by_the_next_deployment(world: World) -> None:
    await deployed(world, 2)
    pods = world.names()
    world.api.delete("deployments.apps", "base", namespace=NS, propagation="Orphan")
    await world.settle()
    assert "ownerReferences" not in next(iter(world.sets().values()))["metadata"]

    await deployed(world, 2)

    assert world.names() == pods
    assert len(world.sets()) == 1


async def test_scaling_is_told_in_events_as_people_know_them(world: World) -> None:
    await deployed(world, 30)
    world.patch("deployments.apps", "base", spec={"replicas": 29})
    await world.settle()

    [name] = world.sets()
    told = [(event["reason"], event["message"]) for event in world.api.list("events", NS)]
    assert ("ScalingReplicaSet", f"Scaled up replica set {name} from 0 to 30") in told
    assert ("ScalingReplicaSet", f"Scaled down replica set {name} from 30 to 29") in told
    assert (
        len([reason for reason, _ in told if reason == "SuccessfulCreate"]) == 25
    )  # as many as client-go lets through
