"""People, a cluster, bases and a network that are all restless at once; then they rest, and everything is as it was asked for.

Whatever happened meanwhile, at any moment no base has more modules than its cap, and in the end every base has exactly the
modules that its Modules name, and every ModuleDeployment has its replicas, available.
"""

from __future__ import annotations

import random
import signal
import time
from typing import TYPE_CHECKING, Any, Final

import anyio
import attrs
import pytest

from moduledeploy.devcluster.errors import ApiError
from moduledeploy.devcluster.faults import Fault
from tests.faults.cluster import DEPLOYMENTS, GROUP, MODULES, NS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.faults.cluster import Scene

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
BASES: Final = 10
CAP: Final = 3
REPLICA_SETS: Final = f"modulereplicasets.{GROUP}"
APPS: Final = "deployments.apps"
NAMES: Final = ("carts", "orders", "rates", "taxes")  # taxes follows its base, orders has a Service
SERVICE: Final = {"enableModuleService": True, "port": 80, "targetPort": 8080}


@attrs.define(eq=False)
class Unrest:
    """What may happen, drawn by seed; what is refused because its object has just gone did not happen."""

    scene: Scene
    chance: random.Random

    async def go_on_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        deeds = [deed for deed, weight in self.deeds() for _ in range(weight)]
        while time.monotonic() < end:
            try:
                await self.chance.choice(deeds)()
            except ApiError as refusal:
                if refusal.code not in (404, 409, 422):
                    raise
            self.assert_caps()
            await anyio.sleep(self.chance.uniform(0, 0.3))

    def deeds(self) -> list[tuple[Callable[[], Awaitable[None]], int]]:
        return [
            (self.upgrade, 8),
            (self.confirm, 6),
            (self.pause, 1),
            (self.create, 4),
            (self.scale, 3),
            (self.delete, 2),
            (self.delete_module, 3),
            (self.delete_revision, 1),
            (self.delete_pod, 2),
            (self.scale_bases, 1),
            (self.restart_base, 2),
            (self.kill, 1),
        ]

    def assert_caps(self) -> None:
        crowded = {base: states for base, states in self.scene.installed().items() if len(_modules(states)) > CAP}
        assert not crowded, self.scene.picture()

    async def create(self, name: str = "") -> None:
        name = name or self.chance.choice(NAMES)
        is_peer = name == "taxes"
        strategy = {
            "useBeta": self.chance.random() < 0.3,
            "needConfirm": self.chance.random() < 0.4,
            "grayTime": self.chance.choice((0, 0, 1)),
            "onFailure": self.chance.choice(("pause", "abort", "rollback")),
            "batchScaling": self.chance.random() < 0.3,
            "upgradePolicy": "install_then_uninstall" if is_peer else self.chance.choice(_POLICIES),
            **({"serviceStrategy": SERVICE, "drainSeconds": 1} if name == "orders" else {}),
        }
        self.scene.deploy(
            self._version(),
            name=name,
            replicas=-1 if is_peer else self.chance.randint(0, 4),
            batches=self.chance.randint(2, 4),
            strategy=strategy,
            maxUnavailable=self.chance.choice((1, 2, "50%")),
        )

    async def are_all_there(self) -> bool:
        """Make those anew that were deleted, who take over what was left of them; whether none was missing."""
        there = {obj["metadata"]["name"] for obj in self.scene.cluster.api.list(DEPLOYMENTS, NS)}
        for name in sorted(set(NAMES) - there):
            await self.create(name)
        return there == set(NAMES)

    async def upgrade(self) -> None:
        name = self.chance.choice(NAMES)
        self._edit(name, {"template": {"spec": {"module": _module(name, self._version())}}})

    async def confirm(self) -> None:
        self._edit(self.chance.choice(NAMES), {"pause": False})

    async def pause(self) -> None:
        self._edit(self.chance.choice(NAMES), {"pause": True})

    async def scale(self) -> None:
        self._edit(self.chance.choice(NAMES[:3]), {"replicas": self.chance.randint(0, 4)})

    async def delete(self) -> None:
        ways = ("Background", "Foreground", "Orphan")
        self._delete(DEPLOYMENTS, self.chance.choice(NAMES), propagation=self.chance.choice(ways))

    async def delete_module(self) -> None:
        self._delete_one_of(MODULES)

    async def delete_revision(self) -> None:
        self._delete_one_of(REPLICA_SETS)

    async def delete_pod(self) -> None:
        self._delete_one_of("pods")

    async def scale_bases(self) -> None:
        self.scene.cluster.api.patch(APPS, "base", {"spec": {"replicas": self.chance.randint(8, 11)}}, namespace=NS)

    async def restart_base(self) -> None:
        self.scene.cluster.faults.add(
            Fault(kind="base_restart", name=self.chance.choice(self.scene.pods())["metadata"]["name"])
        )

    async def kill(self) -> None:
        leader = self.scene.controllers[-1]
        leader.send(signal.SIGKILL)
        leader.end()
        await anyio.sleep(self.chance.uniform(0, 1))
        await self.scene.start("alone")

    def _version(self) -> str:
        return f"{self.chance.randint(1, 4)}.0.0"

    def _edit(self, name: str, spec: dict[str, Any]) -> None:
        self.scene.cluster.api.patch(DEPLOYMENTS, name, {"spec": spec}, namespace=NS)

    def _delete(self, resource: str, name: str, **options: Any) -> None:
        self.scene.cluster.api.delete(resource, name, namespace=NS, **options)

    def _delete_one_of(self, resource: str) -> None:
        if there := self.scene.cluster.api.list(resource, NS):
            self._delete(resource, self.chance.choice(there)["metadata"]["name"])


_POLICIES: Final = ("install_then_uninstall", "uninstall_then_install", "scaleup_then_scaledown")


def _module(name: str, version: str) -> dict[str, str]:
    return {"name": name, "version": version, "url": f"file:///modules/{name}-{version}-ark-biz.jar"}


def _modules(states: dict[str, str]) -> set[str]:
    return {identity.partition(":")[0] for identity in states}


def let_pass(scene: Scene) -> bool:
    """Confirm what waits, end pauses, try again what failed; whether all is Completed."""
    done = True
    for obj in scene.cluster.api.list(DEPLOYMENTS, NS):
        name, status = obj["metadata"]["name"], obj.get("status") or {}
        if obj["spec"].get("pause"):
            scene.cluster.api.patch(DEPLOYMENTS, name, {"spec": {"pause": False}}, namespace=NS)
        if status.get("phase") in ("Failed", "Aborted"):
            retry = {"metadata": {"annotations": {f"{GROUP}/retry": str(time.monotonic_ns())}}}
            scene.cluster.api.patch(DEPLOYMENTS, name, retry, namespace=NS)
        done = done and not obj["metadata"].get("deletionTimestamp") and scene.is_completed(name)
    return done


def asked_for(scene: Scene) -> dict[str, dict[str, str]]:
    """By base, what its Modules name, all of it active."""
    wanted: dict[str, dict[str, str]] = {pod["metadata"]["name"]: {} for pod in scene.pods()}
    for module in scene.cluster.api.list(MODULES, NS):
        spec = module["spec"]
        wanted[spec["base"]["name"]][f"{spec['module']['name']}:{spec['module']['version']}"] = "activated"
    return wanted


def replicas(scene: Scene) -> dict[str, tuple[str, int]]:
    """By ModuleDeployment, the version and how many replicas it asks for."""
    count = len(scene.pods())
    return {
        obj["metadata"]["name"]: (
            obj["spec"]["template"]["spec"]["module"]["version"],
            count if obj["spec"]["replicas"] == -1 else obj["spec"]["replicas"],
        )
        for obj in scene.cluster.api.list(DEPLOYMENTS, NS)
    }


def present(scene: Scene) -> dict[str, tuple[str, int]]:
    """By module name, the versions and how many bases list it as active."""
    listed = [identity for states in scene.installed().values() for identity in states]
    names = {identity.partition(":")[0] for identity in listed}
    return {
        name: (
            ",".join(sorted({i.partition(":")[2] for i in listed if i.startswith(f"{name}:")})),
            sum(i.startswith(f"{name}:") for i in listed),
        )
        for name in names
    }


@pytest.mark.faults(runs=10, is_long=True)
async def test_after_any_unrest_everything_is_as_it_was_asked_for(scene: Scene, run: int) -> None:
    await scene.deploy_bases(BASES, install_delay="0.2", uninstall_delay="0.1")
    labels = {"metadata": {"labels": {f"{GROUP}/max-module-count": str(CAP)}}}
    scene.cluster.api.patch(APPS, "base", labels, namespace=NS)
    await scene.start("alone")
    unrest = Unrest(scene, random.Random(run))
    for name in NAMES:
        await unrest.create(name)

    await unrest.go_on_for(60)
    scene.cluster.api.patch(APPS, "base", {"spec": {"replicas": BASES}}, namespace=NS)
    rest_by = time.monotonic() + 90
    while not (await unrest.are_all_there() and let_pass(scene) and scene.installed() == asked_for(scene)):
        assert time.monotonic() < rest_by, scene.picture()
        unrest.assert_caps()
        await anyio.sleep(0.5)
    await scene.quiet()
    assert scene.installed() == asked_for(scene), scene.picture()
    wanted = {name: (version, count) for name, (version, count) in replicas(scene).items() if count}
    assert present(scene) == wanted, scene.picture()
