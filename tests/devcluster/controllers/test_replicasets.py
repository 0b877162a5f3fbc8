"""ReplicaSets keep their size and count what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moduledeploy.devcluster.errors import ApiError
from tests.devcluster.controllers.world import NS, template

if TYPE_CHECKING:
    from moduledeploy.devcluster.resources import Resource
    from moduledeploy.devcluster.storage import Object
    from moduledeploy.devcluster.writes import Writes
    from tests.devcluster.controllers.world import World


def replica_set(replicas: int, **spec: Any) -> dict[str, Any]:
    selector = {"matchLabels": {"app": "base"}}
    body = {"replicas": replicas, "selector": selector, "template": template(), **spec}
    return {"metadata": {"name": "rs", "namespace": NS}, "spec": body}


async def test_as_many_pods_as_asked_for_are_made_and_replaced(world: World) -> None:
    world.api.create("replicasets.apps", replica_set(3))
    await world.settle()
    first = world.names()

    world.api.delete("pods", first[0], namespace=NS)
    world.report(first[1], phase="Failed", ready=False)
    await world.settle()

    assert len(first) == 3
    assert len([pod for pod in world.pods() if pod["status"]["phase"] == "Pending"]) == 3
    assert world.the("replicasets.apps", "rs")["status"]["replicas"] == 3


async def test_the_least_useful_pods_go_first(world: World) -> None:
    world.api.create("replicasets.apps", replica_set(4))
    await world.settle()
    unready, pending, useful, cheap = world.names()
    for name in (useful, cheap):
        world.report(name)
    world.report(unready, ready=False)
    world.patch("pods", cheap, metadata={"annotations": {"controller.kubernetes.io/pod-deletion-cost": "-5"}})
    left = [[useful, cheap, unready], [useful, cheap], [useful]]

    for wanted in left:
        world.patch("replicasets.apps", "rs", spec={"replicas": len(wanted)})
        await world.settle()
        assert sorted(world.names()) == sorted(wanted)
    assert pending not in world.names()


async def test_a_pod_is_available_when_it_has_been_ready_long_enough(world: World) -> None:
    world.api.create("replicasets.apps", replica_set(2, minReadySeconds=30))
    await world.make_ready()
    early = world.the("replicasets.apps", "rs")["status"]

    await world.clock.run_for(31)

    assert (early["readyReplicas"], early.get("availableReplicas", 0)) == (2, 0)
    assert world.the("replicasets.apps", "rs")["status"]["availableReplicas"] == 2


async def test_an_orphan_is_adopted_and_a_relabelled_pod_released(world: World) -> None:
    orphan = {"metadata": {"name": "orphan", "namespace": NS, "labels": {"app": "base"}}, "spec": template()["spec"]}
    world.api.create("pods", orphan)
    world.api.create("replicasets.apps", replica_set(1))
    await world.settle()
    adopted = world.the("pods", "orphan")["metadata"]["ownerReferences"]

    world.patch("pods", "orphan", metadata={"labels": {"app": "other"}})
    await world.settle()

    assert [owner["name"] for owner in adopted] == ["rs"]
    assert "ownerReferences" not in world.the("pods", "orphan")["metadata"]
    assert len(world.pods(app="base")) == 1


async def test_a_refused_pod_is_told_in_the_status_until_it_is_let_in(world: World) -> None:
    def refuse(_writes: Writes, resource: Resource, _obj: Object, _old: Object | None, _subresource: str) -> None:
        if resource.table == "pods":
            raise ApiError(403, "Forbidden", "pods are forbidden: exceeded quota")

    world.api.writes.admissions.append(refuse)
    world.api.create("replicasets.apps", replica_set(1))
    await world.settle()
    [condition] = world.the("replicasets.apps", "rs")["status"]["conditions"]
    told = [(event["type"], event["reason"]) for event in world.api.list("events", NS)]
    world.api.writes.admissions.remove(refuse)
    await world.clock.run_for(60)

    assert (condition["type"], condition["reason"]) == ("ReplicaFailure", "FailedCreate")
    assert condition["message"] == "pods are forbidden: exceeded quota"
    assert ("Warning", "FailedCreate") in told
    assert len(world.pods()) == 1
    assert "conditions" not in world.the("replicasets.apps", "rs")["status"]
