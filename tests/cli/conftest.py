"""The command line as it is used: called with words, seen by its exit status and what it prints."""

from __future__ import annotations

import logging
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import attrs
import msgspec
import pytest
import structlog
import yaml

from moduledeploy.cli import main

MANIFESTS = Path(__file__).parents[2] / "manifests"
BASES = 4
STARTED_WITHIN_S = 40.0


@attrs.frozen
class Said:
    """What a command came to."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as JSON."""
        return msgspec.json.decode(self.out)


Call = Callable[..., Said]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Iterator[Call]:
    """Call the command line in this process; logging is put back as it was."""
    config, handlers, level = structlog.get_config(), logging.getLogger().handlers, logging.getLogger().level

    def called(*words: str) -> Said:
        capsys.readouterr()
        try:
            status = main(list(words))
        except SystemExit as left:  # click leaves by this when a shell asked it for candidates
            status = int(left.code or 0)
        captured = capsys.readouterr()
        return Said(status, captured.out, captured.err)

    yield called
    structlog.configure(**config)
    logging.getLogger().handlers = handlers
    logging.getLogger().setLevel(level)


Complete = Callable[..., list[str]]


@pytest.fixture
def complete(call: Call, monkeypatch: pytest.MonkeyPatch) -> Complete:
    """What the last of the words may become, asked for as a shell does; nothing else is printed."""

    def completed(*words: str) -> list[str]:
        monkeypatch.setenv("_MODULEDEPLOY_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", shlex.join(["moduledeploy", *words[:-1]]) + " " + words[-1])
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        said = call()
        monkeypatch.delenv("_MODULEDEPLOY_COMPLETE")
        assert (said.status, said.err) == (0, "")
        return [line.removeprefix("plain,") for line in said.out.splitlines() if line]

    return completed


@attrs.frozen
class Cluster:
    """The embedded cluster with bases and the real controller, each a process of its own."""

    kubeconfig: Path
    folder: Path

    def apply(self, *objects: dict[str, Any]) -> None:
        """As kubectl apply does."""
        self.kubectl("apply", "-f", "-", text=yaml.safe_dump_all(objects))

    def kubectl(self, *words: str, text: str | None = None) -> str:
        """What kubectl printed."""
        kubectl = Path(sys.executable).parent / "kubectl"
        done = subprocess.run(
            [str(kubectl), "--kubeconfig", str(self.kubeconfig), *words],
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Four bases and a controller that looks after them."""
    folder = tmp_path_factory.mktemp("cluster")
    found = Cluster(folder / "kubeconfig", folder)
    with ExitStack() as stack:
        config = ("--kubeconfig", str(found.kubeconfig))
        _start(stack, folder, "devcluster", "--port", "0", *config)
        _wait(lambda: found.kubeconfig.is_file() and "ready" in (folder / "devcluster.log").read_text(), "the server")
        found.kubectl("apply", "-f", str(MANIFESTS / "crd"))
        found.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=20s")
        addresses = ("--metrics-address", "127.0.0.1:0", "--health-address", "127.0.0.1:0")
        _start(stack, folder, "run", *config, "--url-schemes", "http,https,file", *addresses)
        base = yaml.safe_load((MANIFESTS / "samples" / "base.yaml").read_text())
        base["spec"]["replicas"] = BASES
        found.apply(base)
        ready = f"--for=jsonpath={{.status.readyReplicas}}={BASES}"
        found.kubectl("wait", ready, "deployment/base", "--timeout=30s")
        yield found


def _start(stack: ExitStack, folder: Path, *words: str) -> None:
    log: IO[str] = stack.enter_context((folder / f"{words[0]}.log").open("w"))
    environ = {**os.environ, "PYTHONPATH": str(MANIFESTS.parent)}
    process = subprocess.Popen([sys.executable, "-m", "moduledeploy", *words], stdout=log, stderr=log, env=environ)
    stack.callback(_end, process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait(holds: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + STARTED_WITHIN_S
    while not holds():
        assert time.monotonic() < until, f"waited {STARTED_WITHIN_S:g} s for {what}"
        time.sleep(0.05)  # another process
