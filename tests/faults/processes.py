"""Controllers as processes of their own, as `moduledeploy run` starts them."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import anyio
import attrs
import yaml
from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from pathlib import Path


_PORTS: Final = range(20_000, 30_000)  # below those that systems take for outgoing connections


def free_port() -> int:
    """A port that nobody listens on now, and nobody is given by chance until it is used."""
    while True:
        number = random.choice(_PORTS)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", number)):
            return number


def kubeconfig(server: str, *, token: str = "", namespace: str = "default") -> dict[str, Any]:
    """A kubeconfig that names one server and, where there is one, a token."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "it", "cluster": {"server": server}}],
        "users": [{"name": "it", "user": {"token": token} if token else {}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it", "namespace": namespace}}],
        "current-context": "it",
    }


def write_kubeconfig(path: Path, server: str, *, token: str = "", namespace: str = "default") -> Path:
    """Write such a kubeconfig and return where."""
    path.write_text(yaml.safe_dump(kubeconfig(server, token=token, namespace=namespace)))
    return path


@attrs.define(eq=False, kw_only=True)
class Controller:
    """One running `moduledeploy run`."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    health: str
    metrics: str
    started_at: float = attrs.field(factory=time.monotonic)

    @property
    def status(self) -> int | None:
        """Its exit status, None while it runs; minus the signal's number where one killed it."""
        return self.process.poll()

    def send(self, number: signal.Signals) -> float:
        """Signal it; when, on the monotonic clock."""
        self.process.send_signal(number)
        return time.monotonic()

    def end(self) -> None:
        """Make sure that it has gone."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait(timeout=10)

    def said(self) -> str:
        """The end of what it logged."""
        return self.log.read_text(errors="replace")[-4000:]

    async def readyz(self) -> tuple[int, str]:
        """Status and text of /readyz; 0 while nobody listens."""
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
                session.get(f"{self.health}/readyz?verbose") as answer,
            ):
                return answer.status, await answer.text()
        except (aiohttp.ClientError, OSError, TimeoutError):
            return 0, ""

    async def wait_ready(self, within_s: float = 30.0) -> None:
        """Return when /readyz says so."""
        with anyio.fail_after(within_s):
            while (await self.readyz())[0] != 200:
                assert self.status is None, f"{self.name} ended with {self.status}:\n{self.said()}"
                await anyio.sleep(0.05)

    async def samples(self, name: str) -> dict[tuple[tuple[str, str], ...], float]:
        """The samples of one metric by their labels."""
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
            session.get(f"{self.metrics}/metrics") as answer,
        ):
            text = await answer.text()
        return {
            tuple(sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name
        }


def start_controller(
    folder: Path,
    name: str,
    *flags: str,
    env: dict[str, str] | None = None,
    program: tuple[str, ...] = ("-m", "moduledeploy"),
    health_port: int = 0,
) -> Controller:
    """Start `moduledeploy run` with these flags and ports of its own; what it says goes to a file in the folder."""
    health, metrics, log = health_port or free_port(), free_port(), folder / f"{name}.log"
    command = [
        *(sys.executable, *program, "run", *flags),
        *("--health-address", f"127.0.0.1:{health}", "--metrics-address", f"127.0.0.1:{metrics}"),
    ]
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("KUBE", "MODULEDEPLOY"))}
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=clean | (env or {}))
    return Controller(
        name=name,
        process=process,
        log=log,
        health=f"http://127.0.0.1:{health}",
        metrics=f"http://127.0.0.1:{metrics}",
    )
