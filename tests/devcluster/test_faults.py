"""Faults strike the requests they are meant for, as often as they are meant to, and are logged."""

from __future__ import annotations

import json

import aiohttp
import anyio
import pytest

from moduledeploy.devcluster.bases import LocalBases
from moduledeploy.devcluster.cluster import DevCluster
from moduledeploy.devcluster.errors import ApiError
from moduledeploy.devcluster.faults import Fault, Faults
from moduledeploy.devcluster.requests import parse_target

MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
async def cluster():
    async with DevCluster(controllers=False) as running:
        yield running


@pytest.fixture
async def http(cluster: DevCluster):
    async with aiohttp.ClientSession(cluster.url) as session:
        yield session


def body(name: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}


async def test_an_error_strikes_so_often_and_no_more(cluster: DevCluster, http: aiohttp.ClientSession):
    cluster.faults.add(Fault(kind="error", verb="create", resource="configmaps", times=2, code=503))

    codes = [(await http.post(MAPS, json=body("a"))).status for _ in range(3)]

    assert codes == [503, 503, 201]
    assert [entry["kind"] for entry in cluster.faults.log] == ["error", "error"]


async def test_too_many_requests_say_when_to_come_back(cluster: DevCluster, http: aiohttp.ClientSession):
    cluster.faults.add(Fault(kind="too_many", verb="list", seconds=3))

    response = await http.get(MAPS)

    assert response.status == 429
    assert response.headers["Retry-After"] == "3"


async def test_a_lost_reply_has_taken_effect(cluster: DevCluster, http: aiohttp.ClientSession):
    cluster.faults.add(Fault(kind="lost_reply", verb="create", times=1))

    with pytest.raises(aiohttp.ClientError):
        await http.post(MAPS, json=body("a"))

    assert cluster.api.find("configmaps", "a", "default") is not None


async def test_a_cut_watch_ends_in_mid_line(cluster: DevCluster, http: aiohttp.ClientSession):
    for name in ("a", "b"):
        cluster.api.create("configmaps", {"metadata": {"name": name, "namespace": "default"}})
    cluster.faults.add(Fault(kind="cut", verb="watch", events=1))

    received = bytearray()

    async def receive() -> None:
        async with http.get(MAPS + "?watch=1&timeoutSeconds=2") as response:
            async for chunk in response.content.iter_any():
                received.extend(chunk)

    with pytest.raises(aiohttp.ClientPayloadError):
        await receive()

    first, rest = received.split(b"\n")
    assert json.loads(first)["object"]["metadata"]["name"] == "a"
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(rest)


async def test_a_watch_is_told_that_its_version_is_gone(cluster: DevCluster, http: aiohttp.ClientSession):
    cluster.faults.add(Fault(kind="gone", verb="watch"))

    async with http.get(MAPS + "?watch=1&resourceVersion=5&timeoutSeconds=2") as response:
        event = json.loads(await response.text())

    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)


async def test_stale_reads_show_an_older_state(cluster: DevCluster, http: aiohttp.ClientSession):
    cluster.api.create("configmaps", {"metadata": {"name": "a", "namespace": "default"}})
    cluster.api.create("configmaps", {"metadata": {"name": "b", "namespace": "default"}})
    cluster.faults.add(Fault(kind="stale", verb="list", versions=1))

    listed = await (await http.get(MAPS)).json()

    assert [item["metadata"]["name"] for item in listed["items"]] == ["a"]


async def test_faults_are_controlled_over_http(cluster: DevCluster, http: aiohttp.ClientSession):
    await http.post("/devcluster/faults", json={"kind": "error", "verb": "get", "name": "a.*", "code": 500})
    struck = await http.get(MAPS + "/abc")
    spared = await http.get(MAPS + "/bcd")
    listed = await (await http.get("/devcluster/faults")).json()
    await http.delete("/devcluster/faults")

    assert (struck.status, spared.status) == (500, 404)
    assert [rule["struck"] for rule in listed["rules"]] == [1]
    assert (await http.get(MAPS + "/abc")).status == 404


async def test_an_unknown_fault_is_refused(http: aiohttp.ClientSession):
    assert (await http.post("/devcluster/faults", json={"kind": "earthquake"})).status == 400


def test_the_same_seed_strikes_the_same_requests():
    target = parse_target("GET", MAPS, watch=False)

    def strikes() -> list[bool]:
        faults = Faults(seed=7)
        faults.add(Fault(kind="error", probability=0.5))
        return [faults.strike(target) is not None for _ in range(50)]

    assert strikes() == strikes()
    assert 10 < sum(strikes()) < 40


async def test_faults_of_bases_are_controlled_over_http(cluster: DevCluster, http: aiohttp.ClientSession):
    rule = {"kind": "arklet_failing", "verb": "installBiz"}
    before = await http.post("/devcluster/faults", json=rule)
    async with anyio.create_task_group() as playing:
        await playing.start(LocalBases(cluster.api, faults=cluster.faults).run)
        meanwhile = await http.post("/devcluster/faults", json=rule)
        playing.cancel_scope.cancel()

    assert (before.status, meanwhile.status) == (400, 200)


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "error", "colour": "red"},
        {"kind": "error", "times": "often"},
        {"kind": "error", "name": "("},
        {"kind": "arklet_error", "module": "["},
        ["error"],
    ],
)
def test_what_is_no_fault_is_refused(rule: object):
    with pytest.raises(ApiError) as refused:
        Fault.parse(rule)

    assert refused.value.code == 400
