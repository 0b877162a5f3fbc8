"""Feeds tell every change once, even to those who fell behind."""

from __future__ import annotations

from moduledeploy.devcluster.controllers.feeds import Feed
from moduledeploy.devcluster.local import Seen
from tests.clock import ManualClock
from tests.devcluster.controllers.world import new_api


def config(name: str) -> dict[str, object]:
    return {"metadata": {"name": name, "namespace": "ns"}}


async def test_a_handler_hears_of_what_is_there_and_then_of_every_change() -> None:
    api = new_api(ManualClock())
    api.create("configmaps", config("a"))
    feed, heard = Feed(api, "configmaps"), list[tuple[str, str]]()
    feed.add_handler(lambda event: heard.append((event.change, event.obj["metadata"]["name"])))

    api.create("configmaps", config("b"))
    api.delete("configmaps", "a", namespace="ns")
    feed.pump()

    assert heard == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a")]


async def test_a_feed_that_fell_behind_tells_the_difference() -> None:
    api = new_api(ManualClock())
    api.store.open("configmaps").capacity = 10
    for name in ("gone", "kept", "changed"):
        api.create("configmaps", config(name))
    feed, heard = Feed(api, "configmaps"), list[Seen]()
    feed.add_handler(heard.append)
    heard.clear()

    for number in range(30):
        api.patch("configmaps", "changed", {"data": {"n": str(number)}}, namespace="ns")
    api.delete("configmaps", "gone", namespace="ns")
    api.create("configmaps", config("new"))
    feed.pump()

    assert {(event.change, event.obj["metadata"]["name"]) for event in heard} == {
        ("DELETED", "gone"),
        ("MODIFIED", "changed"),
        ("ADDED", "new"),
    }
    assert set(feed.objects) == {("ns", "kept"), ("ns", "changed"), ("ns", "new")}
