"""Whatever a body holds, its writer is told that it is wrong, and the server goes on."""

from __future__ import annotations

import io
import json
from typing import Any

import aiohttp
import pytest

from moduledeploy.devcluster.cluster import DevCluster

CORE = "/api/v1/namespaces/default"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
JSON = "application/json"
YAML = "application/yaml"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
OPERATIONS = "application/json-patch+json"
DEEP = b"[" * 100_000


def pod(**container: Any) -> bytes:
    spec = {"containers": [{"name": "c", "image": "i", **container}]}
    return json.dumps({"metadata": {"name": "p"}, "spec": spec}).encode()


@pytest.fixture
async def cluster():
    async with DevCluster(controllers=False) as running:
        running.api.create("configmaps", {"metadata": {"name": "a", "namespace": "default"}})
        running.api.create("serviceaccounts", {"metadata": {"name": "default", "namespace": "default"}})
        yield running


@pytest.mark.parametrize(
    ("method", "path", "kind", "body"),
    [
        ("POST", f"{RBAC}/clusterroles", JSON, b'{"metadata": null}'),
        ("POST", f"{RBAC}/clusterroles", JSON, b'{"metadata": "x"}'),
        ("POST", f"{RBAC}/clusterrolebindings", JSON, b'{"metadata": {"name": "a"}, "roleRef": "x"}'),
        ("PATCH", f"{CORE}/configmaps/a", MERGE, DEEP),
        ("PATCH", f"{CORE}/configmaps/a", OPERATIONS, DEEP),
        ("PATCH", f"{CORE}/configmaps/a", MERGE, b"{"),
        ("POST", f"{CORE}/configmaps", JSON, b'{"metadata": {"name": "\xff"}}'),
        ("POST", f"{CORE}/configmaps", YAML, b"metadata: &a [*a]"),
        ("POST", f"{CORE}/configmaps", YAML, b"? [1]\n: 2"),
        ("PATCH", f"{CORE}/configmaps/a?fieldManager=m", APPLY, DEEP),
        ("POST", f"{CORE}/pods/a/eviction", JSON, b'{"metadata": "x"}'),
        ("POST", f"{CORE}/pods/a/eviction", JSON, b'{"deleteOptions": "x"}'),
        ("POST", f"{CORE}/pods/a/binding", JSON, b'{"target": "x"}'),
        ("POST", f"{CORE}/serviceaccounts/default/token", JSON, b'{"spec": {"expirationSeconds": "x"}}'),
        ("PUT", "/api/v1/namespaces/default/finalize", JSON, b'{"metadata": {}, "spec": "x"}'),
        ("POST", f"{CORE}/pods", JSON, pod(env=[{"name": "A", "valueFrom": {"fieldRef": "x"}}])),
        ("POST", f"{CORE}/pods", JSON, pod(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": 1}}}])),
        ("POST", f"{CORE}/pods", JSON, pod(envFrom=[1])),
        ("POST", f"{CORE}/pods", JSON, pod(lifecycle="x")),
        ("POST", f"{CORE}/pods", JSON, pod(lifecycle={"preStop": {"httpGet": "x"}})),
        ("POST", f"{CORE}/pods", JSON, pod(securityContext="x")),
        (
            "POST",
            f"{CORE}/services",
            JSON,
            b'{"metadata": {"name": "s"}, "spec": {"ports": [{"port": 1}], "sessionAffinityConfig": {"clientIP": "x"}}}',
        ),
    ],
)
async def test_a_malformed_body_is_a_bad_request(cluster: DevCluster, method: str, path: str, kind: str, body: bytes):
    async with (
        aiohttp.ClientSession(cluster.url) as http,
        http.request(method, path, data=body, headers={"Content-Type": kind}) as response,
    ):
        answer = await response.json()

    assert (response.status, answer["kind"]) in [(400, "Status"), (422, "Status")]


@pytest.mark.parametrize(("mebibytes", "code"), [(0.9, 201), (1.5, 422), (3.1, 413)])
async def test_a_body_is_read_up_to_three_mebibytes(cluster: DevCluster, mebibytes: float, code: int):
    body = json.dumps({"metadata": {"name": "large"}, "data": {"a": "x" * int(mebibytes * 1024 * 1024)}}).encode()
    async with (
        aiohttp.ClientSession(cluster.url) as http,
        http.post(f"{CORE}/configmaps", data=io.BytesIO(body), headers={"Content-Type": JSON}) as response,
    ):
        answer = await response.json()

    assert (response.status, answer["kind"]) == (code, "Status" if code > 201 else "ConfigMap")
