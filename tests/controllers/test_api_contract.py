"""The in-memory API, the embedded cluster's and (marked `realapi`) a real server answer the controllers' requests alike.

The real one is started from KUBEBUILDER_ASSETS, or that of KUBECONFIG; each test has a namespace of its own there.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import attrs
import pytest
import yaml

from moduledeploy.api.bodies import module_body, replica_set_body
from moduledeploy.api.decode import decode_deployment_spec
from moduledeploy.api.encode import module_status_patch
from moduledeploy.api.kinds import ModuleStatus
from moduledeploy.api.names import API_VERSION, FINALIZER, MODULE, MODULE_DEPLOYMENT, WAITING_ANNOTATION
from moduledeploy.controllers.failures import is_of_another
from moduledeploy.controllers.resources import MODULE_DEPLOYMENTS, MODULE_REPLICA_SETS, MODULES, PODS
from moduledeploy.devcluster.cluster import DevCluster
from moduledeploy.kube import writer as kube_writer
from moduledeploy.kube.credentials import Credentials
from moduledeploy.kube.errors import AlreadyExists, Conflict, Invalid, NotFound
from moduledeploy.kube.resources import JSON_PATCH, ObjectKey
from moduledeploy.kube.transport import Transport
from moduledeploy.runtime.metrics import Metrics
from tests.clock import ManualClock
from tests.controllers.memory_api import Body, MemoryApi, merge
from tests.controllers.servers import Embedded, InMemory, Real, Subject
from tests.controllers.world import module
from tests.manifests.api import Api, new_namespace, real_api

ANOTHER = "7d0f0000-0000-4000-8000-000000000000"
CRDS = Path(__file__).parents[2] / "manifests" / "crd"


@pytest.fixture(scope="session")
def real_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A real server that has the CRDs."""
    if "KUBEBUILDER_ASSETS" not in os.environ and not (
        "KUBECONFIG" in os.environ and "realapi" in request.config.option.markexpr
    ):
        pytest.skip("NOT CHECKED on a real API server: set KUBEBUILDER_ASSETS, or KUBECONFIG and pass -m realapi")
    with real_api(tmp_path_factory.mktemp("real")) as server:
        server.prepare()
        yield server
        server.leave()


@pytest.fixture(params=["in memory", "embedded", pytest.param("real", marks=pytest.mark.realapi)])
async def api(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    """No pod is taken where there is no ServiceAccount."""
    if request.param == "in memory":
        yield InMemory(MemoryApi(ManualClock().wall))
        return
    if request.param == "embedded":
        local = DevCluster(controllers=False).api
        for file in sorted(CRDS.glob("*.yaml")):
            local.create("customresourcedefinitions.apiextensions.k8s.io", yaml.safe_load(file.read_text()))
        local.create("serviceaccounts", {"metadata": {"name": "default", "namespace": "default"}})
        yield Embedded(local)
        return
    server = attrs.evolve(request.getfixturevalue("real_server"), namespace=new_namespace())
    server.send("POST", "/api/v1/namespaces", {"metadata": {"name": server.namespace}})
    account = {"metadata": {"name": "default"}}  # its own controller may not run
    server.send("POST", f"/api/v1/namespaces/{server.namespace}/serviceaccounts", account)
    credentials = Credentials(host=f"http://{server.host}:{server.port}")
    async with Transport(credentials=credentials, user_agent="tests", metrics=Metrics().client) as transport:
        yield Real(server, kube_writer.Writer(transport=transport, gate=kube_writer.OpenGate()))
    for left in server.send("GET", server.path(MODULE)).body["items"]:
        server.patch(MODULE, left["metadata"]["name"], {"metadata": {"finalizers": None}})
    server.leave()


def deployment() -> Body:
    return {
        "apiVersion": API_VERSION,
        "kind": MODULE_DEPLOYMENT,
        "metadata": {"name": "orders"},
        "spec": {"baseDeploymentName": "base", "replicas": 2, "template": module("1")},
    }


def a_module(namespace: str) -> Body:
    spec = decode_deployment_spec(deployment()["spec"])
    made = module_body(
        name="orders-1-00000001",
        namespace=namespace,
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
    return without_owner(made)


def without_owner(body: Body) -> Body:
    """The object as nobody collects it: its owner isn't there."""
    kept = {name: value for name, value in body["metadata"].items() if name != "ownerReferences"}
    return {**body, "metadata": kept}


def meta(body: Body | None) -> Body:
    assert body is not None
    found: Body = body["metadata"]
    return found


async def test_a_created_object_has_a_uid_a_version_a_generation_and_whole_seconds(api: Subject) -> None:
    wrote = await api.writer.create(MODULE_DEPLOYMENTS, api.namespace, deployment())

    found = meta(api.find(MODULE_DEPLOYMENTS, "orders"))
    assert (wrote.name, wrote.uid, wrote.resource_version) == ("orders", found["uid"], found["resourceVersion"])
    assert found["generation"] == 1
    assert len(found["creationTimestamp"]) == len("2026-01-01T00:00:00Z")


async def test_a_name_is_taken_once(api: Subject) -> None:
    await api.writer.create(MODULES, api.namespace, a_module(api.namespace))

    with pytest.raises(AlreadyExists):
        await api.writer.create(MODULES, api.namespace, a_module(api.namespace))


async def test_status_in_a_new_object_is_dropped(api: Subject) -> None:
    await api.writer.create(MODULES, api.namespace, {**a_module(api.namespace), "status": {"status": "Available"}})

    assert not (api.find(MODULES, "orders-1-00000001") or {}).get("status")


async def test_each_write_that_changes_something_has_a_newer_version(api: Subject) -> None:
    first = await api.writer.create(MODULE_DEPLOYMENTS, api.namespace, deployment())
    second = await api.writer.patch(MODULE_DEPLOYMENTS, ObjectKey(api.namespace, "orders"), {"spec": {"replicas": 3}})

    assert int(second.resource_version) > int(first.resource_version)
    assert meta(api.find(MODULE_DEPLOYMENTS, "orders"))["generation"] == 2


async def test_a_patch_that_changes_nothing_writes_nothing(api: Subject) -> None:
    first = await api.writer.create(MODULE_DEPLOYMENTS, api.namespace, deployment())
    second = await api.writer.patch(MODULE_DEPLOYMENTS, ObjectKey(api.namespace, "orders"), {"spec": {"replicas": 2}})

    assert second.resource_version == first.resource_version
    assert meta(api.find(MODULE_DEPLOYMENTS, "orders"))["generation"] == 1


async def test_null_in_a_patch_takes_a_field_away(api: Subject) -> None:
    await api.writer.create(MODULE_DEPLOYMENTS, api.namespace, deployment())
    key = ObjectKey(api.namespace, "orders")
    annotations = {WAITING_ANNOTATION: "r/1"}
    await api.writer.patch(MODULE_DEPLOYMENTS, key, {"metadata": {"annotations": annotations}, "spec": {"pause": True}})

    gone = {WAITING_ANNOTATION: None}
    await api.writer.patch(MODULE_DEPLOYMENTS, key, {"metadata": {"annotations": gone}, "spec": {"pause": None}})

    found = api.find(MODULE_DEPLOYMENTS, "orders") or {}
    assert "pause" not in found["spec"]
    assert not found["metadata"].get("annotations")


@pytest.mark.parametrize("field", ["uid", "resourceVersion"])
async def test_a_patch_for_another_object_or_version_is_void(api: Subject, field: str) -> None:
    await api.writer.create(MODULE_DEPLOYMENTS, api.namespace, deployment())
    key = ObjectKey(api.namespace, "orders")
    old = meta(api.find(MODULE_DEPLOYMENTS, "orders"))["resourceVersion"]
    await api.writer.patch(MODULE_DEPLOYMENTS, key, {"spec": {"replicas": 3}})

    stale = old if field == "resourceVersion" else ANOTHER
    with pytest.raises(Conflict if field == "resourceVersion" else Invalid) as refused:
        await api.writer.patch(MODULE_DEPLOYMENTS, key, {"metadata": {field: stale}, "spec": {"replicas": 9}})

    assert (api.find(MODULE_DEPLOYMENTS, "orders") or {})["spec"]["replicas"] == 3
    assert field == "resourceVersion" or is_of_another(refused.value)  # type: ignore[arg-type]  # it is Invalid


async def test_a_status_patch_for_another_version_is_void(api: Subject) -> None:
    await api.writer.create(MODULES, api.namespace, a_module(api.namespace))
    key = ObjectKey(api.namespace, "orders-1-00000001")
    stale = meta(api.find(MODULES, key.name))["resourceVersion"]
    await api.writer.patch(MODULES, key, {"status": {"status": "Pending"}}, subresource="status")

    body = {"metadata": {"resourceVersion": stale}, "status": {"status": "Available"}}
    with pytest.raises(Conflict):
        await api.writer.patch(MODULES, key, body, subresource="status")


async def test_a_uid_in_a_status_patch_is_overlooked(api: Subject) -> None:
    await api.writer.create(MODULES, api.namespace, a_module(api.namespace))
    key = ObjectKey(api.namespace, "orders-1-00000001")

    body = {"metadata": {"uid": ANOTHER}, "status": {"status": "Available"}}
    await api.writer.patch(MODULES, key, body, subresource="status")

    assert (api.find(MODULES, key.name) or {})["status"]["status"] == "Available"


async def test_a_status_is_for_that_very_object(api: Subject) -> None:
    created = await api.writer.create(MODULES, api.namespace, a_module(api.namespace))
    key, status = ObjectKey(api.namespace, created.name), ModuleStatus(status="Available", attempts=2)

    body = module_status_patch(ANOTHER, status)
    with pytest.raises(Invalid) as refused:
        await api.writer.patch(MODULES, key, body, subresource="status", content_type=JSON_PATCH)
    before = (api.find(MODULES, key.name) or {}).get("status")
    for attempts in (2, 3):  # whatever was there before gives way
        body = module_status_patch(created.uid, attrs.evolve(status, attempts=attempts))
        await api.writer.patch(MODULES, key, body, subresource="status", content_type=JSON_PATCH)
    after = api.find(MODULES, key.name) or {}

    assert is_of_another(refused.value)
    assert not before
    assert (after["status"]["status"], after["status"]["attempts"]) == ("Available", 3)
    assert meta(after)["uid"] == created.uid


async def test_status_and_the_rest_are_written_apart(api: Subject) -> None:
    await api.writer.create(MODULE_DEPLOYMENTS, api.namespace, deployment())
    key, both = ObjectKey(api.namespace, "orders"), {"spec": {"replicas": 5}, "status": {"message": "hello"}}

    await api.writer.patch(MODULE_DEPLOYMENTS, key, both, subresource="status")
    after_status = api.find(MODULE_DEPLOYMENTS, "orders") or {}
    await api.writer.patch(MODULE_DEPLOYMENTS, key, merge(both, {"status": {"message": "bye"}}))
    after_spec = api.find(MODULE_DEPLOYMENTS, "orders") or {}

    assert (after_status["spec"]["replicas"], after_status["status"]["message"]) == (2, "hello")
    assert (after_spec["spec"]["replicas"], after_spec["status"]["message"]) == (5, "hello")
    assert (meta(after_status)["generation"], meta(after_spec)["generation"]) == (1, 2)


async def test_what_is_not_there_is_not_found(api: Subject) -> None:
    key = ObjectKey(api.namespace, "nothing")

    with pytest.raises(NotFound):
        await api.writer.patch(MODULES, key, {"spec": {}})
    with pytest.raises(NotFound):
        await api.writer.patch(MODULES, key, {"status": {}}, subresource="status")
    with pytest.raises(NotFound):
        await api.writer.delete(MODULES, key)


async def test_an_object_without_finalizers_goes_at_once(api: Subject) -> None:
    await api.writer.create(MODULE_DEPLOYMENTS, api.namespace, deployment())

    wrote = await api.writer.delete(MODULE_DEPLOYMENTS, ObjectKey(api.namespace, "orders"))

    assert wrote.resource_version == ""
    assert api.find(MODULE_DEPLOYMENTS, "orders") is None


async def test_an_object_with_a_finalizer_is_marked_and_goes_with_its_last_one(api: Subject) -> None:
    created = await api.writer.create(MODULES, api.namespace, a_module(api.namespace))
    key = ObjectKey(api.namespace, created.name)

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
    created = await api.writer.create(MODULES, api.namespace, a_module(api.namespace))
    key = ObjectKey(api.namespace, created.name)
    await api.writer.delete(MODULES, key)

    await api.writer.patch(MODULES, key, {"status": {"status": "Terminating"}}, subresource="status")

    assert (api.find(MODULES, key.name) or {})["status"]["status"] == "Terminating"


async def test_a_namesake_with_another_uid_is_not_deleted(api: Subject) -> None:
    created = await api.writer.create(MODULES, api.namespace, a_module(api.namespace))

    with pytest.raises(Conflict):
        await api.writer.delete(MODULES, ObjectKey(api.namespace, created.name), uid=ANOTHER)

    assert not meta(api.find(MODULES, created.name)).get("deletionTimestamp")


async def test_a_replica_set_is_adjusted_in_place(api: Subject) -> None:
    spec = decode_deployment_spec(deployment()["spec"])
    body = replica_set_body(
        name="orders-1",
        namespace=api.namespace,
        deployment="orders",
        deployment_uid="1",
        spec=spec,
        number=1,
        replicas=0,
    )
    await api.writer.create(MODULE_REPLICA_SETS, api.namespace, without_owner(body))

    change = {"metadata": {"labels": {"koupleless.alipay.com/revision": "2"}}, "spec": {"replicas": 4}}
    await api.writer.patch(MODULE_REPLICA_SETS, ObjectKey(api.namespace, "orders-1"), change)

    found = api.find(MODULE_REPLICA_SETS, "orders-1") or {}
    assert found["spec"]["replicas"] == 4
    assert meta(found)["labels"]["koupleless.alipay.com/revision"] == "2"
    assert meta(found)["labels"]["koupleless.alipay.com/module-name"] == "orders"


async def test_a_label_on_a_pod_is_for_that_very_pod(api: Subject) -> None:
    container = {"name": "base", "image": "base:1"}
    await api.writer.create(PODS, api.namespace, {"metadata": {"name": "base-0"}, "spec": {"containers": [container]}})
    key, label = ObjectKey(api.namespace, "base-0"), {"module.koupleless.alipay.com/orders": "true"}
    uid = meta(api.find(PODS, "base-0"))["uid"]

    await api.writer.patch(PODS, key, {"metadata": {"uid": uid, "labels": label}})
    with pytest.raises(Invalid) as refused:
        await api.writer.patch(PODS, key, {"metadata": {"uid": ANOTHER, "labels": {"x": "y"}}})

    assert is_of_another(refused.value)
    assert meta(api.find(PODS, "base-0"))["labels"] == label
