"""Which pods of the embedded cluster are bases, and that any shape of a base pod works."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
import yaml

from moduledeploy.devcluster.bases.choice import is_base
from moduledeploy.devcluster.cluster import DevCluster
from moduledeploy.devcluster.controllers import run_controllers
from tests.clock import ManualClock
from tests.devcluster.arklet.contexts import in_own_task
from tests.devcluster.bases.conftest import START_S, playing
from tests.devcluster.controllers.world import NS, World, deployment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.devcluster.bases.conftest import Bases

CRDS = Path(__file__).parents[3] / "manifests" / "crd"


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Bases]:
    """Bases of a whole cluster, which knows our kinds."""
    clock = ManualClock()
    api = DevCluster(now=lambda: datetime.fromtimestamp(clock.wall(), UTC)).api
    for path in sorted(CRDS.glob("module*.yaml")):
        api.create("customresourcedefinitions.apiextensions.k8s.io", yaml.safe_load(path.read_text()))
    async with anyio.create_task_group() as tasks:
        await tasks.start(lambda task_status: run_controllers(api, clock=clock, task_status=task_status))
        api.create("namespaces", {"metadata": {"name": NS}})
        async with playing(World(api, clock), plays=is_base) as bases:
            await bases.world.settle()
            yield bases
        tasks.cancel_scope.cancel()


@pytest.fixture
async def bases() -> AsyncIterator[Bases]:
    async with in_own_task(running()) as running_bases:
        yield running_bases


def name_bases(bases: Bases, deployment: str) -> None:
    """A ModuleDeployment whose bases are the pods of this Deployment."""
    module = {"name": "a", "version": "1", "url": "https://jars/a.jar"}
    spec = {"baseDeploymentName": deployment, "template": {"spec": {"module": module}}}
    body = {"metadata": {"name": f"on-{deployment}", "namespace": NS}, "spec": spec}
    bases.world.api.create("moduledeployments.koupleless.alipay.com", body)


async def test_pods_of_a_deployment_that_nobody_names_stay_as_they_are(bases: Bases) -> None:
    bases.world.api.create("deployments.apps", deployment(2))
    name_bases(bases, "another")
    await bases.world.clock.run_for(START_S + 60)

    assert {pod["status"]["phase"] for pod in bases.world.pods()} == {"Pending"}


async def test_pods_that_nobody_plays_have_no_node_and_go_at_once_when_they_are_deleted(bases: Bases) -> None:
    bases.world.api.create("deployments.apps", deployment(2))
    await bases.world.settle()
    nodes = [pod["spec"].get("nodeName") for pod in bases.world.pods()]
    bases.world.api.delete("deployments.apps", "base", namespace=NS)
    await bases.world.settle()

    assert nodes == [None, None]
    assert bases.world.pods() == []


@pytest.mark.parametrize("is_named_first", [True, False])
async def test_pods_of_a_deployment_that_is_named_are_bases_on_the_default_port(
    bases: Bases, is_named_first: bool
) -> None:
    if is_named_first:
        name_bases(bases, "base")
    bases.world.api.create("deployments.apps", deployment(2))
    await bases.world.settle()
    if not is_named_first:
        name_bases(bases, "base")
    await bases.until_ready(2)

    for name in bases.world.names():
        assert await bases.answers(name)


async def test_a_base_remains_one_when_nobody_names_it_any_more(bases: Bases) -> None:
    name_bases(bases, "base")
    bases.world.api.create("deployments.apps", deployment(1))
    await bases.until_ready(1)
    [name] = bases.world.names()

    bases.world.api.delete("moduledeployments.koupleless.alipay.com", "on-base", namespace=NS)
    bases.annotate("pods", name, silent="false")
    await bases.world.settle()

    assert await bases.answers(name)


async def test_the_annotation_that_names_the_port_makes_a_base_too(bases: Bases) -> None:
    obj = deployment(1)
    obj["spec"]["template"]["metadata"]["annotations"] = {"koupleless.alipay.com/arklet-port": "1299"}
    bases.world.api.create("deployments.apps", obj)
    await bases.until_ready(1)

    assert await bases.answers(bases.world.names()[0], port=1299)


def with_company() -> dict[str, Any]:
    """A base Deployment whose base container is neither the first nor alone."""
    obj = deployment(2)
    spec = obj["spec"]["template"]["spec"]
    spec["initContainers"] = [
        {"name": "prepare", "image": "prepare:1"},
        {"name": "mesh", "image": "mesh:1", "restartPolicy": "Always"},
    ]
    spec["containers"] = [
        {"name": "logs", "image": "logs:1"},
        {"name": "base", "image": "base:1", "ports": [{"name": "arklet", "containerPort": 1239}]},
    ]
    return obj


async def test_the_containers_beside_a_base_run_and_are_not_restarted_with_it(bases: Bases) -> None:
    bases.world.api.create("deployments.apps", with_company())
    await bases.until_ready(2)
    name = bases.world.names()[0]

    def containers() -> dict[str, Any]:
        status = bases.pod(name)["status"]
        return {c["name"]: c for c in status["initContainerStatuses"] + status["containerStatuses"]}

    before = containers()
    bases.handle.restart(NS, name)
    await bases.world.clock.run_for(START_S + 1)
    after = containers()

    assert await bases.answers(name, port=1239)
    assert {key: value["restartCount"] for key, value in after.items()} == {
        "prepare": 0,
        "mesh": 0,
        "logs": 0,
        "base": 1,
    }
    assert {key for key in after if after[key]["containerID"] != before[key]["containerID"]} == {"base"}
    assert len({container["containerID"] for container in after.values()}) == 4
    assert after["prepare"]["state"]["terminated"]["reason"] == "Completed"
    assert "running" in after["mesh"]["state"]
    assert all(container["ready"] for container in after.values())


async def test_a_pod_on_the_hosts_network_has_the_hosts_address(bases: Bases) -> None:
    obj = deployment(2)
    obj["spec"]["template"]["spec"]["hostNetwork"] = True
    name_bases(bases, "base")
    bases.world.api.create("deployments.apps", obj)
    await bases.until_ready(2)

    for pod in bases.world.pods():
        assert pod["status"]["hostIP"] == pod["status"]["podIP"]
