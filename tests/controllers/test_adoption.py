"""What was left behind without an owner is taken over by the ModuleDeployment of its name, and nothing on the bases is touched."""

from __future__ import annotations

from moduledeploy.api.names import DEPLOYMENT_LABEL, MODULE_DEPLOYMENT
from moduledeploy.controllers import resources
from moduledeploy.controllers.facts import FamilyKey
from moduledeploy.kube.resources import ObjectKey, Resource
from tests.controllers.world import NAME, World, deployed


def orphan(world: World, resource: Resource) -> None:
    """Take the owner from every object of the kind, as the garbage collector does for propagationPolicy Orphan."""
    for body in world.api.list(resource):
        world.patch(resource, body["metadata"]["name"], {"metadata": {"ownerReferences": None}})


async def test_modules_of_a_revision_deleted_without_them_come_back_under_the_new_one() -> None:
    world = await deployed(replicas=3, bases=5)
    before = [module["metadata"]["uid"] for module in world.modules()]
    revision = world.api.list(resources.MODULE_REPLICA_SETS)[0]["metadata"]["name"]

    # As propagationPolicy Orphan goes: a finalizer holds the object until the collector has taken it from its dependents.
    world.patch(resources.MODULE_REPLICA_SETS, revision, {"metadata": {"finalizers": ["orphan"]}})
    world.api.delete(resources.MODULE_REPLICA_SETS, ObjectKey("default", revision))
    await world.rest()
    orphan(world, resources.MODULES)
    await world.rest()
    world.patch(resources.MODULE_REPLICA_SETS, revision, {"metadata": {"finalizers": None}})
    await world.rest()

    (made,) = world.api.list(resources.MODULE_REPLICA_SETS)
    owners = {module["metadata"]["ownerReferences"][0]["uid"] for module in world.modules()}
    assert [module["metadata"]["uid"] for module in world.modules()] == before
    assert owners == {made["metadata"]["uid"]}
    assert (made["status"]["replicas"], made["status"]["availableReplicas"]) == (3, 3)
    assert world.installed() == ["orders:1"] * 3
    assert world.progress() == "Completed"


async def test_a_deployment_made_again_takes_over_what_its_namesake_left() -> None:
    world = await deployed(replicas=3, bases=5)
    before = [module["metadata"]["uid"] for module in world.modules()]
    world.patch(resources.MODULE_DEPLOYMENTS, NAME, {"metadata": {"finalizers": ["orphan"]}})
    world.delete()
    orphan(world, resources.MODULE_REPLICA_SETS)
    world.patch(resources.MODULE_DEPLOYMENTS, NAME, {"metadata": {"finalizers": None}})
    await world.rest()

    world.deploy("1", replicas=3)
    for _ in range(5):  # before the ModuleReplicaSet, which acted alone until now, has its turn
        world.process.deliver()
        world.process.queue.due[FamilyKey(MODULE_DEPLOYMENT, "default", NAME)] = float("-inf")
        await world.process.turn()
    await world.rest()

    assert [module["metadata"]["uid"] for module in world.modules()] == before
    assert len(world.api.list(resources.MODULE_REPLICA_SETS)) == 1
    assert world.progress() == "Completed"
    assert "OlderFamilyActs" not in world.events.reasons


async def test_a_deployment_made_again_takes_over_the_service_that_its_namesake_left() -> None:
    world = World()
    world.add_bases(2)
    service = {"enableModuleService": True, "port": 80, "targetPort": 8080}
    world.deploy("1", replicas=2, operationStrategy={"serviceStrategy": service})
    world.start()
    await world.rest()
    world.patch(resources.MODULE_DEPLOYMENTS, NAME, {"metadata": {"finalizers": ["orphan"]}})
    world.delete()
    orphan(world, resources.MODULE_REPLICA_SETS)
    orphan(world, resources.SERVICES)
    world.patch(resources.MODULE_DEPLOYMENTS, NAME, {"metadata": {"finalizers": None}})
    await world.rest()

    world.deploy("1", replicas=2, operationStrategy={"serviceStrategy": {**service, "port": 81}})
    await world.rest()

    (left,) = world.api.list(resources.SERVICES)
    assert [owner["uid"] for owner in left["metadata"]["ownerReferences"]] == [world.deployment()["metadata"]["uid"]]
    assert left["spec"]["ports"][0]["port"] == 81
    assert world.progress() == "Completed"


async def test_replicas_made_while_nobody_owned_the_revision_have_the_labels_of_the_others() -> None:
    world = await deployed(replicas=2, bases=3)
    world.delete(orphan=True)
    await world.rest()
    world.delete_base(next(iter(world.arklet.serving())))
    await world.rest()

    world.deploy("1", replicas=2)
    await world.rest()

    assert len(world.installed()) == 2
    assert [module["metadata"]["labels"][DEPLOYMENT_LABEL] for module in world.modules()] == [NAME] * 2


async def test_an_orphan_of_another_version_than_its_revision_is_left_alone() -> None:
    world = await deployed(replicas=1, bases=2)
    (module,) = world.modules()
    body = {
        "metadata": {"name": "by-hand", "labels": module["metadata"]["labels"]},
        "spec": {**module["spec"], "module": {**module["spec"]["module"], "version": "9"}},
    }

    world.api.create(resources.MODULES, "default", body)
    await world.rest()

    made = world.api.get(resources.MODULES, "by-hand")
    assert "ownerReferences" not in made["metadata"]
    assert world.status()["replicas"] == 1
