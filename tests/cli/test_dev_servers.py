"""What keeps a server for development from starting is told in one line, with an exit status."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml
from anyio import to_thread

from moduledeploy.cli.access.exits import Exit
from moduledeploy.devcluster.cluster import DevCluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


def end(*arguments: object) -> tuple[int, str]:
    """Exit status and what was said, which is one line."""
    command = [sys.executable, "-m", "moduledeploy", *map(str, arguments)]
    environment = {**os.environ, "NO_COLOR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, env=environment)
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    return done.returncode, line


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3:1238", "127.0.0.1:x", "127.0.0.1:70000", ""])
def test_devarklet_takes_loopback_addresses_alone(address: str) -> None:
    status, line = end("devarklet", "--address", address)

    assert status == Exit.USAGE
    assert "it takes IP:PORT in 127.0.0.0/8" in line


def test_devarklet_says_that_its_port_is_taken(taken: int) -> None:
    status, line = end("devarklet", "--address", f"127.0.0.1:{taken}")

    assert status == Exit.FAILED
    assert f"can't listen on 127.0.0.1:{taken}: Address already in use" in line


def test_devcluster_says_that_its_port_is_taken(taken: int, tmp_path: Path) -> None:
    status, line = end("devcluster", "--port", taken, "--kubeconfig", tmp_path / "kubeconfig")

    assert status == Exit.FAILED
    assert f"can't listen on 127.0.0.1:{taken}: Address already in use" in line
    assert not (tmp_path / "kubeconfig").exists()


@pytest.mark.parametrize("path", ["missing/kubeconfig", "."])
def test_devcluster_names_the_file_it_cannot_write(path: str, tmp_path: Path) -> None:
    status, line = end("devcluster", "--port", "0", "--kubeconfig", tmp_path / path)

    assert status == Exit.FAILED
    assert str(tmp_path / path) in line


def test_devbases_needs_a_kubeconfig_that_is_one(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no kubeconfig")

    for name in ("missing", "text"):
        status, line = end("devbases", "--kubeconfig", tmp_path / name)
        assert status == Exit.USAGE
        assert str(tmp_path / name) in line


def test_devbases_says_that_nobody_answers(tmp_path: Path) -> None:
    cluster = DevCluster(port=1, controllers=False)
    status, line = end("devbases", "--kubeconfig", cluster.write_kubeconfig(tmp_path / "kubeconfig"))

    assert status == Exit.FAILED
    assert "no API server at http://127.0.0.1:1" in line


async def test_devbases_names_the_rights_it_misses(tmp_path: Path) -> None:
    account = {"metadata": {"name": "someone", "namespace": "default"}}
    async with DevCluster(rbac=True, controllers=False) as cluster:
        created = cluster.api.create("serviceaccounts", account)
        token, _ = cluster.server.handlers.tokens.issue("default", created, 3600, [])
        config = cluster.kubeconfig()
        config["users"][0]["user"] = {"token": token}
        path = tmp_path / "kubeconfig"
        path.write_text(yaml.safe_dump(config))

        status, line = await to_thread.run_sync(end, "devbases", "--kubeconfig", path)

    assert status == Exit.FAILED
    assert "system:serviceaccount:default:someone has no right to list pods, watch pods" in line
    assert "create pods/binding" in line


async def test_devbases_says_that_its_credentials_are_not_accepted(tmp_path: Path) -> None:
    async with DevCluster(rbac=True, controllers=False) as cluster:
        config = cluster.kubeconfig()
        config["users"][0]["user"] = {"token": "a.b.c"}
        path = tmp_path / "kubeconfig"
        path.write_text(yaml.safe_dump(config))

        status, line = await to_thread.run_sync(end, "devbases", "--kubeconfig", path)

    assert status == Exit.FAILED
    assert "doesn't accept the credentials" in line
