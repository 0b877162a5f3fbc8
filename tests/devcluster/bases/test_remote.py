"""Simulated bases as a process of their own, over HTTP."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from moduledeploy.devcluster.arklet import PREFIX
from moduledeploy.devcluster.cluster import DevCluster
from tests.clock import eventually
from tests.devcluster.bases.devbases import devbases
from tests.devcluster.controllers.world import deployment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture
async def cluster() -> AsyncIterator[DevCluster]:
    async with DevCluster() as running:
        running.api.create("namespaces", {"metadata": {"name": "shop"}})
        yield running


def pods(cluster: DevCluster) -> list[dict[str, Any]]:
    return cluster.api.list("pods", "shop")


async def until_ready(cluster: DevCluster, replicas: int) -> None:
    def is_ready() -> bool:
        status = cluster.api.get("deployments.apps", "base", "shop").get("status", {})
        return bool(status.get("readyReplicas") == replicas == len(pods(cluster)))

    await eventually(is_ready)


async def test_pods_live_and_die_over_http(cluster: DevCluster, tmp_path: Path) -> None:
    cluster.api.create("deployments.apps", deployment(3))
    async with devbases(cluster.write_kubeconfig(tmp_path / "kubeconfig")) as process:
        await until_ready(cluster, 3)
        first = pods(cluster)[0]
        stream = await anyio.connect_tcp(first["status"]["podIP"], 1238)
        await stream.aclose()
        name, annotations = first["metadata"]["name"], {PREFIX + "restart": "1"}

        cluster.api.patch("pods", name, {"metadata": {"annotations": annotations}}, namespace="shop")
        await eventually(
            lambda: cluster.api.get("pods", name, "shop")["status"]["containerStatuses"][0]["restartCount"] == 1
        )
        cluster.api.delete("pods", name, namespace="shop")
        await eventually(lambda: name not in [pod["metadata"]["name"] for pod in pods(cluster)])
        await until_ready(cluster, 3)
        leases = cluster.api.list("leases.coordination.k8s.io", "kube-node-lease")

        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0

    assert {lease["metadata"]["name"] for lease in leases} == {"simulated-1", "simulated-2", "simulated-3"}
    assert {node["metadata"]["name"] for node in cluster.api.list("nodes")} == {
        "simulated-1",
        "simulated-2",
        "simulated-3",
    }


async def test_a_lost_node_is_told_and_its_pods_with_it(cluster: DevCluster, tmp_path: Path) -> None:
    cluster.api.create("deployments.apps", deployment(3))
    async with devbases(cluster.write_kubeconfig(tmp_path / "kubeconfig")):
        await until_ready(cluster, 3)
        lost = {"metadata": {"annotations": {PREFIX + "lost": "true"}}}
        cluster.api.patch("nodes", "simulated-1", lost)

        await eventually(
            lambda: cluster.api.get("nodes", "simulated-1")["status"]["conditions"][0]["status"] == "Unknown"
        )
        await eventually(lambda: cluster.api.get("deployments.apps", "base", "shop")["status"]["readyReplicas"] == 2)


def ready(obj: dict[str, Any]) -> str:
    return str(next(condition["status"] for condition in obj["status"]["conditions"] if condition["type"] == "Ready"))


async def test_what_was_marked_while_no_heartbeat_came_is_put_right(cluster: DevCluster, tmp_path: Path) -> None:
    """As the node life cycle controller does after an outage of the API server."""
    cluster.api.create("deployments.apps", deployment(3))
    async with devbases(cluster.write_kubeconfig(tmp_path / "kubeconfig")):
        await until_ready(cluster, 3)
        pod = pods(cluster)[0]["metadata"]["name"]
        for resource, name, namespace, status in (
            ("nodes", "simulated-1", "", "Unknown"),
            ("pods", pod, "shop", "False"),
        ):
            marked = {"conditions": [{"type": "Ready", "status": status, "reason": "NodeStatusUnknown"}]}
            cluster.api.patch(resource, name, {"status": marked}, namespace=namespace, subresource="status")

        await eventually(lambda: ready(cluster.api.get("pods", pod, "shop")) == "True")
        await eventually(lambda: ready(cluster.api.get("nodes", "simulated-1")) == "True")


async def test_with_a_selector_any_pod_it_selects_is_played(cluster: DevCluster, tmp_path: Path) -> None:
    spec = {"containers": [{"name": "c", "image": "i"}], "nodeName": "elsewhere"}
    for name, labels in (("chosen", {"play": "yes"}), ("other", {})):
        meta = {"name": name, "namespace": "shop", "labels": labels}
        cluster.api.create("pods", {"metadata": meta, "spec": spec})
    async with devbases(cluster.write_kubeconfig(tmp_path / "kubeconfig"), "--selector", "play=yes"):
        await eventually(lambda: cluster.api.get("pods", "chosen", "shop")["status"]["phase"] == "Running")

    assert cluster.api.get("pods", "other", "shop")["status"]["phase"] == "Pending"
    assert cluster.api.find("nodes", "elsewhere")


async def test_a_server_that_does_not_answer_is_told_at_once(cluster: DevCluster, tmp_path: Path) -> None:
    kubeconfig = cluster.write_kubeconfig(tmp_path / "kubeconfig")
    kubeconfig.write_text(kubeconfig.read_text().replace(str(cluster.port), "9"))

    command = [sys.executable, "-m", "moduledeploy", "devbases", "--kubeconfig", str(kubeconfig)]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()

    assert process.returncode == 1
    assert b"Cannot connect to host 127.0.0.1:9" in said
