"""Nobody gives rights that he hasn't, by whichever verb he tries."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from moduledeploy.devcluster.cluster import DevCluster

GROUP = "rbac.authorization.k8s.io"
ROLES = f"/apis/{GROUP}/v1/namespaces/default/roles"
AS_EDITOR = {"Impersonate-User": "editor"}


def role(name: str, *resources: str) -> dict[str, Any]:
    rule = {"apiGroups": [""], "resources": list(resources), "verbs": ["get"]}
    return {"apiVersion": f"{GROUP}/v1", "kind": "Role", "metadata": {"name": name}, "rules": [rule]}


@pytest.fixture
async def cluster():
    """One whose user `editor` may write Roles and read config maps."""
    async with DevCluster(controllers=False) as running:
        rules = [
            {"apiGroups": [GROUP], "resources": ["roles"], "verbs": ["create", "update", "patch"]},
            {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]},
        ]
        subject = {"kind": "User", "name": "editor", "apiGroup": GROUP}
        reference = {"kind": "ClusterRole", "name": "editor", "apiGroup": GROUP}
        running.api.create(f"clusterroles.{GROUP}", {"metadata": {"name": "editor"}, "rules": rules})
        running.api.create(
            f"clusterrolebindings.{GROUP}",
            {"metadata": {"name": "editor"}, "subjects": [subject], "roleRef": reference},
        )
        body = role("held", "configmaps")
        running.api.create(f"roles.{GROUP}", {**body, "metadata": {"name": "held", "namespace": "default"}})
        yield running


SECRETS = role("held", "secrets")
WRITES = [
    ("POST", ROLES, "application/json", role("new", "secrets")),
    ("PUT", f"{ROLES}/held", "application/json", SECRETS),
    ("PATCH", f"{ROLES}/held", "application/merge-patch+json", {"rules": SECRETS["rules"]}),
    ("PATCH", f"{ROLES}/held", "application/strategic-merge-patch+json", {"rules": SECRETS["rules"]}),
    (
        "PATCH",
        f"{ROLES}/held",
        "application/json-patch+json",
        [{"op": "replace", "path": "/rules/0/resources/0", "value": "secrets"}],
    ),
    ("PATCH", f"{ROLES}/held?fieldManager=e&force=true", "application/apply-patch+yaml", SECRETS),
    ("PATCH", f"{ROLES}/new?fieldManager=e", "application/apply-patch+yaml", role("new", "secrets")),
]


@pytest.mark.parametrize(("method", "path", "kind", "body"), WRITES)
async def test_a_right_that_the_writer_lacks_is_not_given(
    cluster: DevCluster, method: str, path: str, kind: str, body: Any
):
    headers = {**AS_EDITOR, "Content-Type": kind}
    async with (
        aiohttp.ClientSession(cluster.url) as http,
        http.request(method, path, json=body, headers=headers) as response,
    ):
        refused = response.status

    given = [rule["resources"] for found in cluster.api.list(f"roles.{GROUP}", "default") for rule in found["rules"]]
    assert (refused, given) == (403, [["configmaps"]])


async def test_a_right_that_the_writer_has_is_given(cluster: DevCluster):
    headers = {**AS_EDITOR, "Content-Type": "application/merge-patch+json"}
    patch = {"rules": role("held", "configmaps", "configmaps")["rules"]}
    async with (
        aiohttp.ClientSession(cluster.url) as http,
        http.patch(f"{ROLES}/held", json=patch, headers=headers) as response,
    ):
        assert response.status == 200
