"""Three real bases behind pods of the embedded cluster, and the controller as a process of its own."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs

from tests.arklet_base.build import build
from tests.arklet_base.processes import new_bases
from tests.manifests.api import Api

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.arklet_base.build import Jars
    from tests.arklet_base.processes import RealBase

BASES: Final = 3
MD: Final = "ModuleDeployment"
PATIENCE_S: Final = 600.0  # for anything: a bound for what hangs, far beyond what a busy machine takes
_POLL_S: Final = 0.1
_LOOK_S: Final = 0.05
_DEPLOYMENTS: Final = "/apis/apps/v1/namespaces/default/deployments"
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

    def change(self, name: str, version: str | None = None, *, min_ready_s: int | None = None, **strategy: Any) -> None:
        """Give a ModuleDeployment another version of its module, or another strategy, or both."""
        spec: Object = {"operationStrategy": strategy} if strategy else {}
        if min_ready_s is not None:
            spec["minReadySeconds"] = min_ready_s
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

    def wait_progress(self, name: str, progress: str) -> None:
        """Until the rollout stands so."""
        self.wait(lambda: self.progress(name) == progress, f"{name} to be {progress}")

    def wait(self, condition: Callable[[], T], what: str) -> T:
        """Until the condition holds, and what it gave then; what there is to see is in the error."""
        deadline = time.monotonic() + PATIENCE_S
        while not (found := condition()):
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {PATIENCE_S:g} s for {what}; {self.picture()}")
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
        return self._of_each(lambda base: base.web_answer())

    def installed(self) -> list[dict[str, str]]:
        """What is installed on each base."""
        return self._of_each(lambda base: base.modules())

    def _of_each(self, ask: Callable[[RealBase], T]) -> list[T]:
        """All are asked at once: one of them may be busy."""
        with ThreadPoolExecutor(len(self.bases)) as pool:
            return list(pool.map(ask, self.bases))

    def listed(self, service: str) -> set[str]:
        """The addresses that a Service's EndpointSlices hold as ready."""
        return _ready_addresses(self._slices(service))

    def look(self, service: str) -> Round:
        """Ask all bases, and see whether the Service lists them meanwhile."""
        before = self._slices(service)
        answers = dict(zip((base.host for base in self.bases), self.answers(), strict=True))
        listed = _ready_addresses(before)
        return Round(answers, listed, listed if self._slices(service) == before else set())

    def _slices(self, service: str) -> list[Object]:
        found: list[Object] = self.api.send(
            "GET", f"{_SLICES}?labelSelector=kubernetes.io/service-name={service}"
        ).body["items"]
        return found

    def pods(self) -> dict[str, Object]:
        """The base pods by their addresses."""
        found = self.api.send("GET", "/api/v1/namespaces/default/pods").body["items"]
        return {pod["status"].get("podIP", ""): pod for pod in found}

    def wait_ready(self, bases: Sequence[RealBase]) -> None:
        """Until these bases, and no others, have Ready pods."""
        hosts = {base.host for base in bases}
        self.wait(lambda: {host for host, pod in self.pods().items() if is_ready(pod)} == hosts, "the pods to be Ready")

    @contextmanager
    def lone_base(self) -> Iterator[RealBase]:
        """A base that has no pod meanwhile, so that nobody else calls it."""
        self._scale(BASES - 1)
        self.wait(lambda: len(self.pods()) < BASES, "a base to lose its pod")
        [base] = [base for base in self.bases if base.host not in self.pods()]
        try:
            yield base
        finally:
            self._scale(BASES)
            self.wait_ready(self.bases)

    def _scale(self, replicas: int) -> None:
        change = {"spec": {"replicas": replicas}}
        answer = self.api.send("PATCH", f"{_DEPLOYMENTS}/base", change, "application/merge-patch+json")
        assert answer.code == 200, answer.body

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


@attrs.frozen
class Round:
    """What the web module answered on all bases at about one moment, by address, and which a Service listed.

    `listed` are those that it listed throughout: none where its list was another one afterwards.
    """

    answers: dict[str, str | None]
    listed_before: set[str]
    listed: set[str]

    @property
    def silent(self) -> set[str]:
        """The bases that did not answer."""
        return {host for host, answer in self.answers.items() if answer is None}


def most_silent_at_once(rounds: Sequence[Round]) -> int:
    """The most bases that did not answer at one moment: that between two rounds, for those that were silent in both."""
    return max(len(one.silent & other.silent) for one, other in pairwise(rounds))


@contextmanager
def watching(look: Callable[[], T]) -> Iterator[list[T]]:
    """Look again and again meanwhile; the first look is over before the block begins, the last one begins after it."""
    seen: list[T] = []
    over, is_looking = threading.Event(), threading.Event()

    def keep_looking() -> None:
        while not over.wait(_LOOK_S):
            seen.append(look())
            is_looking.set()
        seen.append(look())

    thread = threading.Thread(target=keep_looking)
    thread.start()
    try:
        assert is_looking.wait(PATIENCE_S), "the first look has no end"
        yield seen
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
        answer = stage.api.send("POST", _DEPLOYMENTS, _base_deployment(bases[0].web_port))
        assert answer.code == 201, answer.body
        with (folder / "controller.log").open("wb") as log:
            flags = ("--url-schemes", "file", "--audit-interval", "5")
            where = ("--metrics-address", "127.0.0.1:0", "--health-address", "127.0.0.1:0")
            controller = _program("run", "--kubeconfig", kubeconfig, *flags, *where, out=log)
        ends.callback(_end, controller)
        stage.wait_ready(bases)
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


def _ready_addresses(slices: list[Object]) -> set[str]:
    endpoints = [endpoint for item in slices for endpoint in item.get("endpoints") or []]
    return {e["addresses"][0] for e in endpoints if (e.get("conditions") or {}).get("ready", True)}


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
