"""Watches as a server with a modern etcd serves them, which the recordings don't show."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from moduledeploy.devcluster.cluster import DevCluster

MAPS = "/api/v1/namespaces/default/configmaps"
WATCH_LIST = (
    "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=5"
)


@pytest.fixture
async def cluster():
    async with DevCluster(controllers=False) as running:
        yield running


@pytest.fixture
async def http(cluster: DevCluster):
    async with aiohttp.ClientSession(cluster.url) as session:
        yield session


def put(cluster: DevCluster, name: str, **labels: str) -> None:
    cluster.api.create("configmaps", {"metadata": {"name": name, "namespace": "default", "labels": labels}})


async def events(response: aiohttp.ClientResponse, count: int) -> list[Any]:
    return [json.loads(await response.content.readline()) for _ in range(count)]


async def test_initial_events_end_with_an_annotated_bookmark_and_go_on_live(
    cluster: DevCluster, http: aiohttp.ClientSession
):
    put(cluster, "b")
    put(cluster, "a")

    async with http.get(f"{MAPS}?{WATCH_LIST}") as response:
        first, second, mark = await events(response, 3)
        put(cluster, "c")
        (live,) = await events(response, 1)

    assert [event["object"]["metadata"]["name"] for event in (first, second)] == ["a", "b"]
    assert mark["type"] == "BOOKMARK"
    assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert int(live["object"]["metadata"]["resourceVersion"]) > int(mark["object"]["metadata"]["resourceVersion"])


async def test_initial_events_are_selected(cluster: DevCluster, http: aiohttp.ClientSession):
    put(cluster, "a", app="x")
    put(cluster, "b", app="y")

    async with http.get(f"{MAPS}?{WATCH_LIST}&labelSelector=app%3Dy") as response:
        only, mark = await events(response, 2)

    assert only["object"]["metadata"]["name"] == "b"
    assert mark["type"] == "BOOKMARK"


async def test_a_version_that_is_gone_ends_the_watch_with_410(http: aiohttp.ClientSession):
    async with http.get(f"{MAPS}?watch=1&resourceVersion=1") as response:
        (event,) = await events(response, 1)

    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")


async def test_many_watchers_share_the_encoded_line(cluster: DevCluster, http: aiohttp.ClientSession):
    version = cluster.api.store.version
    put(cluster, "a")
    event = cluster.api.store.open("configmaps").events[-1]

    for _ in range(3):
        async with http.get(f"{MAPS}?watch=1&resourceVersion={version}&timeoutSeconds=5") as response:
            await events(response, 1)

    assert len(event.lines) == 1


async def test_a_closed_watch_leaves_no_cursor_behind(cluster: DevCluster, http: aiohttp.ClientSession):
    async with http.get(f"{MAPS}?watch=1&timeoutSeconds=1") as response:
        await response.read()

    assert not cluster.api.store.open("configmaps").cursors
