"""Three real bases behind pods of the embedded cluster, and the controller as a process of its own."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs

from tests.arklet_base.build import build
from tests.arklet_base.processes import new_bases
from tests.manifests.api import Api

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.arklet_base.build import Jars
    from tests.arklet_base.processes import RealBase

BASES: Final = 3
MD: Final = "ModuleDeployment"
_POLL_S: Final = 0.1
_READY_S: Final = 120.0
_SLICES: Final = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"

Object = dict[str, Any]
T = TypeVar("T")


@attrs.define
class Stage:
    """The world of one session of tests."""

    api: Api
    bases: list[RealBase]
    jars: Jars

    def deploy(self, name: str, module: str, version: str, *, min_ready_s: int = 0, **strategy: Any) -> None:
        """Create a ModuleDeployment of a module on all bases; `operationStrategy` is what is given beside."""
        source = {"name": module, "version": version, "url": self.jars.url(module, version)}
        spec = {
            "baseDeploymentName": "base",
            "replicas": BASES,
            "maxUnavailable": 1,
            "minReadySeconds": min_ready_s,
            "template": {"spec": {"module": source}},
            "operationStrategy": strategy,
        }
        body = {"apiVersion": "koupleless.alipay.com/v1alpha1", "kind": MD, "metadata": {"name": name}, "spec": spec}
        answer = self.api.create(body)
        assert answer.code == 201, answer.body

    def change(self, name: str, version: str | None = None, **strategy: Any) -> None:
        """Give a ModuleDeployment another version of its module, or another strategy, or both."""
        spec: Object = {"operationStrategy": strategy} if strategy else {}
        if version is not None:
            module = self.get(name)["spec"]["template"]["spec"]["module"]["name"]
            source = {"version": version, "url": self.jars.url(module, version)}
            spec["template"] = {"spec": {"module": source}}
        answer = self.api.patch(MD, name, {"spec": spec})
        assert answer.code == 200, answer.body

    def get(self, name: str) -> Object:
        """A ModuleDeployment."""
        return self.api.send("GET", self.api.path(MD, name)).body

    def release(self, name: str) -> Object:
        """Where its rollout stands."""
        status: Object = self.get(name).get("status") or {}
        release: Object = status.get("releaseStatus") or {}
        return release

    def conditions(self, name: str) -> dict[str, Object]:
        """Its conditions by type."""
        status: Object = self.get(name).get("status") or {}
        return {item["type"]: item for item in status.get("conditions") or []}

    def condition_if(self, name: str, kind: str, status: str) -> Object:
        """That condition while it has this status, else nothing."""
        found = self.conditions(name).get(kind, {})
        return found if found.get("status") == status else {}

    def progress(self, name: str) -> str:
        """Its rollout's progress, as of the newest spec."""
        found = self.get(name)
        status: Object = found.get("status") or {}
        if status.get("observedGeneration") != found["metadata"]["generation"]:
            return ""
        return str((status.get("releaseStatus") or {}).get("progress", ""))

    def wait_progress(self, name: str, progress: str, *, at_most_s: float = 180.0) -> None:
        """Until the rollout stands so."""
        self.wait(lambda: self.progress(name) == progress, f"{name} to be {progress}", at_most_s=at_most_s)

    def wait(self, condition: Callable[[], T], what: str, *, at_most_s: float = 120.0) -> T:
        """Until the condition holds, and what it gave then; what there is to see is in the error."""
        deadline = time.monotonic() + at_most_s
        while not (found := condition()):
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {at_most_s:g} s for {what}; {self.picture()}")
            time.sleep(_POLL_S)
        return found

    def picture(self) -> str:
        """What there is to see."""
        deployments = self.api.send("GET", self.api.path(MD)).body["items"]
        modules = self.api.send("GET", self.api.path("Module")).body["items"]
        lines = [f"{item['metadata']['name']}: {item.get('status')}" for item in deployments + modules]
        return "\n".join([*lines, *(f"{base.address}: {base.modules()}" for base in self.bases)])

    def answers(self) -> list[str | None]:
        """What the web module answers on each base."""
        return [base.web_answer() for base in self.bases]

    def installed(self) -> list[dict[str, str]]:
        """What is installed on each base."""
        return [base.modules() for base in self.bases]

    def listed(self, service: str) -> set[str]:
        """The addresses that a Service's EndpointSlices hold as ready."""
        found = self.api.send("GET", f"{_SLICES}?labelSelector=kubernetes.io/service-name={service}").body["items"]
        endpoints = [endpoint for item in found for endpoint in item.get("endpoints") or []]
        return {e["addresses"][0] for e in endpoints if (e.get("conditions") or {}).get("ready", True)}

    def pods(self) -> dict[str, Object]:
        """The base pods by their addresses."""
        found = self.api.send("GET", "/api/v1/namespaces/default/pods").body["items"]
        return {pod["status"].get("podIP", ""): pod for pod in found}

    def clear_deployments(self) -> None:
        """Delete every ModuleDeployment and wait until they are gone."""
        for item in self.api.send("GET", self.api.path(MD)).body["items"]:
            self.api.send("DELETE", self.api.path(MD, item["metadata"]["name"]))
        self.wait(lambda: not self.api.send("GET", self.api.path(MD)).body["items"], "no ModuleDeployment to be left")

    def clear(self) -> None:
        """Delete every ModuleDeployment, and what was installed by hand."""
        self.clear_deployments()
        for base in self.bases:
            for identity in base.modules():
                name, _, version = identity.partition(":")
                base.call("uninstallBiz", bizName=name, bizVersion=version)


@attrs.define
class Round:
    """What all bases showed at about one moment: answers by address, and which a Service listed before, and throughout."""

    answers: dict[str, str | None]
    listed_before: set[str]
    listed: set[str]
    modules: list[set[str]]


@contextmanager
def watching(stage: Stage, *, service: str = "", modules: bool = False) -> Iterator[list[Round]]:
    """Look at all bases again and again meanwhile, at what they answer or at the lists of their modules.

    The first round is over before the block begins, the last one when it has ended.
    """
    rounds: list[Round] = []
    over, is_looking = threading.Event(), threading.Event()

    def look(pool: ThreadPoolExecutor) -> Round:
        if modules:
            return Round({}, set(), set(), list(pool.map(lambda base: set(base.modules()), stage.bases)))
        before = stage.listed(service) if service else set()
        answers = dict(zip((b.host for b in stage.bases), pool.map(lambda b: b.web_answer(), stage.bases), strict=True))
        after = stage.listed(service) if service else set()
        return Round(answers, before, before & after, [])

    def keep_looking() -> None:
        with ThreadPoolExecutor(len(stage.bases)) as pool:
            while not over.wait(0.02):
                rounds.append(look(pool))
                is_looking.set()

    thread = threading.Thread(target=keep_looking)
    thread.start()
    try:
        assert is_looking.wait(60), "the first round has no end"
        yield rounds
    finally:
        over.set()
        thread.join()


@contextmanager
def open_stage(folder: Path) -> Iterator[Stage]:
    """Start everything and end it again."""
    jars = build()
    bases = new_bases(jars, folder, BASES)
    with ExitStack() as ends:
        for base in bases:
            ends.callback(base.kill)
            base.start()
        for base in bases:
            base.wait_up()
        kubeconfig = folder / "kubeconfig"
        attach = ",".join(base.address for base in bases)
        cluster = _program(
            "devcluster", "--port", "0", "--kubeconfig", kubeconfig, "--attach", attach, out=subprocess.PIPE
        )
        ends.callback(_end, cluster)
        assert cluster.stdout is not None
        ready = cluster.stdout.readline().decode()
        assert ready.startswith("devcluster ready at"), ready
        port = int(ready.split(",")[0].rpartition(":")[2])
        stage = Stage(Api("127.0.0.1", port, "default"), bases, jars)
        stage.api.prepare()
        answer = stage.api.send(
            "POST", "/apis/apps/v1/namespaces/default/deployments", _base_deployment(bases[0].web_port)
        )
        assert answer.code == 201, answer.body
        with (folder / "controller.log").open("wb") as log:
            flags = ("--url-schemes", "file", "--audit-interval", "5")
            where = ("--metrics-address", "127.0.0.1:0", "--health-address", "127.0.0.1:0")
            controller = _program("run", "--kubeconfig", kubeconfig, *flags, *where, out=log)
        ends.callback(_end, controller)
        hosts = {base.host for base in bases}
        stage.wait(lambda: _ready_hosts(stage) == hosts, "the base pods to be Ready", at_most_s=_READY_S)
        yield stage


def _program(*arguments: object, out: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "moduledeploy", *map(str, arguments)]
    errors = None if out is subprocess.PIPE else subprocess.STDOUT
    return subprocess.Popen(command, stdout=out, stderr=errors)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(30)
    if process.stdout is not None:
        process.stdout.close()


def _ready_hosts(stage: Stage) -> set[str]:
    return {host for host, pod in stage.pods().items() if is_ready(pod)}


def is_ready(pod: Object) -> bool:
    """Whether the kubelet says so."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions") or [])


def _base_deployment(web_port: int) -> Object:
    labels = {"app": "base"}
    ports = [{"name": "http", "containerPort": web_port}, {"name": "arklet", "containerPort": 1238}]
    container = {"name": "base", "image": "registry.example.com/base:1.0.0", "ports": ports}
    return {
        "metadata": {"name": "base"},
        "spec": {
            "replicas": BASES,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }
