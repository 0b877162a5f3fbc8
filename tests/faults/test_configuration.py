"""What is configured wrongly ends in one line that says what, and a status that isn't 0; never in silence or a traceback."""

from __future__ import annotations

import json
import os
import socket
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
import yaml

import moduledeploy
from moduledeploy.controllers.preflight import needed_rights
from moduledeploy.devcluster.cluster import DevCluster
from moduledeploy.kube.resources import ObjectKey
from tests.faults.cluster import NS, create_crds, running_scene
from tests.faults.processes import Controller, free_port, start_controller, write_kubeconfig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.faults.cluster import Scene

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]
_RBAC = Path(moduledeploy.__file__).parent.parent / "manifests" / "rbac"
ACCOUNT = "moduledeploy"
OWNERS = ("moduledeployments", "modulereplicasets")
RIGHTS = ("service-account", "controller-role", "controller-binding", "lease-role")


async def said_at_the_end(controller: Controller, status: int) -> str:
    """The one line that it ended with."""
    with anyio.fail_after(40):
        while controller.status is None:  # noqa: ASYNC110  # nobody tells when a process of one's own ends
            await anyio.sleep(0.05)
    text = controller.log.read_text()
    lines = [line for line in text.splitlines() if not line.startswith("{")]
    assert controller.status == status, text
    assert len(lines) == 1, text
    assert lines[0].startswith("moduledeploy: ")
    return lines[0].removeprefix("moduledeploy: ")


def token_of(cluster: DevCluster) -> str:
    account = cluster.api.get("serviceaccounts", ACCOUNT, NS)
    token: str = cluster.server.handlers.tokens.issue(NS, account, 3600, [])[0]
    return token


def grant(cluster: DevCluster, *, but: tuple[str, str] | None = None) -> None:
    """What manifests/rbac grants the controller, in our namespace; `but` is a verb and a resource that are left out."""
    text = "\n---\n".join((_RBAC / f"{name}.yaml").read_text() for name in RIGHTS)
    for obj in yaml.safe_load_all(text.replace("moduledeploy-system", NS)):
        if "rules" in obj:
            obj["rules"] = [
                {**rule, "resources": [resource], "verbs": [verb]}
                for rule in obj["rules"]
                for resource in rule["resources"]
                for verb in rule["verbs"]
                if (verb, resource) != but
            ]
        plural = {"ServiceAccount": "serviceaccounts"}.get(
            obj["kind"], f"{obj['kind'].lower()}s.rbac.authorization.k8s.io"
        )
        cluster.api.create(plural, obj)


@asynccontextmanager
async def secured(**more: Any) -> AsyncIterator[DevCluster]:
    """A cluster with our CRDs that asks for rights."""
    async with DevCluster(rbac=True, controllers=False, **more) as cluster:
        create_crds(cluster)
        yield cluster


@asynccontextmanager
async def started(folder: Path, *flags: str, env: dict[str, str] | None = None) -> AsyncIterator[Controller]:
    controller = start_controller(folder, "it", *flags, env=env)
    try:
        yield controller
    finally:
        controller.end()


async def test_no_kubeconfig(tmp_path: Path) -> None:
    async with started(tmp_path, env={"HOME": str(tmp_path)}) as controller:
        line = await said_at_the_end(controller, 2)

    assert line == "no kubeconfig at ~/.kube/config: pass --kubeconfig, set KUBECONFIG, or run in a pod"


async def test_a_kubeconfig_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "broken"
    path.write_text("clusters: [")
    async with started(tmp_path, "--kubeconfig", str(path)) as controller:
        line = await said_at_the_end(controller, 2)

    assert line.startswith(f"kubeconfig {path}: ")


async def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    server = f"http://127.0.0.1:{free_port()}"
    async with started(tmp_path, "--kubeconfig", str(write_kubeconfig(tmp_path / "k", server))) as controller:
        line = await said_at_the_end(controller, 1)

    assert line.startswith(f"no API server at {server}: ")
    assert line.endswith("; check the kubeconfig and the server")


async def test_a_cluster_without_our_kinds(tmp_path: Path) -> None:
    async with DevCluster(controllers=False) as cluster:
        path = cluster.write_kubeconfig(tmp_path / "k")
        async with started(tmp_path, "--kubeconfig", str(path)) as controller:
            line = await said_at_the_end(controller, 1)

    assert line == (
        "the cluster doesn't know moduledeployments.koupleless.alipay.com:"
        " install the CRDs first (kubectl apply -f manifests/crd)"
    )


async def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with DevCluster(controllers=False) as cluster:
            create_crds(cluster)
            path = cluster.write_kubeconfig(tmp_path / "k")
            controller = start_controller(tmp_path, "it", "--kubeconfig", str(path), health_port=port)
            try:
                line = await said_at_the_end(controller, 1)
            finally:
                controller.end()

    assert line == f"can't listen on 127.0.0.1:{port}: Address already in use"


@pytest.mark.parametrize("is_expired", [False, True])
async def test_a_token_that_the_server_does_not_accept(tmp_path: Path, *, is_expired: bool) -> None:
    ahead = timedelta()
    async with secured(now=lambda: datetime.now(UTC) + ahead) as cluster:
        grant(cluster)
        token = token_of(cluster) if is_expired else "nobodys"
        ahead = timedelta(hours=2)
        path = write_kubeconfig(tmp_path / "k", cluster.url, token=token)
        async with started(tmp_path, "--kubeconfig", str(path)) as controller:
            line = await said_at_the_end(controller, 1)

    assert line.startswith(f"the API server at {cluster.url} doesn't accept the credentials: ")
    assert line.endswith("; the token is expired, or of another cluster")


@pytest.mark.parametrize(
    ("verb", "resource", "what", "role"),
    [
        ("list", "pods", "list pods", "ClusterRole moduledeploy-controller"),
        ("create", "modules", "create modules.koupleless.alipay.com", "ClusterRole moduledeploy-controller"),
        (
            "patch",
            "modules/status",
            "patch modules.koupleless.alipay.com/status",
            "ClusterRole moduledeploy-controller",
        ),
        ("update", "leases", "update leases.coordination.k8s.io", "Role moduledeploy-lease in namespace default"),
    ],
)
async def test_a_right_that_is_missing(tmp_path: Path, verb: str, resource: str, what: str, role: str) -> None:
    async with secured() as cluster:
        grant(cluster, but=(verb, resource))
        path = write_kubeconfig(tmp_path / "k", cluster.url, token=token_of(cluster))
        async with started(tmp_path, "--kubeconfig", str(path), "--leader-election") as controller:
            line = await said_at_the_end(controller, 1)

    assert line == f"system:serviceaccount:default:moduledeploy has no right to {what} ({role}); see manifests/rbac"


def test_the_rights_that_are_checked_are_those_of_the_manifests() -> None:
    granted = {
        (group, resource, verb)
        for name in ("controller-role", "lease-role")
        for obj in yaml.safe_load_all((_RBAC / f"{name}.yaml").read_text())
        for rule in obj.get("rules", ())
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    unchecked = {("koupleless.alipay.com", f"{owner}/finalizers", "update") for owner in OWNERS}
    unchecked |= {("events.k8s.io", "events", verb) for verb in ("create", "patch")}

    checked = {
        (
            right.resource.group,
            f"{right.resource.plural}/{right.subresource}".rstrip("/"),
            right.verb,
        )
        for right in needed_rights("", ObjectKey(NS, "moduledeploy"))
    }

    assert checked == granted - unchecked


async def test_no_right_at_all(tmp_path: Path) -> None:
    async with secured() as cluster:
        cluster.api.create("serviceaccounts", {"metadata": {"name": ACCOUNT, "namespace": NS}})
        path = write_kubeconfig(tmp_path / "k", cluster.url, token=token_of(cluster))
        async with started(tmp_path, "--kubeconfig", str(path), "--leader-election") as controller:
            line = await said_at_the_end(controller, 1)

    assert "list moduledeployments.koupleless.alipay.com" in line
    assert "(ClusterRole moduledeploy-controller); nor to create leases.coordination.k8s.io" in line


async def test_the_rights_of_the_manifests_are_enough(tmp_path: Path) -> None:
    async with running_scene(tmp_path, rbac=True) as scene:
        grant(scene.cluster)
        await roll_out_with(scene, token_of(scene.cluster))

        assert not [call for call in scene.calls() if call.status in (401, 403)]
        scene.assert_everywhere("2.0.0", old="1.0.0")


async def roll_out_with(scene: Scene, token: str) -> None:
    await scene.deploy_bases(2)
    await scene.start("alone", "--leader-election", "--lease-namespace", NS, token=token)
    strategy = {"serviceStrategy": {"enableModuleService": True, "port": 8080, "targetPort": 8080}}
    for version in ("1.0.0", "2.0.0"):
        scene.deploy(version, replicas=2, batches=2, strategy=strategy)
        await scene.complete(30)


async def test_in_a_pod_a_server_that_is_not_there_is_waited_for_and_named(tmp_path: Path) -> None:
    account = tmp_path / "serviceaccount"
    account.mkdir()
    (account / "token").write_text("word")
    (account / "namespace").write_text(NS)
    (account / "ca.crt").write_text(any_authority())
    port = free_port()
    env = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(port)}
    program = (str(Path(__file__).parent / "in_pod.py"), str(account))
    controller = start_controller(tmp_path, "pod", env=env, program=program)
    try:
        with anyio.fail_after(30):
            while (
                "not synced" not in (text := (await controller.readyz())[1]) or ":" not in text.partition("modules")[2]
            ):
                assert controller.status is None, controller.said()
                await anyio.sleep(0.1)
        await anyio.sleep(3)
        status, text = await controller.readyz()
    finally:
        controller.end()

    assert status == 503
    assert "moduledeployments" in text
    assert f"127.0.0.1:{port}" in text
    events = [json.loads(line)["event"] for line in controller.log.read_text().splitlines()]
    assert "no API server yet" in events


def any_authority() -> str:
    """A certificate of some authority: with no server there is nothing to check."""
    paths = ssl.get_default_verify_paths()
    candidates = [paths.cafile, paths.openssl_cafile, "/etc/ssl/certs/ca-certificates.crt"]
    found = next((path for path in candidates if path and os.path.isfile(path)), None)
    if found is None:
        pytest.skip("this machine has no certificates of authorities")
    return Path(found).read_text()
