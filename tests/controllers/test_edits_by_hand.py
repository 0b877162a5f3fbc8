"""What people change by hand in a module's traffic, and in what a ModuleDeployment made, is changed back."""

from __future__ import annotations

import pytest

from moduledeploy.api.traffic import pod_label
from moduledeploy.arklet.outcomes import FailureClass, Refused
from moduledeploy.controllers import resources
from tests.controllers.memory_api import Body
from tests.controllers.world import NAME, World

SERVICE = f"{NAME}-service"
LABEL = pod_label(NAME)


async def served(replicas: int = 1, bases: int = 1) -> World:
    world = World()
    world.add_bases(bases)
    strategy = {"serviceStrategy": {"enableModuleService": True, "port": 80, "targetPort": 8080}}
    world.deploy("1", replicas=replicas, operationStrategy=strategy)
    world.start()
    await world.rest()
    return world


@pytest.mark.parametrize(
    "edit",
    [
        {"spec": {"selector": {"app": "else"}}},
        {"spec": {"selector": {LABEL: "false"}}},
        {"spec": {"selector": None}},
        {"spec": {"ports": [{"name": "module", "port": 81, "targetPort": 8080, "protocol": "TCP"}]}},
        # Its EndpointSlices would have no label either, and not be found by it.
        {"metadata": {"labels": {"koupleless.alipay.com/module-name": None}}},
    ],
)
async def test_a_service_that_was_edited_is_as_before(edit: Body) -> None:
    world = await served()
    before = world.api.get(resources.SERVICES, SERVICE)

    world.patch(resources.SERVICES, SERVICE, edit)
    await world.rest()

    after = world.api.get(resources.SERVICES, SERVICE)
    assert after["spec"] == before["spec"]
    assert after["metadata"]["labels"] == before["metadata"]["labels"]


@pytest.mark.parametrize("value", [None, "false"])
async def test_a_label_that_was_taken_away_comes_back(value: str | None) -> None:
    world = await served()

    world.patch(resources.PODS, "base-00", {"metadata": {"labels": {LABEL: value}}})
    await world.rest()

    assert world.api.get(resources.PODS, "base-00")["metadata"]["labels"] == {LABEL: "true"}


async def test_a_label_on_a_base_without_the_module_goes() -> None:
    world = await served(replicas=1, bases=2)

    world.patch(resources.PODS, "base-01", {"metadata": {"labels": {LABEL: "true"}}})
    await world.rest()

    assert LABEL not in world.api.get(resources.PODS, "base-01")["metadata"]["labels"]


@pytest.mark.parametrize(
    "edit",
    [
        {"replicas": 7},
        {"minReadySeconds": 9},
        {"schedulingStrategy": {"schedulingPolicy": "stacking"}},
        {"schedulingStrategy": None},
    ],
)
async def test_a_revision_is_as_its_deployment_says(edit: Body) -> None:
    world = await served()
    (before,) = world.api.list(resources.MODULE_REPLICA_SETS)

    world.patch(resources.MODULE_REPLICA_SETS, before["metadata"]["name"], {"spec": edit})
    await world.rest()

    (after,) = world.api.list(resources.MODULE_REPLICA_SETS)
    assert after["spec"] == before["spec"]
    assert len(world.modules()) == 1


async def test_a_revision_follows_when_its_deployment_asks_for_another_time_or_place() -> None:
    world = await served()

    world.edit(minReadySeconds=9, schedulingStrategy={"schedulingPolicy": "stacking"})
    await world.rest()

    (revision,) = world.api.list(resources.MODULE_REPLICA_SETS)
    assert revision["spec"]["minReadySeconds"] == 9
    assert revision["spec"]["schedulingStrategy"] == {"schedulingPolicy": "stacking"}


@pytest.mark.parametrize("replicas", [0, 4])
async def test_after_an_abort_nobody_changes_by_a_revision_how_many_replicas_it_keeps(replicas: int) -> None:
    world = World()
    world.add_bases(6)
    world.deploy("1", replicas=4, operationStrategy={"batchCount": 2, "onFailure": "abort"})
    world.start()
    await world.rest()
    world.arklet.refused["orders:2"] = Refused(FailureClass.PERMANENT, "FAILED", "no")
    world.upgrade("2")
    await world.run_for(30)
    before = [body["spec"]["replicas"] for body in world.api.list(resources.MODULE_REPLICA_SETS)]

    target = world.status()["releaseStatus"]["updateRevision"]
    world.patch(resources.MODULE_REPLICA_SETS, target, {"spec": {"replicas": replicas}})
    await world.run_for(30)

    assert before == [2, 2]
    assert [body["spec"]["replicas"] for body in world.api.list(resources.MODULE_REPLICA_SETS)] == before
