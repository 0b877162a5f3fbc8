"""EndpointSlices say which pods serve."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from tests.devcluster.controllers.world import NS, service, template

if TYPE_CHECKING:
    from tests.devcluster.controllers.world import World


def pod(world: World, name: str, *, node: str = "n1", address: str = "", **labels: str) -> None:
    meta = {"name": name, "namespace": NS, "labels": labels or {"app": "base"}}
    world.api.create("pods", {"metadata": meta, "spec": {**template()["spec"], "nodeName": node}})
    world.report(name, address=address or f"127.9.0.{len(world.pods())}")


def slices(world: World) -> list[dict[str, Any]]:
    return world.api.list("endpointslices.discovery.k8s.io", NS)


def endpoints(world: World) -> dict[str, tuple[bool, bool, bool]]:
    """Ready, serving and terminating of each pod."""
    found = [endpoint for obj in slices(world) for endpoint in obj["endpoints"] or []]
    assert len({endpoint["targetRef"]["name"] for endpoint in found}) == len(found)
    return {
        e["targetRef"]["name"]: (e["conditions"]["ready"], e["conditions"]["serving"], e["conditions"]["terminating"])
        for e in found
    }


async def test_pods_come_and_go_with_label_readiness_and_deletion(world: World) -> None:
    world.api.create("nodes", {"metadata": {"name": "n1"}})
    world.api.create("services", service())
    pod(world, "p1")
    pod(world, "p2")
    world.report("p2", ready=False)
    await world.settle()
    both = endpoints(world)

    world.patch("pods", "p2", metadata={"labels": {"app": None}})
    world.api.delete("pods", "p1", namespace=NS)
    await world.settle()

    assert both == {"p1": (True, True, False), "p2": (False, False, False)}
    assert endpoints(world) == {"p1": (False, True, True)}
    [only] = slices(world)
    assert only["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    world.api.delete("pods", "p1", namespace=NS, grace_s=0)
    await world.settle()
    assert [(obj["metadata"]["name"], obj["endpoints"], obj["ports"]) for obj in slices(world)] == [
        (only["metadata"]["name"], None, None)
    ]


async def test_a_pod_whose_node_does_not_exist_is_left_out(world: World) -> None:
    world.api.create("services", service())
    pod(world, "p1", node="ghost")
    await world.settle()
    before = endpoints(world)

    world.api.create("nodes", {"metadata": {"name": "ghost"}})
    await world.settle()

    assert before == {}
    assert endpoints(world) == {"p1": (True, True, False)}


async def test_a_slice_holds_a_hundred_pods_at_most(world: World) -> None:
    world.api.create("nodes", {"metadata": {"name": "n1"}})
    world.api.create("services", service())
    for number in range(250):
        pod(world, f"p{number}")
    await world.settle()

    assert len(endpoints(world)) == 250
    assert sorted(len(obj["endpoints"]) for obj in slices(world)) == [50, 100, 100]


async def test_a_change_of_the_service_is_followed(world: World) -> None:
    world.api.create("nodes", {"metadata": {"name": "n1"}})
    world.api.create("services", service())
    pod(world, "p1")
    pod(world, "p2", tier="other")
    await world.settle()

    world.patch("services", "svc", spec={"selector": {"app": None, "tier": "other"}})
    await world.settle()

    assert set(endpoints(world)) == {"p2"}


async def test_a_slice_that_somebody_deleted_is_written_again(world: World) -> None:
    world.api.create("nodes", {"metadata": {"name": "n1"}})
    world.api.create("services", service())
    pod(world, "p1")
    await world.settle()

    world.api.delete("endpointslices.discovery.k8s.io", slices(world)[0]["metadata"]["name"], namespace=NS)
    await world.settle()

    assert set(endpoints(world)) == {"p1"}


async def test_the_slices_of_a_deleted_service_go(world: World) -> None:
    world.api.create("services", service())
    await world.settle()
    assert len(slices(world)) == 1

    world.api.delete("services", "svc", namespace=NS)
    await world.settle()

    assert slices(world) == []


async def test_whatever_happens_the_slices_say_what_the_pods_are(world: World) -> None:
    world.api.create("nodes", {"metadata": {"name": "n1"}})
    world.api.create("services", service())
    draw = random.Random(7)
    for step in range(200):
        name = f"p{draw.randrange(12)}"
        found = world.api.find("pods", name, NS)
        match draw.randrange(5):
            case _ if found is None:
                pod(world, name)
            case 0:
                world.api.delete("pods", name, namespace=NS, grace_s=draw.choice([0, 30]))
            case 1 if not found["metadata"].get("deletionTimestamp"):
                world.patch("pods", name, metadata={"labels": {"app": draw.choice(["base", None])}})
            case _:
                world.report(name, ready=draw.random() < 0.5, address=f"127.9.1.{step % 200 + 1}")
        if step % 10 == 0:
            await world.settle()
            wanted = {}
            for obj in world.pods(app="base"):
                ready = obj["status"]["conditions"][0]["status"] == "True"
                gone = bool(obj["metadata"].get("deletionTimestamp"))
                wanted[obj["metadata"]["name"]] = (ready and not gone, ready, gone)
            assert endpoints(world) == wanted
