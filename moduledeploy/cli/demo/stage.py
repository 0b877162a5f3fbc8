"""What the demo plays on: the embedded cluster and the controller as processes of their own, reached by kubectl and HTTP."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import attrs
import msgspec

import moduledeploy
from moduledeploy.kube.config import load_credentials
from moduledeploy.kube.transport import Transport
from moduledeploy.runtime.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import Process

MANIFESTS: Final = Path(moduledeploy.__file__).parent.parent / "manifests"
READY_S: Final = 20.0
END_S: Final = 15.0
_GROUP: Final = "/apis/koupleless.alipay.com/v1alpha1/namespaces/default"


class StageError(Exception):
    """The demo can't go on; one line that says why."""


@attrs.frozen(kw_only=True)
class Snapshot:
    """The objects at one moment, as the API shows them."""

    deployments: dict[str, dict[str, Any]]
    modules: list[dict[str, Any]]
    pods: list[dict[str, Any]]

    def status(self, name: str) -> dict[str, Any]:
        """Status of a ModuleDeployment, empty before it has one."""
        found: dict[str, Any] = self.deployments.get(name, {}).get("status") or {}
        return found

    def release(self, name: str) -> dict[str, Any]:
        """status.releaseStatus of a ModuleDeployment."""
        found: dict[str, Any] = self.status(name).get("releaseStatus") or {}
        return found

    def is_seen(self, name: str) -> bool:
        """The controller has seen the newest generation."""
        generation = self.deployments.get(name, {}).get("metadata", {}).get("generation")
        return generation is not None and self.status(name).get("observedGeneration") == generation

    def installed(self, name: str) -> dict[str, list[str]]:
        """Versions that are available, by base, of one module."""
        found: dict[str, list[str]] = {}
        for module in self.modules:
            spec = module["spec"]
            if spec["module"]["name"] == name and (module.get("status") or {}).get("status") == "Available":
                found.setdefault(spec["base"]["name"], []).append(spec["module"]["version"])
        return found


@attrs.define(kw_only=True)
class Stage:
    """The running demo."""

    folder: Path
    kubeconfig: Path
    transport: Transport
    kubectl_path: str
    controller: Process | None = None

    async def kubectl(self, *arguments: str) -> str:
        """Run kubectl as a person would; returns what it printed. Raises StageError where it fails."""
        done = await anyio.run_process(
            [self.kubectl_path, "--kubeconfig", str(self.kubeconfig), *arguments],
            check=False,
            stderr=subprocess.STDOUT,
        )
        text = done.stdout.decode(errors="replace").strip()
        if done.returncode:
            raise StageError(f"kubectl {' '.join(arguments)}: {text}")
        return text

    async def look(self) -> Snapshot:
        """Everything that the demo shows, read over HTTP."""
        deployments = await self._list(f"{_GROUP}/moduledeployments")
        return Snapshot(
            deployments={item["metadata"]["name"]: item for item in deployments},
            modules=await self._list(f"{_GROUP}/modules"),
            pods=await self._list("/api/v1/namespaces/default/pods"),
        )

    async def _list(self, path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = msgspec.json.decode(await self.transport.request("GET", path))["items"]
        return found

    async def start_controller(self) -> None:
        """Start it exactly as in a cluster, but for the kubeconfig and the folder of jars that the demo's bases know."""
        with (self.folder / "controller.log").open("ab") as log:
            self.controller = await anyio.open_process(
                [
                    *(sys.executable, "-m", "moduledeploy", "run", "--kubeconfig", str(self.kubeconfig)),
                    *("--url-schemes", "http,https,file"),
                    *("--metrics-address", "127.0.0.1:0", "--health-address", "127.0.0.1:0"),
                ],
                stdout=log,
                stderr=log,
            )

    def check_alive(self) -> None:
        """Raise StageError when the controller has ended."""
        if self.controller is not None and self.controller.returncode is not None:
            raise StageError(
                f"the controller ended with status {self.controller.returncode}; see {self.folder}/controller.log"
            )


@asynccontextmanager
async def open_stage() -> AsyncIterator[Stage]:
    """Start the embedded cluster in a folder of its own; everything ends, and the folder goes, when left."""
    kubectl = shutil.which("kubectl", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if kubectl is None:
        raise StageError("kubectl is not installed; `make install` brings one")
    if not MANIFESTS.is_dir():
        raise StageError(f"no manifests at {MANIFESTS}: run the demo from a checkout")
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="moduledeploy-demo-")))
        kubeconfig = folder / "kubeconfig"
        with (folder / "devcluster.log").open("ab") as log:
            cluster = await anyio.open_process(
                [sys.executable, "-m", "moduledeploy", "devcluster", "--port", "0", "--kubeconfig", str(kubeconfig)],
                stdout=subprocess.PIPE,
                stderr=log,
            )
        stack.push_async_callback(_end, cluster)
        await _wait_ready(cluster, folder)
        credentials = await load_credentials(kubeconfig=str(kubeconfig))
        transport = await stack.enter_async_context(
            Transport(credentials=credentials, user_agent="moduledeploy-demo", metrics=Metrics().client)
        )
        stage = Stage(folder=folder, kubeconfig=kubeconfig, transport=transport, kubectl_path=kubectl)
        stack.push_async_callback(_end_controller, stage)
        yield stage


async def _wait_ready(cluster: Process, folder: Path) -> None:
    """Return when the cluster has printed its line."""
    assert cluster.stdout is not None
    with anyio.move_on_after(READY_S):
        try:
            await cluster.stdout.receive()
        except anyio.EndOfStream:
            pass
        else:
            return
    log = (folder / "devcluster.log").read_text(errors="replace").strip().splitlines()
    raise StageError(f"the embedded cluster didn't start: {log[-1] if log else 'it said nothing'}")


async def _end_controller(stage: Stage) -> None:
    if stage.controller is not None:
        await _end(stage.controller)


async def _end(process: Process) -> None:
    """Ask it to end, then make it."""
    if process.returncode is None:
        process.terminate()
        with anyio.move_on_after(END_S, shield=True):
            await process.wait()
    if process.returncode is None:
        process.kill()
        with anyio.CancelScope(shield=True):
            await process.wait()
    await process.aclose()
