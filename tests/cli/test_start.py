"""What a command loads before it works, and what is said where there is no cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from moduledeploy.cli.program import program
from tests.cli.conftest import MANIFESTS, Call, Complete

ROOT = MANIFESTS.parent


def loaded(code: str) -> set[str]:
    """The modules that a fresh process has loaded after this code."""
    text = f"{code}\nimport sys\nprint('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    return set(done.stdout.splitlines())


def generated(modules: set[str]) -> set[str]:
    """The models and API groups of the client library among them."""
    return {
        name
        for name in modules
        if name.startswith(("kubernetes_asyncio.client.models", "kubernetes_asyncio.client.api"))
    }


@pytest.mark.parametrize(
    "words",
    [
        ["lint", "-f", str(MANIFESTS / "samples" / "orders-v1.yaml"), "-o", "json"],
        ["get", "--help"],
        ["plan", "--help"],
        ["completion", "bash"],
    ],
)
def test_what_needs_no_cluster_loads_no_http(words: list[str]) -> None:
    modules = loaded(
        f"from moduledeploy.cli import main\nimport contextlib\nwith contextlib.suppress(SystemExit): main({words!r})"
    )

    assert not modules & {"aiohttp", "kubernetes_asyncio", "prometheus_client", "structlog"}


# The system's certificates cost a tenth of a second; they are there for whoever asks for them after that.
NO_READING = f"""
import os
from aiohttp import connector
assert connector._SSL_CONTEXT_VERIFIED.cert_store_stats()["x509_ca"] == 0
assert os.environ.get("SSL_CERT_FILE") == {os.environ.get("SSL_CERT_FILE")!r}
"""


def test_no_command_loads_the_generated_models_or_the_systems_certificates(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG.format(user="{}"))

    modules = loaded(
        f"from moduledeploy.cli import main\nmain(['list', '--kubeconfig', {str(kubeconfig)!r}]){NO_READING}"
    )

    assert "kubernetes_asyncio.config.kube_config" in modules
    assert not modules & {"prometheus_client", "urllib3.util"}
    assert generated(modules) == set()


@pytest.mark.parametrize(
    "words",
    [
        ["devarklet", "--address", "none"],
        ["devcluster", "--attach", "none", "--kubeconfig", "none"],
        ["devbases", "--kubeconfig", "none"],
    ],
)
def test_no_server_for_development_loads_the_generated_models(words: list[str]) -> None:
    modules = loaded(f"from moduledeploy.cli import main\nassert main({words!r}) == 2")

    assert "kubernetes_asyncio.config.kube_config" in modules
    assert generated(modules) == set()


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


@pytest.mark.parametrize("command", list(program.commands))
def test_every_command_has_help_with_an_example(call: Call, command: str) -> None:
    said = call(command, "--help")

    assert said.status == 0
    assert "Example" in said.out
    assert f"moduledeploy {command}" in said.out


@pytest.mark.parametrize(
    "words",
    [["status", "x", "--until", "tomorrow"], ["confirm", "x"], ["set", "x", "colour=red"], ["set", "x", "url="]],
)
def test_what_is_not_understood_is_2(call: Call, words: list[str]) -> None:
    assert call(*words).status == 2


def test_commands_flags_and_values_are_completed_without_a_cluster(complete: Complete) -> None:
    assert complete("con") == ["confirm"]
    assert complete("confirm", "--b") == ["--batch"]
    assert complete("get", "x", "-o", "") == ["tree", "json", "yaml"]


def test_contexts_are_completed_from_the_kubeconfig(complete: Complete, tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text(KUBECONFIG.format(user="{}"))

    assert complete("get", "--kubeconfig", str(tmp_path / "kubeconfig"), "--context", "") == ["c"]


def test_flags_may_stand_before_the_command(call: Call, tmp_path: Path) -> None:
    said = call("--kubeconfig", str(tmp_path / "none"), "list")

    assert (said.status, str(tmp_path / "none") in said.err) == (2, True)


def refusal(code: int, message: str) -> bytes:
    return json.dumps({"kind": "Status", "code": code, "message": message}).encode()


class _Answers(BaseHTTPRequestHandler):
    """An API server that has one answer to everything."""

    code = 200
    body = b""

    def do_GET(self) -> None:  # the library's name
        self.send_response(self.code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    """Doesn't care when somebody hangs up."""

    def handle_error(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path, handler: type[_Answers]) -> Iterator[str]:
    """A kubeconfig for a server that answers so."""
    kubeconfig = folder / "kubeconfig"
    with _Server(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, args=(0.01,)).start()
        kubeconfig.write_text(KUBECONFIG.format(user="{}").replace(":9", f":{server.server_port}"))
        try:
            yield str(kubeconfig)
        finally:
            server.shutdown()


FORBIDDEN = 'moduledeployments is forbidden: User "eve" cannot list resource "moduledeployments"'


@pytest.mark.parametrize(
    ("words", "code", "body", "status", "told"),
    [
        (
            ["list"],
            403,
            refusal(403, FORBIDDEN),
            1,
            "no right to list moduledeployments.koupleless.alipay.com in namespace team; ask for a role that has it",
        ),
        (
            ["list", "-A"],
            403,
            refusal(403, FORBIDDEN),
            1,
            "in all namespaces; leave -A out, or ask for a role that has it, as moduledeploy-viewer has",
        ),
        (["get", "x"], 403, refusal(403, FORBIDDEN), 1, "in namespace team; ask for a role that has it, as view has"),
        (["list"], 401, refusal(401, "Unauthorized"), 1, "doesn't accept these credentials; log in again"),
        (["list"], 501, refusal(501, "no such thing here"), 1, "now (501: no such thing here); try again"),
        (["list"], 200, b"<html>Log in</html>", 1, "what was answered is no object of an API server"),
        (["get", "x", "-w"], 200, b"<html>Log in</html>", 1, "what was answered is no object of an API server"),
        (["list"], 404, b"404 page not found\n", 6, "install the CRDs first"),
        (["pause", "x"], 404, b"404 page not found\n", 6, "install the CRDs first"),
        (
            ["pause", "x"],
            404,
            refusal(404, 'moduledeployments "x" not found'),
            6,
            "no ModuleDeployment x in namespace team",
        ),
    ],
)
def test_whatever_a_server_refuses_is_one_line_with_what_to_do(
    call: Call, tmp_path: Path, words: list[str], code: int, body: bytes, status: int, told: str
) -> None:
    with served(tmp_path, type("Answers", (_Answers,), {"code": code, "body": body})) as kubeconfig:
        said = call(*words, "--kubeconfig", kubeconfig)

    assert (said.status, said.err.count("\n")) == (status, 1)
    assert told in said.err


class _NoWatches(_Answers):
    """Lists nothing, and lets nobody watch."""

    body = b'{"kind":"List","metadata":{"resourceVersion":"1"},"items":[]}'

    def do_GET(self) -> None:
        if "watch=" in self.path:
            self.code, self.body = 403, refusal(403, 'x is forbidden: User "eve" cannot watch resource "x"')
        super().do_GET()


@pytest.mark.parametrize("words", [["list", "-w"], ["get", "x", "-w"], ["status", "x", "-w"]])
def test_who_may_list_and_not_watch_is_told_so_at_once(call: Call, tmp_path: Path, words: list[str]) -> None:
    with served(tmp_path, _NoWatches) as kubeconfig:
        said = call(*words, "--kubeconfig", kubeconfig)

    assert (said.status, said.out, said.err.count("\n")) == (1, "", 1)
    assert "no right to watch " in said.err
    assert '(x is forbidden: User "eve" cannot watch resource "x")' in said.err


@pytest.mark.parametrize(
    ("where", "status", "told"),
    [(">/dev/full", 1, "moduledeploy: standard output: No space left on device\n"), (">&-", 1, ""), ("| cat", 0, "")],
)
def test_output_that_cannot_be_written_ends_without_a_traceback(where: str, status: int, told: str) -> None:
    plan = f"plan -f {MANIFESTS / 'samples' / 'orders-v1.yaml'} --snapshot /dev/null"
    command = f"{sys.executable} -m moduledeploy {plan} {where}"
    environ = {**os.environ, "PYTHONIOENCODING": "ascii"}

    done = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stderr) == (status, told)
    assert ("✖" in done.stdout) is (where == "| cat")


def test_completion_is_silent_without_a_cluster(complete: Complete, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG.format(user="{}"))

    assert complete("get", "--kubeconfig", str(kubeconfig), "") == []
