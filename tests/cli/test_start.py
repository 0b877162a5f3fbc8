"""What a command loads before it works, and what is said where there is no cluster."""

from __future__ import annotations

import json
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from moduledeploy.cli import COMMANDS
from tests.cli.conftest import MANIFESTS, Call

ROOT = MANIFESTS.parent


def loaded(code: str) -> set[str]:
    """The modules that a fresh process has loaded after this code."""
    text = f"{code}\nimport sys\nprint('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    return set(done.stdout.splitlines())


@pytest.mark.parametrize(
    "words",
    [
        ["lint", "-f", str(MANIFESTS / "samples" / "orders-v1.yaml"), "-o", "json"],
        ["get", "--help"],
        ["plan", "--help"],
    ],
)
def test_what_needs_no_cluster_loads_no_http(words: list[str]) -> None:
    modules = loaded(
        f"from moduledeploy.cli import main\nimport contextlib\nwith contextlib.suppress(SystemExit): main({words!r})"
    )

    assert not modules & {"aiohttp", "kubernetes_asyncio", "prometheus_client", "structlog"}


def test_no_command_loads_the_generated_models(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG.format(user="{}"))

    modules = loaded(f"from moduledeploy.cli import main\nmain(['list', '--kubeconfig', {str(kubeconfig)!r}])")

    assert "kubernetes_asyncio.config.kube_config" in modules
    assert not {
        name
        for name in modules
        if name.startswith(("kubernetes_asyncio.client.models", "kubernetes_asyncio.client.api"))
    }


KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: c
clusters: [{{name: c, cluster: {{server: "http://127.0.0.1:9"}}}}]
contexts: [{{name: c, context: {{cluster: c, user: u, namespace: team}}}}]
users: [{{name: u, user: {user}}}]
"""
CREDENTIALS = """
import anyio
from moduledeploy.cli.access.lean import import_config_only
import_config_only()
from moduledeploy.kube.config import load_credentials

async def show():
    found = await load_credentials(kubeconfig={path!r})
    print(found.host, found.namespace, await found.token.authorization())

anyio.run(show)
"""


@pytest.mark.parametrize(
    "user",
    [
        "{token: secret}",
        "{tokenFile: token}",
        "{exec: {apiVersion: client.authentication.k8s.io/v1, command: sh, interactiveMode: Never, args: [plugin]}}",
    ],
)
def test_tokens_are_read_as_by_the_whole_library(tmp_path: Path, user: str) -> None:
    (tmp_path / "kubeconfig").write_text(KUBECONFIG.format(user=user))
    (tmp_path / "token").write_text("secret\n")
    status = '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"secret"}}'
    (tmp_path / "plugin").write_text(f"echo '{status}'\n")

    text = CREDENTIALS.format(path=str(tmp_path / "kubeconfig"))
    environ = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.stdout.strip() == "http://127.0.0.1:9 team Bearer secret", done.stderr


def test_a_server_that_is_not_there_is_one_line_with_what_to_do(call: Call, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG.format(user="{}"))

    said = call("list", "--kubeconfig", str(kubeconfig))

    assert said.status == 1
    assert said.err.startswith("moduledeploy: no API server at http://127.0.0.1:9: ")
    assert said.err.count("\n") == 1


def test_no_kubeconfig_is_one_line_with_what_to_do(call: Call) -> None:
    said = call("list", "--kubeconfig", "/nowhere/config")

    assert (said.status, said.err.count("\n")) == (2, 1)
    assert "pass --kubeconfig" in said.err


@pytest.mark.parametrize(
    "command", [name for name in COMMANDS if name not in {"run", "demo", "devcluster", "devbases", "devarklet"}]
)
def test_every_command_has_help_with_an_example(call: Call, command: str) -> None:
    said = call(command, "--help")

    assert said.status == 0
    assert "Example" in said.out
    assert f"moduledeploy {command}" in said.out


@pytest.mark.parametrize(
    "words", [["status", "x", "--until", "tomorrow"], ["confirm", "x"], ["set", "x", "colour=red"]]
)
def test_what_is_not_understood_is_2(call: Call, words: list[str]) -> None:
    assert call(*words).status == 2


def test_commands_and_flags_are_completed_without_a_cluster(call: Call) -> None:
    assert [line.split("\t")[0] for line in call("__complete", "con").out.splitlines()] == ["confirm"]
    assert [line.split("\t")[0] for line in call("__complete", "confirm", "--b").out.splitlines()] == ["--batch"]
    assert call("__complete", "get", "x", "-o", "").out.split() == ["tree", "json", "yaml"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(call: Call, shell: str) -> None:
    assert "moduledeploy __complete" in call("completion", shell).out


class _Refuses(BaseHTTPRequestHandler):
    """An API server that lets nobody do anything."""

    def do_GET(self) -> None:  # the library's name
        message = (
            'moduledeployments.koupleless.alipay.com is forbidden: User "eve" cannot list resource "moduledeployments"'
        )
        body = json.dumps({"kind": "Status", "reason": "Forbidden", "code": 403, "message": message}).encode()
        self.send_response(403)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_missing_right_names_verb_and_resource(call: Call, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    with ThreadingHTTPServer(("127.0.0.1", 0), _Refuses) as server:
        Thread(target=server.serve_forever).start()
        kubeconfig.write_text(KUBECONFIG.format(user="{}").replace(":9", f":{server.server_port}"))

        said = call("list", "--kubeconfig", str(kubeconfig))
        server.shutdown()

    assert said.status == 1
    assert said.err.startswith(
        "moduledeploy: no right to list moduledeployments.koupleless.alipay.com in namespace team;"
    )
    assert said.err.count("\n") == 1


def test_completion_is_silent_without_a_cluster(call: Call, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG.format(user="{}"))

    said = call("__complete", "get", "--kubeconfig", str(kubeconfig), "")

    assert (said.status, said.out, said.err) == (0, "", "")
