"""Namespaces are equipped when they come and emptied when they go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.devcluster.controllers.world import NS, deployment

if TYPE_CHECKING:
    from tests.devcluster.controllers.world import World


async def test_a_namespace_gets_a_default_service_account_and_gets_it_back(world: World) -> None:
    world.api.delete("serviceaccounts", "default", namespace=NS)
    await world.settle()

    assert world.the("serviceaccounts", "default")


async def test_a_deleted_namespace_goes_with_all_that_is_in_it(world: World) -> None:
    world.api.create("deployments.apps", deployment(3))
    await world.make_ready()

    world.api.delete("namespaces", NS)
    await world.clock.run_for(2)

    assert world.api.find("namespaces", NS) is None
    assert world.pods() == []
    assert world.sets() == {}


async def test_a_namespace_waits_for_finalizers_and_says_so(world: World) -> None:
    world.api.create("configmaps", {"metadata": {"name": "held", "namespace": NS, "finalizers": ["example.com/hold"]}})

    world.api.delete("namespaces", NS)
    await world.clock.run_for(2)
    [condition] = world.api.get("namespaces", NS)["status"]["conditions"]
    world.patch("configmaps", "held", metadata={"finalizers": None})
    await world.clock.run_for(2)

    assert condition["message"] == "Some resources are remaining: configmaps has 1 resource instances"
    assert world.api.find("namespaces", NS) is None


async def test_the_pods_of_a_node_that_is_deleted_go(world: World) -> None:
    world.api.create("nodes", {"metadata": {"name": "n1"}})
    spec = {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]}
    world.api.create("pods", {"metadata": {"name": "p", "namespace": NS}, "spec": spec})
    await world.settle()

    world.api.delete("nodes", "n1")
    await world.settle()

    assert world.pods() == []
