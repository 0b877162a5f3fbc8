"""The in-memory API and the embedded cluster's answer the controllers' requests alike: one suite for both."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import attrs
import pytest
import yaml

from moduledeploy.api.bodies import module_body, replica_set_body
from moduledeploy.api.decode import decode_deployment_spec
from moduledeploy.api.names import FINALIZER, WAITING_ANNOTATION
from moduledeploy.controllers.execute import Writer
from moduledeploy.controllers.failures import is_of_another
from moduledeploy.controllers.resources import MODULE_DEPLOYMENTS, MODULE_REPLICA_SETS, MODULES, PODS
from moduledeploy.devcluster.cluster import DevCluster
from moduledeploy.devcluster.deletion import DeleteOptions
from moduledeploy.devcluster.errors import ApiError
from moduledeploy.devcluster.local import LocalApi
from moduledeploy.devcluster.writes import WriteOptions
from moduledeploy.kube.errors import AlreadyExists, Conflict, Invalid, NotFound, error_from_response
from moduledeploy.kube.resources import ObjectKey, Resource
from moduledeploy.kube.writer import Written
from tests.clock import ManualClock
from tests.controllers.memory_api import InMemoryWriter, MemoryApi, merge
from tests.controllers.world import module

NS = "default"
ANOTHER = "7d0f0000-0000-4000-8000-000000000000"
CRDS = Path(__file__).parents[2] / "manifests" / "crd"
Body = dict[str, Any]


class Subject(Protocol):
    """An API under test."""

    @property
    def writer(self) -> Writer: ...
    def find(self, resource: Resource, name: str) -> Body | None: ...


@attrs.frozen
class EmbeddedWriter:
    """The embedded cluster's API as the controllers' Writer, its refusals as the client library raises them."""

    api: LocalApi

    async def create(self, resource: Resource, namespace: str, body: Mapping[str, object]) -> Written:
        made = {**body, "metadata": {**body["metadata"], "namespace": namespace}}  # type: ignore[dict-item]  # JSON
        return self._send(lambda: self.api.create(_table(resource), made))

    async def patch(self, resource: Resource, key: ObjectKey, body: object, *, subresource: str = "") -> Written:
        served, options = self.api.resource(_table(resource)), WriteOptions(manager="test", subresource=subresource)
        return self._send(lambda: self.api.writes.merge(served, (key.namespace, key.name), body, options).obj)  # type: ignore[arg-type]  # JSON

    async def delete(self, resource: Resource, key: ObjectKey, *, uid: str | None = None) -> Written:
        served = self.api.resource(_table(resource))

        def send() -> Body | None:
            self.api.writes.delete(served, (key.namespace, key.name), DeleteOptions(uid=uid))
            return self.api.find(_table(resource), key.name, key.namespace)

        return self._send(send)

    @staticmethod
    def _send(request: Any) -> Written:
        try:
            body = request()
        except ApiError as error:
            status = json.dumps({"reason": error.reason, "message": str(error)}).encode()
            raise error_from_response(request="request", code=error.code, body=status) from error
        if body is None:
            return Written("", "", "")
        meta = body["metadata"]
        return Written(meta["name"], meta["uid"], meta["resourceVersion"])


@attrs.frozen
class InMemory:
    api: MemoryApi

    @property
    def writer(self) -> Writer:
        return InMemoryWriter(self.api)

    def find(self, resource: Resource, name: str) -> Body | None:
        return self.api.find(resource, name)


@attrs.frozen
class Embedded:
    api: LocalApi

    @property
    def writer(self) -> Writer:
        return EmbeddedWriter(self.api)

    def find(self, resource: Resource, name: str) -> Body | None:
        return self.api.find(_table(resource), name, NS)


def _table(resource: Resource) -> str:
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


@pytest.fixture(params=["in memory", "embedded"])
def api(request: pytest.FixtureRequest) -> Subject:
    if request.param == "in memory":
        return InMemory(MemoryApi(ManualClock().wall))
    local = DevCluster(controllers=False).api
    for file in sorted(CRDS.glob("*.yaml")):
        local.create("customresourcedefinitions.apiextensions.k8s.io", yaml.safe_load(file.read_text()))
    return Embedded(local)


def deployment(name: str = "orders") -> Body:
    return {"metadata": {"name": name}, "spec": {"baseDeploymentName": "base", "replicas": 2, "template": module("1")}}


def a_module(name: str = "orders-1-00000001") -> Body:
    spec = decode_deployment_spec(deployment()["spec"])
    return module_body(
        name=name,
        namespace=NS,
        replica_set="orders-1",
        replica_set_uid="1",
        deployment="orders",
        number=1,
        template=spec.template,
        base_name="base-0",
        base_uid="00000001",
        base_ip="10.0.0.1",
        batch="1/1",
        uninstall_first=False,
    )


def meta(body: Body | None) -> Body:
    assert body is not None
    found: Body = body["metadata"]
    return found


async def test_a_created_object_has_a_uid_a_version_a_generation_and_whole_seconds(api: Subject) -> None:
    wrote = await api.writer.create(MODULE_DEPLOYMENTS, NS, deployment())

    found = meta(api.find(MODULE_DEPLOYMENTS, "orders"))
    assert (wrote.name, wrote.uid, wrote.resource_version) == ("orders", found["uid"], found["resourceVersion"])
    assert found["generation"] == 1
    assert len(found["creationTimestamp"]) == len("2026-01-01T00:00:00Z")


async def test_a_name_is_taken_once(api: Subject) -> None:
    await api.writer.create(MODULES, NS, a_module())

    with pytest.raises(AlreadyExists):
        await api.writer.create(MODULES, NS, a_module())


async def test_status_in_a_new_object_is_dropped(api: Subject) -> None:
    await api.writer.create(MODULES, NS, {**a_module(), "status": {"status": "Available"}})

    assert not (api.find(MODULES, "orders-1-00000001") or {}).get("status")


async def test_each_write_that_changes_something_has_a_newer_version(api: Subject) -> None:
    first = await api.writer.create(MODULE_DEPLOYMENTS, NS, deployment())
    second = await api.writer.patch(MODULE_DEPLOYMENTS, ObjectKey(NS, "orders"), {"spec": {"replicas": 3}})

    assert int(second.resource_version) > int(first.resource_version)
    assert meta(api.find(MODULE_DEPLOYMENTS, "orders"))["generation"] == 2


async def test_a_patch_that_changes_nothing_writes_nothing(api: Subject) -> None:
    first = await api.writer.create(MODULE_DEPLOYMENTS, NS, deployment())
    second = await api.writer.patch(MODULE_DEPLOYMENTS, ObjectKey(NS, "orders"), {"spec": {"replicas": 2}})

    assert second.resource_version == first.resource_version
    assert meta(api.find(MODULE_DEPLOYMENTS, "orders"))["generation"] == 1


async def test_null_in_a_patch_takes_a_field_away(api: Subject) -> None:
    await api.writer.create(MODULE_DEPLOYMENTS, NS, deployment())
    key = ObjectKey(NS, "orders")
    annotations = {WAITING_ANNOTATION: "r/1"}
    await api.writer.patch(MODULE_DEPLOYMENTS, key, {"metadata": {"annotations": annotations}, "spec": {"pause": True}})

    gone = {WAITING_ANNOTATION: None}
    await api.writer.patch(MODULE_DEPLOYMENTS, key, {"metadata": {"annotations": gone}, "spec": {"pause": None}})

    found = api.find(MODULE_DEPLOYMENTS, "orders") or {}
    assert "pause" not in found["spec"]
    assert not found["metadata"].get("annotations")


@pytest.mark.parametrize("field", ["uid", "resourceVersion"])
async def test_a_patch_for_another_object_or_version_is_void(api: Subject, field: str) -> None:
    await api.writer.create(MODULE_DEPLOYMENTS, NS, deployment())
    key = ObjectKey(NS, "orders")
    old = meta(api.find(MODULE_DEPLOYMENTS, "orders"))["resourceVersion"]
    await api.writer.patch(MODULE_DEPLOYMENTS, key, {"spec": {"replicas": 3}})

    stale = old if field == "resourceVersion" else ANOTHER
    with pytest.raises(Conflict if field == "resourceVersion" else Invalid) as refused:
        await api.writer.patch(MODULE_DEPLOYMENTS, key, {"metadata": {field: stale}, "spec": {"replicas": 9}})

    assert (api.find(MODULE_DEPLOYMENTS, "orders") or {})["spec"]["replicas"] == 3
    assert field == "resourceVersion" or is_of_another(refused.value)  # type: ignore[arg-type]  # it is Invalid


async def test_a_status_patch_for_another_version_is_void(api: Subject) -> None:
    await api.writer.create(MODULES, NS, a_module())
    key = ObjectKey(NS, "orders-1-00000001")
    stale = meta(api.find(MODULES, key.name))["resourceVersion"]
    await api.writer.patch(MODULES, key, {"status": {"status": "Pending"}}, subresource="status")

    body = {"metadata": {"resourceVersion": stale}, "status": {"status": "Available"}}
    with pytest.raises(Conflict):
        await api.writer.patch(MODULES, key, body, subresource="status")


async def test_a_uid_in_a_status_patch_is_overlooked(api: Subject) -> None:
    await api.writer.create(MODULES, NS, a_module())
    key = ObjectKey(NS, "orders-1-00000001")

    body = {"metadata": {"uid": ANOTHER}, "status": {"status": "Available"}}
    await api.writer.patch(MODULES, key, body, subresource="status")

    assert (api.find(MODULES, key.name) or {})["status"]["status"] == "Available"


async def test_status_and_the_rest_are_written_apart(api: Subject) -> None:
    await api.writer.create(MODULE_DEPLOYMENTS, NS, deployment())
    key, both = ObjectKey(NS, "orders"), {"spec": {"replicas": 5}, "status": {"message": "hello"}}

    await api.writer.patch(MODULE_DEPLOYMENTS, key, both, subresource="status")
    after_status = api.find(MODULE_DEPLOYMENTS, "orders") or {}
    await api.writer.patch(MODULE_DEPLOYMENTS, key, merge(both, {"status": {"message": "bye"}}))
    after_spec = api.find(MODULE_DEPLOYMENTS, "orders") or {}

    assert (after_status["spec"]["replicas"], after_status["status"]["message"]) == (2, "hello")
    assert (after_spec["spec"]["replicas"], after_spec["status"]["message"]) == (5, "hello")
    assert (meta(after_status)["generation"], meta(after_spec)["generation"]) == (1, 2)


async def test_what_is_not_there_is_not_found(api: Subject) -> None:
    key = ObjectKey(NS, "nothing")

    with pytest.raises(NotFound):
        await api.writer.patch(MODULES, key, {"spec": {}})
    with pytest.raises(NotFound):
        await api.writer.patch(MODULES, key, {"status": {}}, subresource="status")
    with pytest.raises(NotFound):
        await api.writer.delete(MODULES, key)


async def test_an_object_without_finalizers_goes_at_once(api: Subject) -> None:
    await api.writer.create(MODULE_DEPLOYMENTS, NS, deployment())

    wrote = await api.writer.delete(MODULE_DEPLOYMENTS, ObjectKey(NS, "orders"))

    assert wrote.resource_version == ""
    assert api.find(MODULE_DEPLOYMENTS, "orders") is None


async def test_an_object_with_a_finalizer_is_marked_and_goes_with_its_last_one(api: Subject) -> None:
    created = await api.writer.create(MODULES, NS, a_module())
    key = ObjectKey(NS, created.name)

    marked = await api.writer.delete(MODULES, key, uid=created.uid)
    found = meta(api.find(MODULES, key.name))
    again = await api.writer.delete(MODULES, key, uid=created.uid)

    assert found["deletionTimestamp"]
    assert found["finalizers"] == [FINALIZER]
    assert int(marked.resource_version) > int(created.resource_version)
    assert again.resource_version == marked.resource_version
    body = {"metadata": {"resourceVersion": marked.resource_version, "finalizers": []}}
    await api.writer.patch(MODULES, key, body)
    assert api.find(MODULES, key.name) is None


async def test_a_marked_object_still_takes_status(api: Subject) -> None:
    created = await api.writer.create(MODULES, NS, a_module())
    key = ObjectKey(NS, created.name)
    await api.writer.delete(MODULES, key)

    await api.writer.patch(MODULES, key, {"status": {"status": "Terminating"}}, subresource="status")

    assert (api.find(MODULES, key.name) or {})["status"]["status"] == "Terminating"


async def test_a_namesake_with_another_uid_is_not_deleted(api: Subject) -> None:
    created = await api.writer.create(MODULES, NS, a_module())

    with pytest.raises(Conflict):
        await api.writer.delete(MODULES, ObjectKey(NS, created.name), uid=ANOTHER)

    assert not meta(api.find(MODULES, created.name)).get("deletionTimestamp")


async def test_a_replica_set_is_adjusted_in_place(api: Subject) -> None:
    spec = decode_deployment_spec(deployment()["spec"])
    body = replica_set_body(
        name="orders-1", namespace=NS, deployment="orders", deployment_uid="1", spec=spec, number=1, replicas=0
    )
    await api.writer.create(MODULE_REPLICA_SETS, NS, body)

    change = {"metadata": {"labels": {"koupleless.alipay.com/revision": "2"}}, "spec": {"replicas": 4}}
    await api.writer.patch(MODULE_REPLICA_SETS, ObjectKey(NS, "orders-1"), change)

    found = api.find(MODULE_REPLICA_SETS, "orders-1") or {}
    assert found["spec"]["replicas"] == 4
    assert meta(found)["labels"]["koupleless.alipay.com/revision"] == "2"
    assert meta(found)["labels"]["koupleless.alipay.com/module-name"] == "orders"


async def test_a_label_on_a_pod_is_for_that_very_pod(api: Subject) -> None:
    container = {"name": "base", "image": "base:1"}
    await api.writer.create(PODS, NS, {"metadata": {"name": "base-0"}, "spec": {"containers": [container]}})
    key, label = ObjectKey(NS, "base-0"), {"module.koupleless.alipay.com/orders": "true"}
    uid = meta(api.find(PODS, "base-0"))["uid"]

    await api.writer.patch(PODS, key, {"metadata": {"uid": uid, "labels": label}})
    with pytest.raises(Invalid) as refused:
        await api.writer.patch(PODS, key, {"metadata": {"uid": ANOTHER, "labels": {"x": "y"}}})

    assert is_of_another(refused.value)
    assert meta(api.find(PODS, "base-0"))["labels"] == label
