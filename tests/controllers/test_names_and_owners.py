"""Names that are taken, namesakes, and revisions that somebody deletes."""

from __future__ import annotations

from moduledeploy.api import names
from moduledeploy.controllers import resources
from moduledeploy.kube.resources import ObjectKey
from tests.controllers.memory_api import Body
from tests.controllers.world import NAME, World, deployed, module


def revisions(world: World) -> list[Body]:
    return world.api.list(resources.MODULE_REPLICA_SETS)


async def test_a_name_that_somebody_else_has_is_counted_as_a_collision() -> None:
    probe = await deployed()
    name = revisions(probe)[0]["metadata"]["name"]
    world = World()
    world.add_bases(3)
    world.replica_set(name, "audit", 1)
    world.deploy("1", replicas=2)
    world.start()

    await world.rest()

    assert world.progress() == "Completed"
    assert world.status()["collisionCount"] == 1
    assert world.installed() == ["audit:1", "orders:1", "orders:1"]


async def test_a_namesake_made_at_once_makes_nothing_for_revisions_that_are_about_to_be_collected() -> None:
    world = await deployed()
    world.delete()
    await world.process.settle()
    while world.api.find(resources.MODULE_DEPLOYMENTS, NAME) is not None:
        world.clock.advance(1)
        await world.process.settle()
    assert len(revisions(world)) == 1  # the garbage collector is slower than whoever makes it anew

    world.deploy("1", replicas=2)
    await world.process.settle()
    installs = sum(world.arklet.installs.values())
    await world.rest()

    assert sum(world.arklet.installs.values()) == installs == 4
    assert world.progress() == "Completed"
    assert len(revisions(world)) == 1


async def test_a_revision_that_is_being_deleted_gets_no_more_replicas() -> None:
    world = await deployed()
    old = revisions(world)[0]["metadata"]["name"]
    world.patch(resources.MODULE_REPLICA_SETS, old, {"metadata": {"finalizers": ["foregroundDeletion"]}})
    world.api.delete(resources.MODULE_REPLICA_SETS, ObjectKey("default", old))
    for body in world.modules():
        world.api.delete(resources.MODULES, ObjectKey("default", body["metadata"]["name"]))

    await world.rest()

    labels = [body["metadata"]["labels"][names.REPLICA_SET_LABEL] for body in world.modules()]
    assert old not in labels
    assert world.installed() == ["orders:1"] * 2
    assert world.progress() == "Completed"


async def test_no_history_is_kept_where_none_is_asked_for() -> None:
    world = await deployed(revisionHistoryLimit=0)
    for version in ("2", "3"):
        world.upgrade(version)
        await world.rest()

    (only,) = revisions(world)
    assert only["spec"]["template"]["spec"]["module"]["version"] == "3"


async def test_another_md5_and_another_annotation_are_revisions_of_their_own_and_going_back_reuses_the_first() -> None:
    world = await deployed()
    first = world.status()["releaseStatus"]["updateRevision"]
    changed = module("1")
    changed["spec"]["module"]["md5"] = "0" * 32
    world.edit(template=changed)
    await world.rest()
    with_md5 = world.status()["releaseStatus"]["updateRevision"]
    world.edit(template={**module("1"), "metadata": {"annotations": {"restarted": "now"}}})
    world.patch(resources.MODULE_DEPLOYMENTS, NAME, {"spec": {"template": {"spec": {"module": {"md5": None}}}}})
    await world.rest()
    with_annotation = world.status()["releaseStatus"]["updateRevision"]
    world.patch(resources.MODULE_DEPLOYMENTS, NAME, {"spec": {"template": {"metadata": None}}})
    await world.rest()

    assert len({first, with_md5, with_annotation}) == 3
    assert world.status()["releaseStatus"]["updateRevision"] == first
    assert sum(world.arklet.installs.values()) == 8
    assert world.progress() == "Completed"


async def test_a_cap_below_what_is_there_takes_nothing_away_and_nothing_more_in() -> None:
    world = await deployed(replicas=1, bases=1)
    pod = world.api.list(resources.PODS)[0]["metadata"]["name"]
    world.patch(resources.PODS, pod, {"metadata": {"labels": {names.CAP_LABEL: "0"}}})
    world.deploy("1", name="audit")
    await world.rest()

    assert world.installed() == ["orders:1"]
    assert "1 at max-module-count" in world.status("audit")["message"]
    world.upgrade("2")  # its place is its own
    await world.rest()
    assert world.installed() == ["orders:2"]


async def test_peers_follow_the_base_to_nothing_and_back_and_surge_pods_have_theirs() -> None:
    world = await deployed(replicas=-1, bases=2)
    addresses = list(world.arklet.serving())
    surge = world.add_bases(1)[0]
    world.patch(resources.DEPLOYMENTS, "base", {"spec": {"replicas": 2}})
    await world.rest()
    with_surge = list(world.arklet.serving())
    for address in (*addresses, surge):
        world.delete_base(address)
    world.patch(resources.DEPLOYMENTS, "base", {"spec": {"replicas": 0}})
    await world.rest()
    empty = world.status()["desiredReplicas"], world.modules(), world.progress()
    world.add_bases(3)
    await world.rest()

    assert surge in with_surge
    assert empty == (0, [], "Completed")
    assert world.installed() == ["orders:1"] * 3
    assert world.deployment()["spec"]["replicas"] == -1


async def test_a_module_deleted_by_hand_in_mid_rollout_is_made_anew_and_the_rollout_goes_on() -> None:
    world = await deployed(operationStrategy={"batchCount": 2, "needConfirm": True})
    await world.confirm_all()
    world.upgrade("2")
    await world.rest()
    for body in world.modules():
        world.api.delete(resources.MODULES, ObjectKey("default", body["metadata"]["name"]))
    await world.confirm_all()

    assert world.installed() == ["orders:2"] * 2
    assert world.progress() == "Completed"


async def test_a_base_deleted_during_an_install_loses_nothing_but_its_replica() -> None:
    world = World()
    first, _ = world.add_bases(2)
    world.deploy("1", replicas=1)

    def around(point: str) -> None:
        if point == "after install" and world.api.find(resources.PODS, "base-00") is not None:
            world.delete_base(first)

    world.around = around
    world.start()
    await world.rest()

    assert world.installed() == ["orders:1"]
    assert world.progress() == "Completed"
    assert len(world.modules()) == 1


async def test_nothing_is_taken_away_for_a_module_whose_name_somebody_else_has() -> None:
    probe = await deployed(replicas=1, bases=1)
    probe.upgrade("2")
    await probe.rest()
    (made,) = probe.modules()
    strategy = {"upgradePolicy": "uninstall_then_install"}
    world = await deployed(replicas=1, bases=1, operationStrategy=strategy, maxUnavailable=1)
    elsewhere = {"base": {"name": "gone", "uid": "gone"}, "module": {**made["spec"]["module"], "name": "other"}}
    world.api.create(resources.MODULES, "default", {"metadata": {"name": made["metadata"]["name"]}, "spec": elsewhere})

    world.upgrade("2")
    await world.rest()

    assert world.installed() == ["orders:1"]
    world.api.delete(resources.MODULES, ObjectKey("default", made["metadata"]["name"]))
    world.annotate(resources.MODULE_DEPLOYMENTS, NAME, retry="now")
    await world.rest()
    assert world.installed() == ["orders:2"]
