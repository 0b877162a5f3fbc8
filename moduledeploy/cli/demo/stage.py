"""What the demo plays on: the embedded cluster and the controller as processes of their own, reached as people reach them."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import attrs

import moduledeploy
from moduledeploy.cli.access.connection import connect
from moduledeploy.cli.access.flags import Access

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import Process

    from moduledeploy.cli.access.connection import Connection

MANIFESTS: Final = Path(moduledeploy.__file__).parent.parent / "manifests"
READY_S: Final = 20.0
END_S: Final = 15.0
NAMESPACE: Final = "default"


class StageError(Exception):
    """The demo can't go on; one line that says why."""


@attrs.define(kw_only=True)
class Stage:
    """The running demo."""

    folder: Path
    kubeconfig: Path
    connection: Connection
    kubectl_path: str
    controller: Process | None = None

    async def kubectl(self, *arguments: str) -> None:
        """Run kubectl as a person would. Raises StageError where it fails."""
        await self._run(["kubectl", *arguments], [self.kubectl_path])

    async def moduledeploy(self, *arguments: str) -> str:
        """Run a command of this program; returns what a person types. Raises StageError where it fails."""
        typed = ["moduledeploy", *arguments]
        await self._run(typed, [sys.executable, "-m", "moduledeploy"])
        return shlex.join(typed)

    async def _run(self, typed: list[str], program: list[str]) -> None:
        flags = ["--kubeconfig", str(self.kubeconfig)]
        done = await anyio.run_process([*program, *flags, *typed[1:]], check=False, stderr=subprocess.STDOUT)
        if done.returncode:
            raise StageError(f"{shlex.join(typed)}: {done.stdout.decode(errors='replace').strip()}")

    async def install_crds(self) -> None:
        """Make the server know the kinds."""
        await self.kubectl("apply", "-f", str(MANIFESTS / "crd"))
        await self.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=10s")

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
        connection = await stack.enter_async_context(connect(Access(str(kubeconfig), None, NAMESPACE)))
        stage = Stage(folder=folder, kubeconfig=kubeconfig, connection=connection, kubectl_path=kubectl)
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
