"""What holds in a whole cluster after every turn of a controller, told from the API's history and the bases alone."""

from __future__ import annotations

from typing import Any

import attrs

from moduledeploy.api import names
from moduledeploy.api.traffic import service_name
from moduledeploy.arklet.outcomes import BizState
from moduledeploy.controllers import resources
from moduledeploy.controllers.facts import FamilyKey
from tests.controllers.memory_api import Body, Event
from tests.controllers.world import World

_OWNERS = {
    names.MODULE_DEPLOYMENT: resources.MODULE_DEPLOYMENTS,
    names.MODULE_REPLICA_SET: resources.MODULE_REPLICA_SETS,
}


@attrs.define
class ClusterRules:
    """Told before and after each turn; `given_up` are bases on which somebody gave a Module up."""

    world: World
    given_up: set[str] = attrs.field(factory=set)
    _seen: int = 0
    _modules: dict[str, Body] = attrs.field(factory=dict)
    _calls: int = 0
    _endpoints: dict[str, set[str]] = attrs.field(factory=dict)
    _serving: dict[str, str] = attrs.field(factory=dict)

    def before(self) -> None:
        world = self.world
        self._seen, self._calls = len(world.api.history), len(world.arklet.calls)
        self._modules = {body["metadata"]["name"]: body for body in world.modules()}
        self._endpoints = {
            item["metadata"]["labels"]["kubernetes.io/service-name"]: _ready(item)
            for item in world.api.list(resources.ENDPOINT_SLICES)
        }
        self._serving = world.arklet.serving()

    def after(self, key: object) -> None:
        """`key` had its turn and nobody else did anything; what it read was up to date."""
        for event in self.world.api.history[self._seen :]:
            if event.resource == resources.MODULES:
                self._follow(event, key)
        self._check_traffic()

    def _follow(self, event: Event, key: object) -> None:
        """One step in a Module's life: does it cost too much, does it fit?"""
        before = self._available(key) if isinstance(key, FamilyKey) else 0
        if event.new is None:
            self._modules.pop(event.key.name, None)
        else:
            self._modules[event.key.name] = event.new
        if event.old is None and event.new is not None:
            self._check_cap(event.new["spec"]["base"]["uid"])
        if isinstance(key, FamilyKey) and (parent := self._parent(key)) is not None:
            after, floor = self._available(key), self._desired(parent) - self._limit(parent)
            assert after >= min(before, floor), f"{key}: {before} available became {after}, the floor is {floor}"

    def _parent(self, key: FamilyKey) -> Body | None:
        """Who may take nothing below its floor: one that isn't being deleted."""
        found = self.world.api.find(_OWNERS[key.kind], key.name)
        return None if found is None or found["metadata"].get("deletionTimestamp") else found

    def _desired(self, parent: Body) -> int:
        spec = parent["spec"]
        if spec["replicas"] >= 0:
            return int(spec["replicas"])
        base = self.world.api.find(resources.DEPLOYMENTS, spec["baseDeploymentName"])
        return int(base["spec"]["replicas"]) if base else 0

    def _limit(self, parent: Body) -> int:
        return int(parent["spec"].get("maxUnavailable", self._desired(parent) // 4))

    def _available(self, key: FamilyKey) -> int:
        """Bases on which the family serves and may go on to."""
        return len({body["spec"]["base"]["uid"] for body in self._modules.values() if self._serves(body, key)})

    def _serves(self, body: Body, key: FamilyKey) -> bool:
        meta = body["metadata"]
        base = body["spec"]["base"]
        pod = self.world.api.find(resources.PODS, base["name"])
        return (
            self._family(meta) == (key.kind, key.name)
            and "deletionTimestamp" not in meta
            and body.get("status", {}).get("status") == "Available"
            and pod is not None
            and pod["metadata"]["uid"] == base["uid"]
            and pod["status"]["conditions"][0]["status"] == "True"
        )

    def _family(self, module: Body) -> tuple[str, str] | None:
        """Whose it is, by way of its ModuleReplicaSet."""
        owner = next(iter(module.get("ownerReferences", [])), None)
        replica_set = self.world.api.find(resources.MODULE_REPLICA_SETS, owner["name"]) if owner else None
        if replica_set is None:
            return None
        above = next(iter(replica_set["metadata"].get("ownerReferences", [])), None)
        found = above or {**replica_set["metadata"], "kind": replica_set["kind"]}
        return found["kind"], found["name"]

    def _check_cap(self, uid: str) -> None:
        pod = next((pod for pod in self.world.api.list(resources.PODS) if pod["metadata"]["uid"] == uid), None)
        cap = pod["metadata"].get("labels", {}).get(names.CAP_LABEL) if pod is not None else None
        here = {b["spec"]["module"]["name"] for b in self._modules.values() if b["spec"]["base"]["uid"] == uid}
        assert cap is None or len(here) <= int(cap), f"{sorted(here)} on a base that takes {cap}"

    def _check_traffic(self) -> None:
        """What serves isn't uninstalled while an endpoint leads to it, unless a person gave it up."""
        for what, address, identity in self.world.arklet.calls[self._calls :]:
            if what == "uninstall" and self._serving.get(address) == identity:
                ready = self._endpoints.get(service_name(identity.partition(":")[0]), set())
                pod = self.world.pod_at(address)["metadata"]
                led = pod["uid"] in ready and pod["name"] not in self.given_up
                assert not led, f"{identity} is uninstalled at {address} while traffic comes"


def check_clean(world: World, given_up: set[str]) -> None:
    """Everything was deleted: nothing of it is left anywhere, but on bases where a Module was given up."""
    assert world.modules() == []
    for resource in (resources.MODULE_DEPLOYMENTS, resources.MODULE_REPLICA_SETS, resources.SERVICES):
        left = [body for body in world.api.list(resource) if not _was_left(body)]
        assert not left, left
    for pod in world.api.list(resources.PODS):
        left = world.arklet.running.get(f"{pod['status']['podIP']}:1238")
        assert not left or pod["metadata"]["name"] in given_up, f"{left} is left on {pod['metadata']['name']}"
        assert not any(key.startswith("module.") for key in pod["metadata"].get("labels", {})), pod["metadata"]
        assert not pod["metadata"].get("finalizers")


def _was_left(body: Body) -> bool:
    """A Service whose last owner went and was to leave it."""
    return bool(body["kind"] == "Service" and not body["metadata"].get("ownerReferences"))


def check_reached(world: World, deployment: Body, others: set[str]) -> None:
    """What the ModuleDeployment asks for is there, active on so many bases, and it says so; `others` act for the same module."""
    meta, spec, status = deployment["metadata"], deployment["spec"], deployment.get("status", {})
    conditions = {item["type"]: item["status"] for item in status.get("conditions", [])}
    if conditions.get("Conflict") == "True":
        assert others, f"{meta['name']} is in conflict with nobody: {status['message']}"
        return
    assert status["observedGeneration"] == meta["generation"]
    if others and spec["replicas"] < 0 and "already have the module" in status["message"]:
        return  # what was left behind holds bases that peers want, and it says so
    assert status["releaseStatus"]["progress"] == "Completed", status
    source: Any = spec["template"]["spec"]["module"]
    mine = [b for b in world.modules() if b["metadata"]["labels"].get(names.DEPLOYMENT_LABEL) == meta["name"]]
    bases = [pod for pod in world.api.list(resources.PODS) if world.is_of(pod, spec["baseDeploymentName"])]
    wanted = len(bases) if spec["replicas"] < 0 else spec["replicas"]
    assert [body["spec"]["module"] for body in mine] == [source] * wanted
    for body in mine:
        pod = world.api.get(resources.PODS, body["spec"]["base"]["name"])
        here = world.arklet.running[f"{pod['status']['podIP']}:1238"]
        assert {version: state for (name, version), state in here.items() if name == source["name"]} == {
            source["version"]: BizState.ACTIVATED
        }
        has_service = bool(spec.get("operationStrategy", {}).get("serviceStrategy", {}).get("enableModuleService"))
        labelled = f"module.{names.GROUP}/{source['name']}" in pod["metadata"].get("labels", {})
        assert labelled == has_service, f"{meta['name']}: traffic is {labelled} on {pod['metadata']['name']}"


def _ready(item: Body) -> set[str]:
    return {endpoint["targetRef"]["uid"] for endpoint in item["endpoints"] if endpoint["conditions"]["ready"]}
