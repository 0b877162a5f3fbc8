"""The embedded cluster with simulated bases in the test's process, controllers outside, and what is true of both.

What a test asserts is read past the network: objects from the store, modules and effects from the bases themselves.
"""

from __future__ import annotations

import os
import time
from contextlib import asynccontextmanager
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import attrs
import yaml

import moduledeploy
from moduledeploy.devcluster.bases import LocalBases
from moduledeploy.devcluster.cluster import DevCluster
from tests.faults.network import Call, Door
from tests.faults.processes import Controller, start_controller, write_kubeconfig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

_CRDS: Final = Path(moduledeploy.__file__).parent.parent / "manifests" / "crd"
GROUP: Final = "koupleless.alipay.com"
DEPLOYMENTS: Final = f"moduledeployments.{GROUP}"
MODULES: Final = f"modules.{GROUP}"
NS: Final = "default"
_MASTER: Final = "master-biz"


@attrs.define(eq=False, kw_only=True)
class Scene:
    """One cluster and the controllers that work on it."""

    cluster: DevCluster
    bases: LocalBases
    folder: Path
    doors: dict[str, Door] = attrs.field(factory=dict)
    controllers: list[Controller] = attrs.field(factory=list)

    async def start(self, name: str, *flags: str, server: str = "", token: str = "") -> Controller:
        """Start a controller with a door of its own; one that ended before is started anew, by the same door."""
        door = await self.open_door(name)
        path = write_kubeconfig(self.folder / f"{name}.kubeconfig", server or door.url, token=token)
        kubeconfig = ("--kubeconfig", str(path), "--url-schemes", "http,https,file")
        self.controllers.append(start_controller(self.folder, name, *kubeconfig, *flags))
        return self.controllers[-1]

    async def open_door(self, name: str) -> Door:
        """The door of one controller, open."""
        if name not in self.doors:
            self.doors[name] = Door(self.cluster.server.handle)
            await self.doors[name].open()
        return self.doors[name]

    async def start_pair(self, server: str = "") -> tuple[Controller, Controller]:
        """A leader, which finds the API server there, and a standby, both ready."""
        leader = await self.start("first", "--leader-election", "--lease-namespace", NS, server=server)
        await self.until(lambda: bool(self.holder()), 30)
        standby = await self.start("second", "--leader-election", "--lease-namespace", NS)
        await standby.wait_ready()
        return leader, standby

    def holder(self) -> str:
        """Who the lease says leads, empty for nobody."""
        lease = self.cluster.api.find("leases.coordination.k8s.io", "moduledeploy", NS)
        return (lease or {}).get("spec", {}).get("holderIdentity") or ""

    async def connections_at_takeover(self, holder: str, within_s: float) -> int:
        """How many calls the bases had had when the lease went from that holder to another.

        Counted on the write itself: its winner calls bases within milliseconds, before a poll would see it.
        """
        with self.cluster.api.subscribe("leases.coordination.k8s.io") as leases, anyio.fail_after(within_s):
            while self.holder() in ("", holder):
                await leases.wait_events()
            return self.bases.connections

    async def deploy_bases(self, count: int, **switches: str) -> None:
        """The base Deployment, its pods Ready."""
        labels = {"app": "base"}
        prefix = f"devcluster.{GROUP}/"
        annotations = {prefix + name.replace("_", "-"): value for name, value in switches.items()}
        container = {"name": "base", "image": "base:1", "ports": [{"name": "arklet", "containerPort": 1238}]}
        template = {
            "metadata": {"labels": labels, "annotations": annotations},
            "spec": {"containers": [container]},
        }
        spec = {"replicas": count, "selector": {"matchLabels": labels}, "template": template}
        self.cluster.api.create("deployments.apps", {"metadata": {"name": "base", "namespace": NS}, "spec": spec})
        await self.until(lambda: self._ready_bases() == count, 30)

    def _ready_bases(self) -> int:
        found: int = self.cluster.api.get("deployments.apps", "base", NS).get("status", {}).get("readyReplicas", 0)
        return found

    def deploy(
        self,
        version: str,
        *,
        replicas: int,
        batches: int,
        name: str = "orders",
        strategy: dict[str, Any] | None = None,
        **spec: Any,
    ) -> None:
        """Create the ModuleDeployment, or give it this version."""
        module = {"name": name, "version": version, "url": f"file:///modules/{name}-{version}-ark-biz.jar"}
        body = {
            "metadata": {"name": name, "namespace": NS},
            "spec": {
                "baseDeploymentName": "base",
                "replicas": replicas,
                "template": {"spec": {"module": module}},
                "operationStrategy": {"batchCount": batches, **(strategy or {})},
                **spec,
            },
        }
        if self.cluster.api.find(DEPLOYMENTS, name, NS) is None:
            self.cluster.api.create(DEPLOYMENTS, body)
        else:
            self.cluster.api.patch(DEPLOYMENTS, name, {"spec": body["spec"]}, namespace=NS)

    def status(self, name: str = "orders") -> dict[str, Any]:
        """The ModuleDeployment's status."""
        found: dict[str, Any] = self.cluster.api.get(DEPLOYMENTS, name, NS).get("status") or {}
        return found

    def is_completed(self, name: str = "orders") -> bool:
        """Whether the rollout of the newest generation has come to its end."""
        obj = self.cluster.api.get(DEPLOYMENTS, name, NS)
        status = obj.get("status") or {}
        progress = (status.get("releaseStatus") or {}).get("progress")
        return status.get("observedGeneration") == obj["metadata"]["generation"] and progress == "Completed"

    async def complete(self, within_s: float, name: str = "orders") -> None:
        """Return when the rollout is Completed."""
        await self.until(lambda: self.is_completed(name), within_s)

    def pods(self) -> list[dict[str, Any]]:
        """The base pods."""
        return self.cluster.api.list("pods", NS)

    def installed(self) -> dict[str, dict[str, str]]:
        """By base that runs: what its Arklet lists, state by identity, the base's own entry left out."""
        found = {}
        for namespace, name in self.bases.names():
            listed = self.bases.arklet(namespace, name).modules()
            found[name] = {k: v for k, v in listed.items() if not k.startswith(_MASTER)}
        return found

    def installs(self, identity: str) -> dict[str, int]:
        """By base: how often an install of the version took effect."""
        return {
            pod["metadata"]["name"]: self.bases.effects(pod["metadata"]["uid"]).installs[identity]
            for pod in self.pods()
        }

    def uninstalls(self, identity: str) -> dict[str, int]:
        """By base: how often an uninstall of the version took effect."""
        return {
            pod["metadata"]["name"]: self.bases.effects(pod["metadata"]["uid"]).uninstalls[identity]
            for pod in self.pods()
        }

    def has_begun(self, version: str) -> bool:
        """Whether Modules of that version are there."""
        modules = self.cluster.api.list(MODULES, NS)
        return any(module["spec"]["module"]["version"] == version for module in modules)

    def has_alone(self, version: str) -> bool:
        """Whether no base and no Module is left with another version."""
        modules = self.cluster.api.list(MODULES, NS)
        listed = [identity for states in self.installed().values() for identity in states]
        versions = {module["spec"]["module"]["version"] for module in modules}
        return versions == {version} and {identity.partition(":")[2] for identity in listed} == {version}

    def effects(self) -> int:
        """All installs and uninstalls that took effect so far."""
        found = (self.bases.effects(pod["metadata"]["uid"]) for pod in self.pods())
        return sum(effects.installs.total() + effects.uninstalls.total() for effects in found)

    def calls(self, since: float = 0.0) -> list[Call]:
        """Requests of all controllers from that moment on."""
        return [call for door in self.doors.values() for call in door.since(since)]

    def writes(self) -> int:
        """Changes by controllers that took effect, but for the lease, Events, and questions asked by creating reviews."""
        kinds = [call.kind for call in self.calls() if call.is_done_write]
        return sum(kind not in ("leases", "events") and not kind.endswith("reviews") for kind in kinds)

    async def until(self, condition: Callable[[], object], within_s: float) -> float:
        """Wait in real time until it holds; how long that took."""
        began_at = time.monotonic()
        while not condition():
            if time.monotonic() - began_at > within_s:
                raise AssertionError(f"not within {within_s:g} s\n{self.picture()}")
            await anyio.sleep(0.02)
        return time.monotonic() - began_at

    async def quiet(self) -> None:
        """Return when no controller has changed anything for two seconds."""
        writes, since = self.writes(), time.monotonic()
        while time.monotonic() - since < 2:
            await anyio.sleep(0.1)
            if self.writes() != writes:
                writes, since = self.writes(), time.monotonic()

    def picture(self) -> str:
        """What there is, for whoever reads a failure."""
        modules = [
            f"  {m['metadata']['name']} {m['spec']['module']['version']} {(m.get('status') or {}).get('status', '')}"
            f" {(m.get('status') or {}).get('reason', '')}"
            for m in self.cluster.api.list(MODULES, NS)
        ]
        logs = [f"{c.name} (status {c.status}, {c.log}):\n{c.said()}" for c in self.controllers]
        deployments = [obj.get("status") for obj in self.cluster.api.list(DEPLOYMENTS, NS)]
        return "\n".join([f"holder {self.holder()!r}", str(deployments), *modules, str(self.installed()), *logs])

    def assert_everywhere(self, version: str, *, name: str = "orders", old: str = "") -> None:
        """Every base has this version alone, active, installed once; the objects say the same."""
        identity = f"{name}:{version}"
        wanted = {pod["metadata"]["name"]: {identity: "activated"} for pod in self.pods()}
        once = dict.fromkeys(wanted, 1)
        assert self.installed() == wanted, self.picture()
        assert self.installs(identity) == once, self.picture()
        if old:
            assert self.installs(f"{name}:{old}") == once, self.picture()
            assert self.uninstalls(f"{name}:{old}") == once, self.picture()
        modules = self.cluster.api.list(MODULES, NS)
        assert sorted(module["spec"]["base"]["name"] for module in modules) == sorted(wanted), self.picture()
        assert {module["status"]["status"] for module in modules} == {"Available"}
        status = self.status(name)
        counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "updatedAvailableReplicas")
        assert {status[count] for count in counts} == {len(wanted)}, status

    def since_installed(self, identity: str) -> int:
        """On how many bases the version has taken effect."""
        return sum(1 for count in self.installs(identity).values() if count)

    async def close(self) -> None:
        """End every controller, whatever state it is in."""
        for controller in self.controllers:
            controller.end()
        for door in self.doors.values():
            await door.close()


def create_crds(cluster: DevCluster) -> None:
    """Make our kinds known."""
    for path in sorted(_CRDS.glob("*.yaml")):
        cluster.api.create("customresourcedefinitions.apiextensions.k8s.io", yaml.safe_load(path.read_text()))


def _network() -> IPv4Network:
    """Addresses of this process's own: whoever tests beside it takes its bases from the usual ones."""
    return IPv4Network(f"127.{2 + os.getpid() % 250}.0.0/16")


@asynccontextmanager
async def running_scene(folder: Path, *, rbac: bool = False) -> AsyncIterator[Scene]:
    """A cluster with our CRDs and no bases yet; everything ends when left."""
    async with DevCluster(rbac=rbac) as cluster, anyio.create_task_group() as playing:
        create_crds(cluster)
        bases = LocalBases(cluster.api, network=_network(), faults=cluster.faults)
        await playing.start(bases.run)
        scene = Scene(cluster=cluster, bases=bases, folder=folder)
        try:
            yield scene
        finally:
            await scene.close()
            playing.cancel_scope.cancel()
