"""The same life of base pods on the embedded cluster and on a real one with its own controllers."""

from __future__ import annotations

import json
import os
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest

from moduledeploy.devcluster.arklet import PREFIX
from moduledeploy.devcluster.cluster import DevCluster
from moduledeploy.kube.config import load_credentials
from moduledeploy.kube.errors import NotFound
from moduledeploy.kube.resources import MERGE_PATCH
from moduledeploy.kube.transport import Transport
from moduledeploy.runtime.metrics import Metrics
from tests.devcluster.bases.devbases import devbases
from tests.devcluster.controllers.world import deployment, template

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

pytestmark = pytest.mark.slow
WITHIN_S = 30.0


@attrs.frozen
class Client:
    """Requests in one namespace."""

    transport: Transport
    namespace: str

    async def send(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        content_type = MERGE_PATCH if method == "PATCH" else "application/json"
        answer = await self.transport.request(method, path, body=body, content_type=content_type)
        parsed: dict[str, Any] = json.loads(answer)
        return parsed

    @property
    def deployments(self) -> str:
        return f"/apis/apps/v1/namespaces/{self.namespace}/deployments"

    @property
    def pods(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods"

    async def live(self) -> dict[str, dict[str, Any]]:
        """The pods that are not on their way out."""
        found = (await self.send("GET", self.pods))["items"]
        return {pod["metadata"]["name"]: pod for pod in found if not pod["metadata"].get("deletionTimestamp")}

    async def is_available(self, replicas: int) -> bool:
        found = await self.send("GET", f"{self.deployments}/base")
        status = found["status"]
        counts = {status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")}
        is_observed = status.get("observedGeneration") == found["metadata"]["generation"]
        return is_observed and counts == {replicas} and len(await self.live()) == replicas


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    with anyio.fail_after(WITHIN_S):
        while not await condition():  # noqa: ASYNC110 -- another process changes what is asked for
            await anyio.sleep(0.05)


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.realapi)])
async def kubeconfig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Path]:
    if request.param == "embedded":
        async with DevCluster() as cluster:
            yield cluster.write_kubeconfig(tmp_path / "kubeconfig")
        return
    if "KUBECONFIG" not in os.environ or "realapi" not in request.config.option.markexpr:
        pytest.skip(
            "NOT CHECKED on a real cluster: set KUBECONFIG to one with kube-controller-manager, pass -m realapi"
        )
    yield Path(os.environ["KUBECONFIG"])


@pytest.fixture
async def client(kubeconfig: Path) -> AsyncIterator[Client]:
    credentials = await load_credentials(kubeconfig=str(kubeconfig))
    async with Transport(credentials=credentials, user_agent="tests", metrics=Metrics().client) as transport:
        client = Client(transport, f"bases-{token_hex(4)}")
        await client.send("POST", "/api/v1/namespaces", {"metadata": {"name": client.namespace}})
        account = f"/api/v1/namespaces/{client.namespace}/serviceaccounts/default"

        async def has_account() -> bool:
            try:
                return bool(await client.send("GET", account))
            except NotFound:
                return False

        await until(has_account)
        yield client
        await client.send("DELETE", f"/api/v1/namespaces/{client.namespace}")


async def test_base_pods_start_restart_roll_and_go(kubeconfig: Path, client: Client) -> None:
    wanted = deployment(3)
    wanted["metadata"]["namespace"] = client.namespace
    await client.send("POST", client.deployments, {"apiVersion": "apps/v1", "kind": "Deployment", **wanted})
    async with devbases(kubeconfig):
        await until(lambda: client.is_available(3))
        name, pod = next(iter((await client.live()).items()))
        stream = await anyio.connect_tcp(pod["status"]["podIP"], 1238)
        await stream.aclose()

        await client.send("PATCH", f"{client.pods}/{name}", {"metadata": {"annotations": {PREFIX + "restart": "1"}}})

        async def is_restarted() -> bool:
            status = (await client.send("GET", f"{client.pods}/{name}"))["status"]["containerStatuses"][0]
            return bool(status["restartCount"] == 1 and status["ready"])

        await until(is_restarted)
        await client.send("DELETE", f"{client.pods}/{name}")
        await until(lambda: client.is_available(3))
        assert name not in await client.live()

        await client.send("PATCH", f"{client.deployments}/base", {"spec": {"replicas": 4, "template": template("2")}})
        await until(lambda: client.is_available(4))
        images = {pod["spec"]["containers"][0]["image"] for pod in (await client.live()).values()}
        assert images == {"base:2"}

        await client.send("DELETE", f"{client.deployments}/base?propagationPolicy=Foreground")

        async def are_gone() -> bool:
            return not (await client.send("GET", client.pods))["items"]

        await until(are_gone)


async def test_a_base_among_other_containers_is_ready_and_restarted_alone(kubeconfig: Path, client: Client) -> None:
    wanted = deployment(2)
    wanted["metadata"]["namespace"] = client.namespace
    spec = wanted["spec"]["template"]["spec"]
    spec["initContainers"] = [
        {"name": "prepare", "image": "prepare:1"},
        {"name": "mesh", "image": "mesh:1", "restartPolicy": "Always"},
    ]
    spec["containers"] = [
        {"name": "logs", "image": "logs:1"},
        {"name": "base", "image": "base:1", "ports": [{"name": "arklet", "containerPort": 1239}]},
    ]
    await client.send("POST", client.deployments, {"apiVersion": "apps/v1", "kind": "Deployment", **wanted})
    async with devbases(kubeconfig):
        await until(lambda: client.is_available(2))
        name, pod = next(iter((await client.live()).items()))
        stream = await anyio.connect_tcp(pod["status"]["podIP"], 1239)
        await stream.aclose()
        await client.send("PATCH", f"{client.pods}/{name}", {"metadata": {"annotations": {PREFIX + "restart": "1"}}})

        async def restarts() -> dict[str, int]:
            status = (await client.send("GET", f"{client.pods}/{name}"))["status"]
            return {c["name"]: c["restartCount"] for c in status["initContainerStatuses"] + status["containerStatuses"]}

        async def is_restarted() -> bool:
            return (await restarts())["base"] == 1

        await until(is_restarted)
        assert await restarts() == {"prepare": 0, "mesh": 0, "logs": 0, "base": 1}


async def test_bases_on_the_hosts_network_roll_with_surge(kubeconfig: Path, client: Client) -> None:
    wanted = deployment(3)
    wanted["metadata"]["namespace"] = client.namespace
    wanted["spec"]["strategy"] = {"rollingUpdate": {"maxSurge": 2, "maxUnavailable": 0}}
    wanted["spec"]["template"]["spec"]["hostNetwork"] = True
    await client.send("POST", client.deployments, {"apiVersion": "apps/v1", "kind": "Deployment", **wanted})
    async with devbases(kubeconfig):
        await until(lambda: client.is_available(3))
        before = set(await client.live())
        await client.send("PATCH", f"{client.deployments}/base", {"spec": {"template": template("2")}})
        await until(lambda: client.is_available(3))
        pods = await client.live()

        assert not before & pods.keys()
        assert all(pod["status"]["hostIP"] == pod["status"]["podIP"] for pod in pods.values())


async def test_evicted_bases_and_those_of_lost_nodes_are_replaced(kubeconfig: Path, client: Client) -> None:
    wanted = deployment(3)
    wanted["metadata"]["namespace"] = client.namespace
    await client.send("POST", client.deployments, {"apiVersion": "apps/v1", "kind": "Deployment", **wanted})
    async with devbases(kubeconfig):
        await until(lambda: client.is_available(3))
        name = next(iter(await client.live()))
        await client.send("PATCH", f"{client.pods}/{name}", {"metadata": {"annotations": {PREFIX + "evict": "true"}}})

        async def has_successor() -> bool:
            pods = await client.live()
            return pods[name]["status"].get("reason") == "Evicted" and len(pods) == 4

        await until(has_successor)
        node = next(pod["spec"]["nodeName"] for pod in (await client.live()).values())
        try:
            await client.send(
                "PATCH", f"/api/v1/nodes/{node}", {"metadata": {"annotations": {PREFIX + "lost": "true"}}}
            )

            async def are_unready() -> bool:
                of_node = [pod for pod in (await client.live()).values() if pod["spec"]["nodeName"] == node]
                states = [
                    c["status"] for pod in of_node for c in pod["status"].get("conditions", []) if c["type"] == "Ready"
                ]
                return bool(states) and "True" not in states

            await until(are_unready)
        finally:
            await client.send("PATCH", f"/api/v1/nodes/{node}", {"metadata": {"annotations": {PREFIX + "lost": None}}})
        await client.send("DELETE", f"{client.pods}/{name}")
        await until(lambda: client.is_available(3))
