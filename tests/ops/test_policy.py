"""The optional policies as a real API server decides by them; nothing else evaluates them, so without one nothing is checked.

They are installed for a controller in a namespace of another name, as a kustomization above them does it.
"""

from __future__ import annotations

import http.client
import json
import os
import time
from typing import TYPE_CHECKING, Any, Final

import attrs
import pytest
import yaml

from tests.manifests.api import Api, real_api
from tests.ops.tools import MANIFESTS, rendered

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.realapi, pytest.mark.timeout(120)]
RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"
MERGE: Final = "application/merge-patch+json"
ADMISSION: Final = "/apis/admissionregistration.k8s.io/v1"
NAMESPACE: Final = "platform"
CONTROLLER: Final = f"system:serviceaccount:{NAMESPACE}:moduledeploy"
NAMESAKE: Final = "system:serviceaccount:moduledeploy-system:moduledeploy"
ALLOWED: Final = "https://repository.example.com/modules/"
OWNER: Final = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "gone"}  # whose absence ends the pod
WAITING: Final = {"koupleless.alipay.com/waiting": "orders-1/1"}


@attrs.frozen
class Server:
    """The server with all policies, deciding instead of warning."""

    api: Api

    def send(self, method: str, path: str, body: object = None, user: str = "") -> tuple[int, str]:
        """One request, in somebody's name where one is given; the code and what was said."""
        connection = http.client.HTTPConnection(self.api.host, self.api.port, timeout=30)
        headers = {"Content-Type": MERGE if method == "PATCH" else "application/json"}
        if user:
            headers |= {"Impersonate-User": user, "Impersonate-Group": "system:authenticated"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read()).get("message", "")
        finally:
            connection.close()

    def orders(self, url: str = f"{ALLOWED}orders.jar") -> dict[str, Any]:
        module = {"name": "orders", "version": "1.0.0", "url": url}
        return {
            "apiVersion": "koupleless.alipay.com/v1alpha1",
            "kind": "ModuleDeployment",
            "metadata": {"name": "orders", "annotations": WAITING},
            "spec": {
                "baseDeploymentName": "base",
                "pause": True,
                "template": {"spec": {"module": module}},
                "operationStrategy": {"batchCount": 4, "needConfirm": True},
            },
        }

    def change(self, body: object, user: str) -> tuple[int, str]:
        return self.send("PATCH", self.api.path("ModuleDeployment", "orders"), body, user)

    def pod(self, body: object, user: str, subresource: str = "") -> tuple[int, str]:
        return self.send("PATCH", f"/api/v1/namespaces/{self.api.namespace}/pods/base{subresource}", body, user)


def parts(folder: Path) -> Iterator[dict[str, Any]]:
    """What the component makes in a kustomization with a namespace of its own."""
    components = [os.path.relpath(MANIFESTS / "policy", folder)]
    made = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    (folder / "kustomization.yaml").write_text(
        yaml.safe_dump(made | {"namespace": NAMESPACE, "components": components})
    )
    yield from yaml.safe_load_all(rendered(folder))


def grant(server: Server, name: str, user: str, *rules: dict[str, Any]) -> None:
    role = {"metadata": {"name": name}, "rules": list(rules)}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}
    assert server.send("POST", f"{RBAC}/clusterroles", role)[0] == 201
    binding = {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]}
    assert server.send("POST", f"{RBAC}/clusterrolebindings", binding)[0] == 201


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if "KUBEBUILDER_ASSETS" not in os.environ:
        pytest.skip("NOT CHECKED on a real API server: set KUBEBUILDER_ASSETS (etcd, kube-apiserver)")
    with real_api(tmp_path_factory.mktemp("real")) as api:
        made = Server(api)
        api.prepare()
        prepare(made, tmp_path_factory.mktemp("policy"))
        yield made


def prepare(server: Server, folder: Path) -> None:
    """The policies set to Deny, people with different rights, a base pod, and a rollout that waits."""
    namespace = server.api.namespace
    server.send("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    server.send("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "default"}})
    pod = {
        "metadata": {"name": "base", "labels": {"app": "base"}},
        "spec": {"containers": [{"name": "base", "image": "base:1"}]},
    }
    pod["spec"]["automountServiceAccountToken"] = False  # type: ignore[index]
    assert server.send("POST", f"/api/v1/namespaces/{namespace}/pods", pod)[0] == 201
    kinds = ["moduledeployments", "moduledeployments/status"]
    deployments = {"apiGroups": ["koupleless.alipay.com"], "resources": kinds}
    pods = {"apiGroups": [""], "resources": ["pods", "pods/status"]}
    grant(
        server, "writer", "writer", deployments | {"verbs": ["create", "update", "patch"]}, pods | {"verbs": ["patch"]}
    )
    grant(
        server,
        "lead",
        "lead",
        deployments | {"verbs": ["patch", "confirm"]},
        pods | {"verbs": ["patch", "set-module-cap"]},
    )
    grant(server, "itself", CONTROLLER, deployments | {"verbs": ["patch"]}, pods | {"verbs": ["patch"]})
    grant(server, "namesake", NAMESAKE, deployments | {"verbs": ["patch"]})
    assert server.send("POST", server.api.path("ModuleDeployment"), server.orders())[0] == 201
    places = {
        "ConfigMap": f"/api/v1/namespaces/{NAMESPACE}/configmaps",
        "ValidatingAdmissionPolicy": f"{ADMISSION}/validatingadmissionpolicies",
        "ValidatingAdmissionPolicyBinding": f"{ADMISSION}/validatingadmissionpolicybindings",
    }
    for part in parts(folder):
        if part["kind"].endswith("Binding"):
            part["spec"]["validationActions"] = ["Deny"]
        code, said = server.send("POST", places[part["kind"]], part)
        assert code == 201, said
    wait_in_force(server)


def wait_in_force(server: Server) -> None:
    """Policies count some seconds after they were written."""
    confirmed = {"spec": {"confirmBatchNum": 9}}
    probes = (
        lambda: server.send(
            "POST", server.api.path("ModuleDeployment") + "?dryRun=All", server.orders("https://x.example/m")
        ),
        lambda: server.send(
            "PATCH", server.api.path("ModuleDeployment", "orders") + "?dryRun=All", confirmed, "writer"
        ),
        lambda: server.pod({"metadata": {"labels": {"koupleless.alipay.com/max-module-count": "99"}}}, "writer"),
        lambda: server.pod({"metadata": {"annotations": {"probe": str(time.monotonic())}}}, CONTROLLER),
    )
    for probe in probes:
        deadline = time.monotonic() + 30
        while "ValidatingAdmissionPolicy" not in probe()[1]:
            assert time.monotonic() < deadline, "a policy never came into force"
            time.sleep(0.3)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        (f"{ALLOWED}orders.jar", 200),
        ("https://repository.example.com.evil.example/modules/orders.jar", 403),
        ("https://repository.example.com/modules/../private/orders.jar", 403),
        (f"{ALLOWED}%2e%2E/private/orders.jar", 403),
        (f"{ALLOWED}%252e%252e/private/orders.jar", 403),
        ("https://user:pass@repository.example.com/modules/orders.jar", 403),
        ("file:///etc/orders.jar", 403),
    ],
)
def test_modules_come_from_where_they_may_come_from(server: Server, url: str, code: int) -> None:
    body = {"spec": {"template": {"spec": {"module": {"url": url}}}}}

    got, said = server.change(body, "writer")

    assert (got, "not below any of" in said) in {(code, code == 403), (422, False)}


@pytest.mark.parametrize(
    ("change", "step"),
    [
        ({"spec": {"pause": False}}, "ends the pause"),
        ({"spec": {"pause": None, "minReadySeconds": 3}}, "ends the pause"),
        ({"spec": {"confirmBatchNum": 1}}, "changes confirmBatchNum"),
        ({"spec": {"operationStrategy": {"needConfirm": False}}}, "drops needConfirm"),
        ({"spec": {"operationStrategy": None}}, "drops needConfirm"),
        ({"spec": {"operationStrategy": {"batchCount": 3}}}, "lowers batchCount"),
        ({"metadata": {"annotations": None}}, "changes the annotation"),
        ({"metadata": {"annotations": {"koupleless.alipay.com/waiting": "orders-1/2"}}}, "changes the annotation"),
    ],
)
def test_confirming_takes_a_right_of_its_own(server: Server, change: dict[str, Any], step: str) -> None:
    code, said = server.change(change, "writer")

    assert code == 403
    assert f"writer may not confirm batches of orders, and this {step}" in said


def test_a_batch_that_does_not_wait_yet_is_not_confirmed_either(server: Server) -> None:
    later = server.orders()
    later["metadata"] = {"name": "later"}
    ahead = {"metadata": {"annotations": {"koupleless.alipay.com/waiting": "later-1/1"}}, "spec": {"pause": False}}
    assert server.send("POST", server.api.path("ModuleDeployment"), later)[0] == 201

    code, said = server.send("PATCH", server.api.path("ModuleDeployment", "later"), ahead, "writer")

    assert code == 403, said


def test_the_status_confirms_nothing(server: Server) -> None:
    path = f"{server.api.path('ModuleDeployment', 'orders')}/status"
    code, said = server.send("PATCH", path, {"status": {"releaseStatus": {"confirmedBatch": 1}}}, "writer")

    assert code == 403
    assert "writes the status" in said


def test_the_controller_confirms_and_its_namesake_elsewhere_does_not(server: Server) -> None:
    confirmed = {"spec": {"confirmBatchNum": 7}}

    assert server.change(confirmed, NAMESAKE)[0] == 403
    assert server.change(confirmed, CONTROLLER)[0] == 200


def test_who_has_it_confirms(server: Server) -> None:
    code, said = server.change({"spec": {"pause": False}}, "lead")
    again = server.change({"spec": {"pause": True}}, "lead")[0]

    assert (code, again) == (200, 200), said


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"minReadySeconds": 5}},
        {"spec": {"operationStrategy": {"batchCount": 5}}},
        {"metadata": {"labels": {"team": "a"}}},
    ],
)
def test_everything_else_is_as_it_was(server: Server, change: dict[str, Any]) -> None:
    assert server.change(change, "writer")[0] == 200


def test_a_cap_is_not_changed_on_the_pod(server: Server) -> None:
    cap = {"metadata": {"labels": {"koupleless.alipay.com/max-module-count": "50"}}}

    assert server.pod(cap, "writer")[0] == 403
    assert server.pod(cap, "writer", "/status")[0] == 403
    assert server.pod({"metadata": {"labels": {"team": "a"}}}, "writer")[0] == 200
    assert server.pod(cap, "lead")[0] == 200


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"metadata": {"labels": {"module.koupleless.alipay.com/orders": "true"}}}, 200),
        ({"metadata": {"labels": {"module.koupleless.alipay.com/orders": None}}}, 200),
        ({"metadata": {"labels": {"app": "other"}}}, 403),
        ({"metadata": {"labels": {"app": None}}}, 403),
        ({"metadata": {"annotations": {"a": "b"}}}, 403),
        ({"metadata": {"finalizers": ["example.com/kept"]}}, 403),
        ({"metadata": {"ownerReferences": [OWNER]}}, 403),
        ({"spec": {"activeDeadlineSeconds": 1}}, 403),
    ],
)
def test_the_controller_writes_its_label_on_pods_and_nothing_else(
    server: Server, change: dict[str, Any], code: int
) -> None:
    got, said = server.pod(change, CONTROLLER)

    assert got == code, said
