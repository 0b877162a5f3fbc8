"""The embedded cluster and `moduledeploy run`, each in a process of its own, and what can be seen of both from outside."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import attrs
import msgspec
import yaml
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.processes import ROOT, Controller, end, ready_process
from moduledeploy.kube.resources import MERGE_PATCH

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

GROUP: Final = "/apis/koupleless.alipay.com/v1alpha1"
FAMILIES: Final = f"{GROUP}/namespaces/default/moduledeployments"
JSON: Final = "application/json"
READY_S: Final = 120.0


@attrs.frozen(kw_only=True)
class Base:
    """One simulated base; an install or uninstall in it takes no time but its own work."""

    name: str
    uid: str
    ip: str
    container_id: str


@attrs.frozen(kw_only=True)
class Counts:
    """What the controller has sent: changes of Modules, other writes without Events, and calls to Arklet."""

    modules: float = 0.0
    others: float = 0.0
    calls: float = 0.0


@attrs.define(eq=False, kw_only=True)
class Stage:
    """The running cluster, with the session in which the benchmark asks it."""

    session: aiohttp.ClientSession
    url: str
    metrics_port: int

    async def read(self, path: str) -> Any:  # noqa: ANN401  # any JSON
        """The object at a path."""
        async with self.session.get(path) as response:
            response.raise_for_status()
            return msgspec.json.decode(await response.read())

    async def write(self, method: str, path: str, body: object) -> Any:  # noqa: ANN401  # any JSON
        """What a write is answered with."""
        headers = {"Content-Type": MERGE_PATCH if method == "PATCH" else JSON}
        async with self.session.request(method, path, data=msgspec.json.encode(body), headers=headers) as response:
            answer = await response.read()
            if response.status >= 300:
                raise RuntimeError(f"{method} {path}: {answer.decode()}")
            return msgspec.json.decode(answer)

    async def bases(self, count: int) -> list[Base]:
        """Have so many Ready bases, and say which."""
        labels = {"app": "base"}
        port = {"name": "arklet", "containerPort": 1238}
        container = {"name": "base", "image": "registry.example.com/base:1.0.0", "ports": [port]}
        spec = {
            "replicas": count,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        }
        path = "/apis/apps/v1/namespaces/default/deployments"
        await self.write("POST", path, {"metadata": {"name": "base"}, "spec": spec})
        deadline = time.monotonic() + READY_S
        while (await self.read(f"{path}/base")).get("status", {}).get("readyReplicas", 0) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{count} bases are not Ready after {READY_S:g} s")
            await asyncio.sleep(0.2)
        return [_base(pod) for pod in (await self.read("/api/v1/namespaces/default/pods"))["items"]]

    async def wait_family(self, name: str, version: str, *, until: str) -> None:
        """Return when the ModuleDeployment's newest generation is `until`: `Completed`, or `gone`."""
        query = {"watch": "1", "resourceVersion": version, "fieldSelector": f"metadata.name={name}"}
        async with self.session.get(FAMILIES, params=query, timeout=aiohttp.ClientTimeout(total=None)) as response:
            async for line in response.content:
                event = msgspec.json.decode(line)
                if until == "gone":
                    if event["type"] == "DELETED":
                        return
                    continue
                body = event["object"]
                status = body.get("status", {})
                is_seen = status.get("observedGeneration") == body["metadata"]["generation"]
                if is_seen and status.get("releaseStatus", {}).get("progress") == until:
                    return
        raise RuntimeError(f"the watch on {name} ended")

    @contextlib.contextmanager
    def controller(self) -> Iterator[Controller]:
        """Start the controller as in a cluster, but for the kubeconfig and the folder of jars that bases know."""
        addresses = ("--metrics-address", f"127.0.0.1:{self.metrics_port}", "--health-address", "127.0.0.1:{health}")
        words = ("-m", "moduledeploy", "run", "--kubeconfig", "{kubeconfig}", "--url-schemes", "file", *addresses)
        with ready_process(self.url, *words) as controller:
            yield controller

    async def counts(self) -> Counts:
        """What the running controller has sent since it began.

        Whoever watches Modules gets an event for every write to one, and only the controller writes to them.
        """
        async with self.session.get(f"http://127.0.0.1:{self.metrics_port}/metrics") as response:
            text = await response.text()
        modules = writes = calls = 0.0
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = sample.labels
                if sample.name == "rest_client_requests_total" and labels["method"] != "GET":
                    writes += sample.value
                elif sample.name == "moduledeploy_events_total":
                    writes -= sample.value
                elif sample.name == "moduledeploy_arklet_requests_total":
                    calls += sample.value
                elif sample.name == "moduledeploy_watch_events_total" and labels["kind"] == "modules":
                    modules += sample.value if labels["type"] in ("ADDED", "MODIFIED", "DELETED") else 0
        return Counts(modules=modules, others=writes - modules, calls=calls)


@asynccontextmanager
async def open_stage() -> AsyncIterator[Stage]:
    """Start the embedded cluster with our kinds; all ends when left."""
    with tempfile.TemporaryDirectory(prefix="rollout-bench-") as name, (Path(name) / "log").open("wb") as log:
        command = [sys.executable, "-m", "moduledeploy", "devcluster", "--port", "0"]
        server = subprocess.Popen(  # noqa: ASYNC220  # nothing else runs yet
            [*command, "--kubeconfig", f"{name}/kubeconfig"], cwd=ROOT, stdout=subprocess.PIPE, stderr=log
        )
        try:
            assert server.stdout is not None
            line = (await asyncio.to_thread(server.stdout.readline)).decode()
            if not line:
                raise RuntimeError(f"the embedded cluster ended: {(Path(name) / 'log').read_text(encoding='utf-8')}")
            url = line.split(" at ")[1].split(",")[0]
            async with aiohttp.ClientSession(url) as session:
                stage = Stage(session=session, url=url, metrics_port=_free_port())
                await _define_kinds(stage)
                yield stage
        finally:
            end(server)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


async def _define_kinds(stage: Stage) -> None:
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    for file in sorted((ROOT / "manifests" / "crd").glob("*.yaml")):
        await stage.write("POST", path, yaml.safe_load(file.read_text(encoding="utf-8")))


def _base(pod: dict[str, Any]) -> Base:
    return Base(
        name=pod["metadata"]["name"],
        uid=pod["metadata"]["uid"],
        ip=pod["status"]["podIP"],
        container_id=pod["status"]["containerStatuses"][0]["containerID"],
    )
