"""Dependents follow their owners."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from tests.devcluster.controllers.world import NS, deployment

if TYPE_CHECKING:
    from moduledeploy.devcluster.local import Propagation
    from tests.devcluster.controllers.world import World


POLICIES: tuple[Propagation, ...] = ("Background", "Foreground", "Orphan")


def reference(owner: dict[str, Any], *, blocks: bool = False) -> dict[str, Any]:
    meta = owner["metadata"]
    named = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": meta["name"], "uid": meta["uid"]}
    return {**named, "blockOwnerDeletion": True} if blocks else named


def config(world: World, name: str, *owners: dict[str, Any], **meta: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": NS, "ownerReferences": list(owners), **meta}
    return world.api.create("configmaps", {"metadata": metadata})


def names(world: World) -> list[str]:
    return [obj["metadata"]["name"] for obj in world.api.list("configmaps", NS)]


@pytest.mark.parametrize("policy", [None, "Background", "Foreground"])
async def test_deleting_an_owner_deletes_all_that_hangs_on_it(world: World, policy: Propagation | None) -> None:
    world.api.create("deployments.apps", deployment(3))
    await world.make_ready()
    config(world, "child", reference(world.the("deployments.apps", "base")))

    world.api.delete("deployments.apps", "base", namespace=NS, propagation=policy)
    await world.settle()

    assert world.api.list("deployments.apps", NS) == []
    assert world.sets() == {}
    assert world.pods() == []
    assert names(world) == []


async def test_an_owner_deleted_in_the_foreground_waits_for_those_that_block_it(world: World) -> None:
    owner = config(world, "owner")
    config(world, "blocks", reference(owner, blocks=True), finalizers=["example.com/hold"])
    config(world, "free", reference(owner), finalizers=["example.com/hold"])

    world.api.delete("configmaps", "owner", namespace=NS, propagation="Foreground")
    await world.settle()
    waiting = names(world)
    world.patch("configmaps", "blocks", metadata={"finalizers": None})
    await world.settle()

    assert waiting == ["blocks", "free", "owner"]
    assert names(world) == ["free"]


async def test_orphans_lose_their_reference_and_stay(world: World) -> None:
    owner = config(world, "owner")
    config(world, "child", reference(owner))

    world.api.delete("configmaps", "owner", namespace=NS, propagation="Orphan")
    await world.settle()

    assert names(world) == ["child"]
    assert "ownerReferences" not in world.the("configmaps", "child")["metadata"]


async def test_an_object_with_another_owner_stays(world: World) -> None:
    one, two = config(world, "one"), config(world, "two")
    config(world, "child", reference(one), reference(two))

    world.api.delete("configmaps", "one", namespace=NS)
    await world.settle()

    assert names(world) == ["child", "two"]
    assert [owner["name"] for owner in world.the("configmaps", "child")["metadata"]["ownerReferences"]] == ["two"]


async def test_an_object_whose_owner_never_was_is_deleted(world: World) -> None:
    config(world, "lost", {"apiVersion": "v1", "kind": "ConfigMap", "name": "ghost", "uid": "no-such-uid"})
    await world.settle()

    assert names(world) == []


@pytest.mark.parametrize("wrong", [{"name": "other"}, {"kind": "Secret"}])
async def test_an_owner_of_another_name_or_kind_is_none(world: World, wrong: dict[str, str]) -> None:
    owner = config(world, "owner")
    config(world, "dependent", {**reference(owner), **wrong})
    await world.settle()

    assert names(world) == ["owner"]


async def test_an_object_whose_owners_kind_is_not_served_stays(world: World) -> None:
    owner = config(world, "owner")
    config(world, "dependent", {**reference(owner), "apiVersion": "none.example.com/v1"})
    world.api.delete("configmaps", "owner", namespace=NS)
    await world.settle()

    assert names(world) == ["dependent"]


async def test_chains_are_followed_to_the_end(world: World) -> None:
    owner = config(world, "a")
    for name in ("b", "c", "d"):
        owner = config(world, name, reference(owner))

    world.api.delete("configmaps", "a", namespace=NS)
    await world.settle()

    assert names(world) == []


async def test_a_circle_of_owners_is_broken(world: World) -> None:
    one = config(world, "one")
    two = config(world, "two", reference(one, blocks=True))
    world.patch("configmaps", "one", metadata={"ownerReferences": [reference(two, blocks=True)]})

    world.api.delete("configmaps", "one", namespace=NS, propagation="Foreground")
    await world.settle()

    assert names(world) == []


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_is_deleted_in_whatever_way_nothing_hangs_and_nothing_wanted_goes(
    world: World, seed: int
) -> None:
    draw = random.Random(seed)
    deleted: set[str] = set()
    for number in range(30):
        there = world.api.list("configmaps", NS)
        owners = draw.sample(there, min(len(there), draw.choice([0, 1, 1, 2])))
        config(world, f"c{number}", *(reference(owner, blocks=draw.random() < 0.5) for owner in owners))
        if draw.random() < 0.3 and there:
            name = draw.choice(there)["metadata"]["name"]
            world.api.delete("configmaps", name, namespace=NS, propagation=draw.choice(POLICIES))
            deleted.add(name)
        if draw.random() < 0.3:
            await world.settle()
    await world.settle()

    left = {obj["metadata"]["uid"]: obj["metadata"] for obj in world.api.list("configmaps", NS)}
    assert deleted.isdisjoint(meta["name"] for meta in left.values())
    for meta in left.values():
        assert "deletionTimestamp" not in meta
        assert all(owner["uid"] in left for owner in meta.get("ownerReferences", []))
