"""An API server reached over plain HTTP: the embedded one, and the real one that tests start or are given."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final

import attrs
import yaml
from anyio.from_thread import start_blocking_portal

from moduledeploy.devcluster.cluster import DevCluster
from tests.manifests.objects import API_VERSION, MANIFESTS, PLURALS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CRDS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_MERGE_PATCH: Final = "application/merge-patch+json"
_STARTED_WITHIN_S: Final = 60.0


@attrs.frozen
class Answer:
    """What a server said."""

    code: int
    body: dict[str, Any]

    @property
    def causes(self) -> dict[str, list[str]]:
        """Of a refusal, what is said about each field; `""` for what names none."""
        said: dict[str, list[str]] = {}
        for cause in self.body.get("details", {}).get("causes", []):
            said.setdefault(cause.get("field", ""), []).append(cause["message"])
        return said


@attrs.frozen
class Api:
    """One server and the namespace that the tests have in it."""

    host: str
    port: int
    namespace: str

    def send(self, method: str, path: str, body: object = None, content_type: str = "application/json") -> Answer:
        """One request; the answer's JSON."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": content_type, "Accept": "application/json"})
            response = connection.getresponse()
            return Answer(response.status, json.loads(response.read()))
        finally:
            connection.close()

    def path(self, kind: str, name: str = "") -> str:
        """Where objects of the kind are."""
        path = f"/apis/{API_VERSION}/namespaces/{self.namespace}/{PLURALS[kind]}"
        return f"{path}/{name}" if name else path

    def create(self, obj: dict[str, Any], query: str = "?fieldValidation=Strict") -> Answer:
        """Create an object of our kinds; by default an unknown field is refused, as kubectl asks for."""
        return self.send("POST", self.path(obj["kind"]) + query, obj)

    def patch(self, kind: str, name: str, change: dict[str, Any]) -> Answer:
        """Merge-patch an object of our kinds; `name` may end in a subresource."""
        return self.send("PATCH", self.path(kind, name), change, _MERGE_PATCH)

    def prepare(self) -> None:
        """Make the namespace and the CRDs, and wait until the kinds are served."""
        self.send("POST", "/api/v1/namespaces", {"metadata": {"name": self.namespace}})
        for file in sorted((MANIFESTS / "crd").glob("*.yaml")):
            crd = yaml.safe_load(file.read_text())
            answer = self.send("POST", CRDS, crd)
            if answer.code == 409:
                answer = self.send("PATCH", f"{CRDS}/{crd['metadata']['name']}", {"spec": crd["spec"]}, _MERGE_PATCH)
            assert answer.code in {200, 201}, answer.body["message"]
        for kind in PLURALS:
            _wait(partial(self._serves, kind), f"{kind} to be served")

    def _serves(self, kind: str) -> bool:
        return self.send("GET", self.path(kind)).code == 200

    def leave(self) -> None:
        """Delete the namespace."""
        self.send("DELETE", f"/api/v1/namespaces/{self.namespace}")


def new_namespace() -> str:
    """A name that no earlier run has left behind."""
    return f"manifests-{token_hex(4)}"


@contextmanager
def embedded_api() -> Iterator[Api]:
    """The embedded server, in a thread of its own."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(DevCluster()) as cluster:
        yield Api("127.0.0.1", cluster.port, new_namespace())


@contextmanager
def real_api(folder: Path) -> Iterator[Api]:
    """The real server: one started from KUBEBUILDER_ASSETS, else that of KUBECONFIG."""
    with ExitStack() as stack:
        assets = os.environ.get("KUBEBUILDER_ASSETS")
        kubeconfig = (
            stack.enter_context(_control_plane(Path(assets), folder)) if assets else Path(os.environ["KUBECONFIG"])
        )
        yield Api("127.0.0.1", stack.enter_context(_proxy(kubeconfig)), new_namespace())


@contextmanager
def _control_plane(assets: Path, folder: Path) -> Iterator[Path]:
    """etcd and kube-apiserver on loopback for the time of the tests; the path of an admin's kubeconfig."""
    etcd, peer, port = _free_ports(3)
    token = token_hex(16)
    (folder / "tokens.csv").write_text(f'{token},admin,admin,"system:masters"\n')
    subprocess.run(["openssl", "genrsa", "-out", "sa.key", "2048"], cwd=folder, check=True, capture_output=True)
    with ExitStack() as stack:
        stack.enter_context(
            _process(
                folder / "etcd.log",
                *(assets / "etcd", f"--data-dir={folder / 'etcd'}", "--unsafe-no-fsync"),
                *(f"--listen-client-urls=http://127.0.0.1:{etcd}", f"--advertise-client-urls=http://127.0.0.1:{etcd}"),
                *(
                    f"--listen-peer-urls=http://127.0.0.1:{peer}",
                    f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
                ),
                f"--initial-cluster=default=http://127.0.0.1:{peer}",
            )
        )
        stack.enter_context(
            _process(
                folder / "kube-apiserver.log",
                *(assets / "kube-apiserver", f"--etcd-servers=http://127.0.0.1:{etcd}", f"--cert-dir={folder}"),
                *("--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", f"--secure-port={port}"),
                *(f"--token-auth-file={folder / 'tokens.csv'}", "--authorization-mode=RBAC"),
                *("--service-account-issuer=https://kubernetes.default.svc", "--service-cluster-ip-range=10.0.0.0/24"),
                *(f"--service-account-key-file={folder / 'sa.key'}", "--endpoint-reconciler-type=none"),
                f"--service-account-signing-key-file={folder / 'sa.key'}",
            )
        )
        kubeconfig = folder / "kubeconfig"
        cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(folder / "apiserver.crt")}
        named = {"name": "real", "cluster": cluster, "user": {"token": token}}
        context = {"name": "real", "context": {"cluster": "real", "user": "real"}}
        config = {"clusters": [named], "users": [named], "contexts": [context], "current-context": "real"}
        kubeconfig.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config"} | config))
        ready = [_kubectl(), "--kubeconfig", str(kubeconfig), "get", "--raw", "/readyz"]
        _wait(
            lambda: subprocess.run(ready, capture_output=True, check=False).returncode == 0,
            "kube-apiserver to be ready",
        )
        yield kubeconfig


@contextmanager
def _proxy(kubeconfig: Path) -> Iterator[int]:
    """The port of a `kubectl proxy`, so that credentials of every sort are kubectl's business."""
    command = [_kubectl(), "--kubeconfig", str(kubeconfig), "proxy", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline().rsplit(":", 1)[1])
        finally:
            process.terminate()


@contextmanager
def _process(log: Path, *command: object) -> Iterator[None]:
    with (
        log.open("wb") as output,
        subprocess.Popen([str(word) for word in command], stdout=output, stderr=output) as process,
    ):
        try:
            yield
        finally:
            process.terminate()


def _kubectl() -> str:
    beside = Path(sys.executable).with_name("kubectl")
    return str(beside) if beside.exists() else shutil.which("kubectl") or "kubectl"


def _free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _wait(done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _STARTED_WITHIN_S
    while not done():
        assert time.monotonic() < deadline, f"waited {_STARTED_WITHIN_S:.0f} s for {what}"
        time.sleep(0.1)
