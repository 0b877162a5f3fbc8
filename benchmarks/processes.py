"""Processes under measurement: how they are started, awaited and ended, and what Linux says of them."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from benchmarks.report import HERE

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = HERE.parent
PORTS: Final = range(19500, 19600)
AUDIT: Final = "queryAllBiz"
_POLL_S: Final = 0.005
_END_S: Final = 10.0


def free_port() -> int:
    """A port of PORTS that nobody listens on."""
    for number in PORTS:
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", number)):
            return number
    raise SystemExit(f"no free port from {PORTS.start} to {PORTS.stop - 1}")


@attrs.frozen(kw_only=True)
class Usage:
    """What a process has used: seconds of CPU since it began; resident memory now and at its peak, in MB."""

    cpu_s: float
    rss_mb: float
    peak_mb: float


@attrs.frozen(kw_only=True)
class Taken:
    """What something took in a process of its own: wall time, CPU, memory at its peak."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def usage(pid: int) -> Usage:
    """What Linux says of a process."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    kb = {
        name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines) if name.startswith("Vm")
    }
    # The process's own clock, as clock_getcpuclockid(3) names it: /proc/PID/stat counts in ticks, too coarse for one that sleeps.
    cpu_s = time.clock_gettime((~pid << 3) | 2)
    return Usage(cpu_s=cpu_s, rss_mb=kb["VmRSS"] / 1024, peak_mb=kb["VmHWM"] / 1024)


def peak_mb() -> float:
    """The peak of this very process so far, in MB."""
    return usage(os.getpid()).peak_mb


@contextlib.contextmanager
def started(*words: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process with these arguments that talks by lines; what it says on stderr is ours too. Ended at the end."""
    process = subprocess.Popen(
        [sys.executable, *words], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[Any]) -> None:
    """End it, at last by force."""
    process.terminate()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def line_from(process: subprocess.Popen[str]) -> str:
    """Its next line; RuntimeError where it ends instead."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"{process.args!r} ended with status {process.wait()}")
    return line


@attrs.frozen
class World:
    """A running `benchmarks.settled`."""

    process: subprocess.Popen[str]
    url: str

    def counts(self, before: str = "") -> Counter[str]:
        """How often something changed since it stands, by table, and how often a base was asked, by command.

        `before` is what it does first, see `benchmarks.settled`.
        """
        assert self.process.stdin is not None
        self.process.stdin.write(f"{before}\n")
        self.process.stdin.flush()
        return Counter(json.loads(line_from(self.process)))

    def wait_listed(self, calls: int, within_s: float = 150.0) -> Counter[str]:
        """The counts, once bases have been asked for their lists so often; RuntimeError where that doesn't come."""
        until = time.monotonic() + within_s
        while (counts := self.counts())[AUDIT] < calls:
            if time.monotonic() > until:
                raise RuntimeError(f"bases were not listed {calls} times within {within_s:g} s: {counts}")
            time.sleep(0.2)
        return counts


@contextlib.contextmanager
def settled(pods: int, modules: int) -> Iterator[World]:
    """A world of that size, in which nothing is left to do."""
    port = free_port()
    with started("-m", "benchmarks.settled", str(port), str(pods), str(modules)) as process:
        line_from(process)
        yield World(process, f"http://127.0.0.1:{port}")


@attrs.frozen(kw_only=True)
class Controller:
    """A running controller; `ready_s` is how long it took from the start of the process to /readyz 200."""

    process: subprocess.Popen[bytes]
    log: Path
    ready_s: float
    at_ready: Usage

    def usage(self) -> Usage:
        """What it has used so far."""
        return usage(self.process.pid)

    def last_words(self) -> str:
        """End it in order and give the last line that it printed."""
        end(self.process)
        return self.log.read_text(encoding="utf-8").splitlines()[-1]


@contextlib.contextmanager
def ready_process(url: str, *command: str, within_s: float = 120.0) -> Iterator[Controller]:
    """A Python process that reads the server at `url` and is ready; what it logs is shown if that fails.

    In the command {kubeconfig} and {health} stand for the kubeconfig's path and the port of /readyz.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "kubeconfig"
        path.write_text(json.dumps(kubeconfig(url)), encoding="utf-8")
        health = free_port()
        words = [word.format(kubeconfig=path, health=health) for word in command]
        with (folder / "log").open("wb") as log:
            begun_at = time.perf_counter()
            process = subprocess.Popen([sys.executable, *words], cwd=ROOT, stdout=log, stderr=log)
        try:
            while not _is_ready(health):
                if process.poll() is not None or time.perf_counter() - begun_at > within_s:
                    said = (folder / "log").read_text(errors="replace")[-2000:]
                    raise RuntimeError(f"{' '.join(words)}: not ready within {within_s:g} s:\n{said}")
                time.sleep(_POLL_S)
            ready_s = time.perf_counter() - begun_at
            yield Controller(process=process, ready_s=ready_s, at_ready=usage(process.pid), log=folder / "log")
        finally:
            end(process)


def controller(url: str, *flags: str) -> contextlib.AbstractContextManager[Controller]:
    """`moduledeploy run` against the server at `url`, ready."""
    addresses = ("--health-address", "127.0.0.1:{health}", "--metrics-address", "127.0.0.1:0")
    return ready_process(
        url, "-m", "moduledeploy", "run", "--kubeconfig", "{kubeconfig}", "--log-level", "warning", *addresses, *flags
    )


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def kubeconfig(url: str) -> dict[str, Any]:
    """A kubeconfig that names one server."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "it", "cluster": {"server": url}}],
        "users": [{"name": "it", "user": {}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it", "namespace": "default"}}],
        "current-context": "it",
    }
