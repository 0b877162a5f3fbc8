"""The controller as its own process, with nothing but what the manifests grant, and nothing granted that it never asks for.

A proxy between it and the embedded server (with authorization on) notes what is asked; the rights of the rendered roles are
compared with that after a life of ModuleDeployments: deployed, rolled out with a confirmation, failed, scaled, deleted.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import anyio
import attrs
import pytest
import yaml
from aiohttp import web

from moduledeploy.devcluster.bases.choice import is_base
from moduledeploy.devcluster.bases.local import LocalBases
from moduledeploy.devcluster.cluster import DevCluster
from moduledeploy.devcluster.requests import parse_target
from tests.faults.processes import write_kubeconfig
from tests.ops.tools import MANIFESTS, kubectl, rendered

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MERGE: Final = {"Content-Type": "application/merge-patch+json"}
# Asked for by the server's admission on behalf of a write, never by a request of its own.
IMPLIED: Final = {
    ("update", "koupleless.alipay.com", "moduledeployments/finalizers"),
    ("update", "koupleless.alipay.com", "modulereplicasets/finalizers"),
}
# Granted to everybody whom a cluster knows.
EVERYBODY: Final = {
    ("create", "authorization.k8s.io", "selfsubjectaccessreviews"),
    ("create", "authentication.k8s.io", "selfsubjectreviews"),
}
Right = tuple[str, str, str]


@attrs.define
class Notes:
    """A proxy's notes: what was asked, and what was refused."""

    upstream: str
    asked: set[Right] = attrs.field(factory=set)
    refused: list[str] = attrs.field(factory=list)

    async def forward(self, request: web.Request) -> web.StreamResponse:
        target = parse_target(request.method, request.path, watch=request.query.get("watch") in ("1", "true"))
        if target.is_resource:
            resource = f"{target.plural}/{target.subresource}" if target.subresource else target.plural
            self.asked.add((target.verb, target.group, resource))
        headers = {key: value for key, value in request.headers.items() if key not in ("Host", "Content-Length")}
        async with (
            aiohttp.ClientSession(auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None)) as session,
            session.request(
                request.method, self.upstream + request.path_qs, headers=headers, data=await request.read()
            ) as answer,
        ):
            if answer.status in (401, 403):
                self.refused.append(f"{request.method} {request.path}")
            response = web.StreamResponse(
                status=answer.status, headers={"Content-Type": answer.headers["Content-Type"]}
            )
            for name in ("Content-Encoding", "Retry-After"):
                if name in answer.headers:
                    response.headers[name] = answer.headers[name]
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            return response


@asynccontextmanager
async def proxy(upstream: str) -> AsyncIterator[tuple[Notes, str]]:
    notes = Notes(upstream)
    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{path:.*}", notes.forward)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield notes, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@attrs.frozen
class People:
    """What people do, as administrators."""

    url: str
    kubeconfig: Path
    namespace: str = "default"

    @property
    def group(self) -> str:
        """Where our kinds are."""
        return f"/apis/koupleless.alipay.com/v1alpha1/namespaces/{self.namespace}"

    async def apply(self, *arguments: str, text: str = "") -> None:
        """`kubectl apply`; what names no namespace goes to ours."""
        command = [kubectl(), "--kubeconfig", str(self.kubeconfig), "--namespace", self.namespace, "apply", *arguments]
        done = await anyio.run_process(command, input=text.encode(), check=False)
        assert done.returncode == 0, done.stderr.decode()

    async def send(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        headers = MERGE if method == "PATCH" else {"Content-Type": "application/json"}
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                method, self.url + path, data=None if body is None else json.dumps(body), headers=headers
            ) as answer,
        ):
            found: dict[str, Any] = await answer.json()
            return found

    async def wait_progress(self, name: str, word: str) -> dict[str, Any]:
        for _ in range(600):
            found = await self.send("GET", f"{self.group}/moduledeployments/{name}")
            status = found.get("status", {})
            is_seen = status.get("observedGeneration") == found.get("metadata", {}).get("generation")
            if is_seen and status.get("releaseStatus", {}).get("progress") == word:
                return found
            await asyncio.sleep(0.05)
        pytest.fail(f"{name} never became {word}: {json.dumps(status, indent=1)}")

    async def wait_gone(self, kind: str) -> None:
        for _ in range(600):
            left = (await self.send("GET", f"{self.group}/{kind}"))["items"]
            if not left:
                return
            await asyncio.sleep(0.05)
        pytest.fail(f"{kind} left: {[item['metadata']['name'] for item in left]}")

    async def wait_no_service(self) -> None:
        for _ in range(600):
            if (await self.send("GET", "/api/v1/namespaces/default/services/orders-service"))["kind"] == "Status":
                return
            await asyncio.sleep(0.05)
        pytest.fail("the Service of orders stayed")

    async def change(self, name: str, spec: dict[str, Any]) -> None:
        await self.send("PATCH", f"{self.group}/moduledeployments/{name}", {"spec": spec})


async def install(people: People, folder: Path, server: str, overlay: str = "default") -> Path:
    """Everything of an overlay, then a kubeconfig with the service account's own token."""
    made = rendered(MANIFESTS / "overlays" / overlay)
    (where,) = (item["metadata"]["namespace"] for item in yaml.safe_load_all(made) if item["kind"] == "ServiceAccount")
    await attrs.evolve(people, namespace=where).apply("-f", "-", text=made)
    path = f"/api/v1/namespaces/{where}/serviceaccounts/moduledeploy/token"
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = (await people.send("POST", path, review))["status"]["token"]
    return write_kubeconfig(folder / "controller", server, token=token, namespace=where)


@asynccontextmanager
async def controller(kubeconfig: Path, log: Path, *flags: str) -> AsyncIterator[None]:
    """The program, as its own process."""
    command = [sys.executable, "-m", "moduledeploy", "run", "--kubeconfig", str(kubeconfig), "--leader-election"]
    command += ["--url-schemes", "file", "--metrics-address", "127.0.0.1:0", "--health-address", "127.0.0.1:0", *flags]
    async with await anyio.open_file(log, "wb") as output:
        process = await anyio.open_process(command, stdout=output.wrapped, stderr=output.wrapped)
        try:
            yield
            assert process.returncode is None, text_of(log)
        finally:
            if process.returncode is None:
                process.terminate()
            with anyio.move_on_after(30, shield=True):
                await process.wait()
            await process.aclose()
    assert process.returncode == 0, text_of(log)


def text_of(file: Path) -> str:
    return file.read_text()


def granted() -> set[Right]:
    """What the roles of the controller's service account let it do."""
    roles = {"moduledeploy-controller", "moduledeploy-lease"}
    return {
        (verb, group, resource)
        for role in yaml.safe_load_all(rendered(MANIFESTS / "overlays" / "default"))
        if role["kind"] in {"Role", "ClusterRole"} and role["metadata"]["name"] in roles
        for rule in role["rules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


async def live(people: People) -> None:
    """A life that needs every right."""
    await people.apply(
        "-f", str(MANIFESTS / "samples" / "base.yaml"), "-f", str(MANIFESTS / "samples" / "orders-v1.yaml")
    )
    service = {"enableModuleService": True, "port": 80}
    await people.wait_progress("orders", "Completed")
    await people.change("orders", {"operationStrategy": {"serviceStrategy": service}})
    await people.apply("-f", str(MANIFESTS / "samples" / "orders-v2.yaml"))
    await people.wait_progress("orders", "WaitingForConfirmation")
    await people.change("orders", {"operationStrategy": {"needConfirm": False, "serviceStrategy": service}})
    await people.wait_progress("orders", "Completed")
    for port, note in ((81, "1"), (82, None)):  # back at a revision, what is told of it again makes a series
        await people.change("orders", {"operationStrategy": {"serviceStrategy": service | {"port": port}}})
        await people.change(
            "orders", {"revisionHistoryLimit": 0, "template": {"metadata": {"annotations": {"n": note}}}}
        )
        await people.wait_progress("orders", "Completed")
    await people.apply("-f", str(MANIFESTS / "samples" / "orders-broken.yaml"))
    await people.wait_progress("orders", "Failed")
    await people.change(
        "orders", {"replicas": 3, "operationStrategy": {"serviceStrategy": {"enableModuleService": False}}}
    )
    await people.wait_no_service()
    await people.send("DELETE", f"{people.group}/moduledeployments/orders")
    for kind in ("moduledeployments", "modulereplicasets", "modules"):
        await people.wait_gone(kind)


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_the_controller_needs_all_that_it_is_granted_and_nothing_else(tmp_path: Path) -> None:
    async with DevCluster(rbac=True) as cluster, anyio.create_task_group() as playing:
        await playing.start(LocalBases(cluster.api, plays=is_base).run)
        people = People(cluster.url, cluster.write_kubeconfig(tmp_path / "admin"))
        async with proxy(cluster.url) as (notes, server):
            kubeconfig = await install(people, tmp_path, server)
            async with controller(kubeconfig, tmp_path / "log"):
                await live(people)
        playing.cancel_scope.cancel()

    assert notes.refused == []
    assert notes.asked - granted() - EVERYBODY == set()
    assert granted() - notes.asked == IMPLIED


def flags_of(overlay: str) -> list[str]:
    """What the overlay's Deployment passes to `run`."""
    made = yaml.safe_load_all(rendered(MANIFESTS / "overlays" / overlay))
    (deployment,) = (item for item in made if item["kind"] == "Deployment")
    flags: list[str] = deployment["spec"]["template"]["spec"]["containers"][0]["args"][1:]
    return flags


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_one_namespace_is_enough_for_the_controller_of_one_namespace(tmp_path: Path) -> None:
    async with DevCluster(rbac=True) as cluster, anyio.create_task_group() as playing:
        await playing.start(LocalBases(cluster.api, plays=is_base).run)
        people = People(cluster.url, cluster.write_kubeconfig(tmp_path / "admin"), "modules")
        await people.apply("-k", str(MANIFESTS / "crd"))
        await people.send("POST", "/api/v1/namespaces", {"metadata": {"name": "modules"}})
        async with proxy(cluster.url) as (notes, server):
            kubeconfig = await install(people, tmp_path, server, "namespaced")
            async with controller(kubeconfig, tmp_path / "log", *flags_of("namespaced")):
                samples = MANIFESTS / "samples"
                await people.apply("-f", str(samples / "base.yaml"), "-f", str(samples / "orders-v1.yaml"))
                await people.wait_progress("orders", "Completed")
        playing.cancel_scope.cancel()

    assert notes.refused == []
