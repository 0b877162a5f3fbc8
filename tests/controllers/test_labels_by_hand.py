"""Labels that this program set on Modules and ModuleReplicaSets come back; foreign ones stay; who is whose never hangs on them."""

from __future__ import annotations

import pytest

from moduledeploy.api import names
from moduledeploy.controllers import resources
from moduledeploy.kube.resources import Resource
from tests.controllers.memory_api import Body
from tests.controllers.world import NAME, World, deployed

OURS = [
    names.MODULE_NAME_LABEL,
    names.MODULE_VERSION_LABEL,
    names.DEPLOYMENT_LABEL,
    names.REPLICA_SET_LABEL,
    names.REVISION_LABEL,
]
OF_A_BASE = [names.BASE_NAME_LABEL, names.BASE_IP_LABEL]


def labels(world: World, resource: Resource) -> list[dict[str, str]]:
    return [body["metadata"]["labels"] for body in world.api.list(resource)]


def edit(world: World, resource: Resource, **changed: str | None) -> None:
    """Change labels of the first object; a value None takes the label away."""
    name = world.api.list(resource)[0]["metadata"]["name"]
    world.patch(resource, name, {"metadata": {"labels": changed}})


def essence(world: World) -> list[tuple[str, Body]]:
    return [(body["metadata"]["uid"], body["spec"]) for body in world.modules()]


@pytest.mark.parametrize("value", [None, "another"])
@pytest.mark.parametrize(
    ("resource", "label"),
    [
        *[(resources.MODULES, label) for label in (*OURS, *OF_A_BASE)],
        *[(resources.MODULE_REPLICA_SETS, label) for label in OURS],
    ],
)
async def test_a_label_of_ours_comes_back(resource: Resource, label: str, value: str | None) -> None:
    world = await deployed()
    before, modules = labels(world, resource), essence(world)

    edit(world, resource, **{label: value})
    await world.rest()

    assert labels(world, resource) == before
    assert essence(world) == modules
    assert (world.progress(), world.installed()) == ("Completed", ["orders:1"] * 2)


@pytest.mark.parametrize("resource", [resources.MODULES, resources.MODULE_REPLICA_SETS])
async def test_a_foreign_label_stays_and_costs_no_write(resource: Resource) -> None:
    world = await deployed()
    edit(world, resource, team="payments")
    edited = len(world.api.history)

    await world.rest()

    assert labels(world, resource)[0]["team"] == "payments"
    assert len(world.api.history) == edited


@pytest.mark.parametrize(
    ("resource", "ours"), [(resources.MODULES, (*OURS, *OF_A_BASE)), (resources.MODULE_REPLICA_SETS, OURS)]
)
async def test_all_labels_of_one_object_come_back_in_one_write(resource: Resource, ours: list[str]) -> None:
    world = await deployed()
    before = labels(world, resource)
    edit(world, resource, **dict.fromkeys(ours))
    edited = len(world.api.history)

    await world.rest()

    assert [event.resource for event in world.api.history[edited:]] == [resource]
    assert labels(world, resource) == before


async def test_whoever_takes_a_label_away_again_and_again_costs_few_writes() -> None:
    world = await deployed()
    began = len(world.api.history)

    for _ in range(50):
        edit(world, resources.MODULES, **{names.MODULE_NAME_LABEL: None})
        await world.run_for(0.1)
    writes = len(world.api.history) - began - 50
    await world.rest()

    assert writes <= 2
    assert labels(world, resources.MODULES)[0][names.MODULE_NAME_LABEL] == NAME


async def test_labels_changed_while_nobody_looked_lose_and_double_nothing() -> None:
    world = await deployed()
    modules = essence(world)
    before = labels(world, resources.MODULES), labels(world, resources.MODULE_REPLICA_SETS)
    for body in world.modules():
        others = {names.DEPLOYMENT_LABEL: "audit", names.REPLICA_SET_LABEL: None, names.MODULE_NAME_LABEL: "audit"}
        world.patch(resources.MODULES, body["metadata"]["name"], {"metadata": {"labels": others}})
    edit(world, resources.MODULE_REPLICA_SETS, **{names.DEPLOYMENT_LABEL: "audit", names.REVISION_LABEL: "7x"})
    world.deploy("1", name="audit", replicas=1)

    world.start()
    await world.rest()

    assert essence(world)[1:] == modules  # the first one is audit's
    assert (labels(world, resources.MODULES)[1:], labels(world, resources.MODULE_REPLICA_SETS)[1:]) == before
    assert world.installed() == ["audit:1", "orders:1", "orders:1"]
    assert sum(world.arklet.installs.values()) == 3


async def test_a_slots_clock_goes_on_in_an_upgrade_though_a_label_says_another_family() -> None:
    world = await deployed(replicas=1, bases=1, minReadySeconds=30)
    began = world.modules()[0]["status"]["slotActiveSince"]

    world.process.held.add(resources.MODULES)  # the label is changed right before the other version is there
    world.upgrade("2")
    await world.process.settle()
    world.process.held.clear()
    for body in world.modules()[:1]:
        edited = {"metadata": {"labels": {names.DEPLOYMENT_LABEL: "audit"}}}
        world.patch(resources.MODULES, body["metadata"]["name"], edited)
    await world.rest()

    (body,) = world.modules()
    assert body["spec"]["module"]["version"] == "2"
    assert body["status"]["slotActiveSince"] == began


async def test_a_base_with_another_address_is_found_by_it() -> None:
    world = await deployed(replicas=1, bases=1)

    address = world.pod_at(next(iter(world.arklet.serving())))
    world.arklet.running["10.9.9.9:1238"] = world.arklet.running.pop(f"{address['status']['podIP']}:1238")
    world.patch(resources.PODS, "base-00", {"status": {"podIP": "10.9.9.9"}}, "status")
    await world.rest()

    assert labels(world, resources.MODULES)[0][names.BASE_IP_LABEL] == "10.9.9.9"


async def test_an_earlier_version_that_comes_back_leaves_its_modules_the_number_that_they_were_made_with() -> None:
    world = await deployed(operationStrategy={"batchCount": 2, "needConfirm": True})
    await world.confirm_all()
    world.upgrade("2")
    await world.rest()
    world.upgrade("1")
    writes = len(world.api.history)
    await world.confirm_all()

    relabelled = [
        event
        for event in world.api.history[writes:]
        if event.resource == resources.MODULES
        and event.old
        and event.new
        and event.old["metadata"].get("labels") != event.new["metadata"].get("labels")
    ]
    assert world.progress() == "Completed"
    assert relabelled == []


async def test_the_numbers_of_revisions_stay_apart_and_the_newest_has_the_highest() -> None:
    world = await deployed()
    for version in ("2", "3"):
        world.clock.advance(1)
        world.upgrade(version)
        await world.rest()

    for body in world.api.list(resources.MODULE_REPLICA_SETS):
        world.patch(
            resources.MODULE_REPLICA_SETS,
            body["metadata"]["name"],
            {"metadata": {"labels": {names.REVISION_LABEL: "none"}}},
        )
    await world.rest()

    found = {
        body["spec"]["template"]["spec"]["module"]["version"]: body["metadata"]["labels"][names.REVISION_LABEL]
        for body in world.api.list(resources.MODULE_REPLICA_SETS)
    }
    assert found == {"1": "1", "2": "2", "3": "3"}


async def test_replicas_of_nobodys_revision_get_no_deployment_by_a_label() -> None:
    world = World()
    world.add_bases(1)
    world.replica_set("pay", "pay", 1)
    world.deploy("1", replicas=0)
    world.start()
    await world.rest()
    before = labels(world, resources.MODULES)

    edit(world, resources.MODULES, **{names.DEPLOYMENT_LABEL: NAME, names.REVISION_LABEL: "5"})
    await world.rest()

    assert labels(world, resources.MODULES) == before
    assert world.installed() == ["pay:1"]
    assert world.status()["replicas"] == 0
