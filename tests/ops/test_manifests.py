"""What is installed: complete, hardened, with no right too many, and as the committed install.yaml says."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from moduledeploy import __version__
from moduledeploy.api.names import ARKLET_PORT
from moduledeploy.app import DRAIN_S, LEASE_NAME
from tests.ops.tools import MANIFESTS, OVERLAYS, rendered, run, tool

if TYPE_CHECKING:
    import subprocess

# Listed with their reasons in the Deployment's annotations and in docs/security.md.
SKIPPED_CHECKS: Final = {"CKV_K8S_11", "CKV_K8S_38", "CKV_K8S_43", "CKV_K8S_15"}
pytestmark = pytest.mark.timeout(240)  # validators and scanners are programs of their own
overlays = pytest.mark.parametrize("overlay", OVERLAYS)


@cache
def objects(overlay: str) -> list[dict[str, Any]]:
    return [found for found in yaml.safe_load_all(rendered(MANIFESTS / "overlays" / overlay)) if found]


def of_kind(overlay: str, *kinds: str) -> list[dict[str, Any]]:
    return [found for found in objects(overlay) if found["kind"] in kinds]


def deployment(overlay: str) -> dict[str, Any]:
    (found,) = of_kind(overlay, "Deployment")
    return found


def pod(overlay: str) -> dict[str, Any]:
    return deployment(overlay)["spec"]["template"]["spec"]


def rules(overlay: str) -> list[dict[str, Any]]:
    """Rules of what the controller's service account is bound to."""
    return [
        rule
        for role in of_kind(overlay, "Role", "ClusterRole")
        if role["metadata"]["name"] in {"moduledeploy-controller", "moduledeploy-lease", "moduledeploy-metrics-auth"}
        for rule in role["rules"]
    ]


def test_install_yaml_is_what_the_default_overlay_makes() -> None:
    committed = (MANIFESTS / "install.yaml").read_text()

    assert committed == rendered(MANIFESTS / "overlays" / "default"), "run make manifests"


@overlays
def test_no_right_is_unlimited_and_none_is_for_secrets(overlay: str) -> None:
    for role in of_kind(overlay, "Role", "ClusterRole"):
        for rule in role["rules"]:
            assert "*" not in str(rule)
            assert "secrets" not in rule.get("resources", [])
            assert not {"impersonate", "escalate", "bind"} & set(rule["verbs"])


@overlays
def test_bases_are_not_made_nor_deleted(overlay: str) -> None:
    for rule in rules(overlay):
        if set(rule["resources"]) & {"deployments", "replicasets", "endpointslices"}:
            assert set(rule["verbs"]) == {"list", "watch"}
        if "pods" in rule["resources"]:
            assert set(rule["verbs"]) == {"list", "watch", "patch"}


@overlays
def test_the_lease_is_written_by_name(overlay: str) -> None:
    for rule in rules(overlay):
        if "leases" in rule["resources"] and rule["verbs"] != ["create"]:
            assert rule["resourceNames"] == [LEASE_NAME]


def test_one_namespace_takes_no_right_beyond_it() -> None:
    kinds = {found["kind"] for found in objects("namespaced")}

    assert not kinds & {"ClusterRole", "ClusterRoleBinding", "Namespace", "CustomResourceDefinition"}
    assert {found["metadata"]["namespace"] for found in objects("namespaced")} == {"modules"}
    assert "--namespace=modules" in pod("namespaced")["containers"][0]["args"]


def test_one_namespace_has_roles_for_those_who_read_and_write_there() -> None:
    names = {role["metadata"]["name"] for role in of_kind("namespaced", "Role")}

    assert names == {f"moduledeploy-{name}" for name in ("controller", "lease", "viewer", "editor")}


def test_writing_a_moduledeployment_is_no_part_of_edit() -> None:
    labels = {
        role["metadata"]["name"]: role["metadata"].get("labels", {}) for role in of_kind("default", "ClusterRole")
    }

    assert "rbac.authorization.k8s.io/aggregate-to-view" in labels["moduledeploy-viewer"]
    assert not any(label.startswith("rbac.") for label in labels["moduledeploy-editor"])


def test_whoever_runs_code_in_the_bases_can_give_up_a_module_whose_base_never_answers() -> None:
    (editor,) = [
        role for role in of_kind("default", "ClusterRole") if role["metadata"]["name"] == "moduledeploy-editor"
    ]
    (verbs,) = [rule["verbs"] for rule in editor["rules"] if rule["resources"] == ["modules"]]

    assert "patch" in verbs, "annotation koupleless.alipay.com/force-delete"
    assert not {"create", "update"} & set(verbs)


@overlays
def test_the_pod_meets_the_restricted_standard(overlay: str) -> None:
    spec = pod(overlay)
    (container,) = spec["containers"]

    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] >= 10000
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    assert {kind for volume in spec["volumes"] for kind in volume} <= {"name", "emptyDir", "secret"}


@overlays
def test_the_pod_has_what_it_needs_and_no_more(overlay: str) -> None:
    spec = pod(overlay)
    (container,) = spec["containers"]

    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert spec["enableServiceLinks"] is False
    assert "cpu" not in container["resources"]["limits"]
    assert "memory" in container["resources"]["limits"]
    assert spec["terminationGracePeriodSeconds"] > DRAIN_S + 5
    assert container["image"].endswith(f":{__version__}")


@overlays
def test_probes_ask_the_health_port(overlay: str) -> None:
    (container,) = pod(overlay)["containers"]
    asked = {
        probe: container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    }

    assert asked == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}


@overlays
def test_one_pod_is_always_left(overlay: str) -> None:
    (budget,) = of_kind(overlay, "PodDisruptionBudget")

    assert deployment(overlay)["spec"]["replicas"] >= 2
    assert deployment(overlay)["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert budget["spec"]["minAvailable"] == 1
    assert budget["spec"]["selector"] == deployment(overlay)["spec"]["selector"]


@overlays
def test_selectors_meet_the_pods(overlay: str) -> None:
    labels = deployment(overlay)["spec"]["template"]["metadata"]["labels"]
    (policy,) = of_kind(overlay, "NetworkPolicy")

    assert deployment(overlay)["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    for spread in pod(overlay)["topologySpreadConstraints"]:
        assert spread["labelSelector"] == deployment(overlay)["spec"]["selector"]


@overlays
def test_the_network_lets_in_what_the_pod_serves_and_out_what_it_calls(overlay: str) -> None:
    (policy,) = of_kind(overlay, "NetworkPolicy")
    (container,) = pod(overlay)["containers"]
    ports = {
        way: {port["port"] for rule in policy["spec"][way] for port in rule["ports"]} for way in ("ingress", "egress")
    }

    assert ports == {"ingress": {port["name"] for port in container["ports"]}, "egress": {53, 443, 6443, ARKLET_PORT}}


@overlays
def test_what_a_server_would_fill_in_is_written_out_lest_every_apply_changes_it(overlay: str) -> None:
    (policy,) = of_kind(overlay, "NetworkPolicy")
    rules = [rule for way in ("ingress", "egress") for rule in policy["spec"][way]]

    assert {port.get("protocol") for rule in rules for port in rule["ports"]} == {"TCP", "UDP"}
    assert deployment(overlay)["spec"]["strategy"]["type"] == "RollingUpdate"


def test_arklet_of_the_bases_is_for_the_controller_alone() -> None:
    policy = yaml.safe_load((MANIFESTS / "network-policy" / "bases.yaml").read_text())
    labels = deployment("default")["spec"]["template"]["metadata"]["labels"]
    open_ports = {
        number
        for rule in policy["spec"]["ingress"]
        if "from" not in rule
        for port in rule["ports"]
        if port.get("protocol", "TCP") == "TCP"
        for number in range(port["port"], port["endPort"] + 1)
    }
    (allowed,) = [peer for rule in policy["spec"]["ingress"] for peer in rule.get("from", [])]

    assert open_ports == set(range(1, 65536)) - {1238}
    assert allowed["podSelector"]["matchLabels"].items() <= labels.items()
    assert allowed["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "moduledeploy-system"}


def test_the_validator_knows_every_field(tmp_path: Path) -> None:
    everything = [*(rendered(MANIFESTS / "overlays" / overlay) for overlay in OVERLAYS), with_components(tmp_path)]
    done = validated("---\n".join(everything))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "ERROR" not in done.stdout


def test_the_validator_would_find_a_misspelled_field() -> None:
    text = rendered(MANIFESTS / "overlays" / "default").replace("readOnlyRootFilesystem", "readOnlyRootFileSystem")

    assert validated(text).returncode != 0


def validated(text: str) -> subprocess.CompletedProcess[str]:
    return run(tool("kubernetes-validate"), "--strict", "-k", "1.33", "-", stdin=text.encode())


def test_the_scanner_finds_nothing_but_what_is_meant(tmp_path: Path) -> None:
    files = [tmp_path / f"{overlay}.yaml" for overlay in OVERLAYS]
    for file in files:
        file.write_text(rendered(MANIFESTS / "overlays" / file.stem))
    flags = ("--framework", "kubernetes", "--skip-download", "--compact", "-o", "json", "-f")
    found = json.loads(run(tool("checkov"), *flags, *files).stdout)["results"]

    assert {Path(check["file_path"]).name for check in found["passed_checks"]} == {file.name for file in files}
    assert {check["check_id"] for check in found["failed_checks"]} == set()
    assert {check["check_id"] for check in found["skipped_checks"]} <= SKIPPED_CHECKS


def with_components(folder: Path, overlay: str = "default", **more: object) -> str:
    """An overlay with every optional component."""
    above = os.path.relpath(MANIFESTS, folder)
    components = ("monitoring", "policy") if overlay == "ha" else ("monitoring", "monitoring/tls", "policy")
    made = more | {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"{above}/overlays/{overlay}"],
        "components": [f"{above}/{component}" for component in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(made))
    return rendered(folder)


def test_every_component_goes_on_top_of_the_default(tmp_path: Path) -> None:
    kinds = [found["kind"] for found in yaml.safe_load_all(with_components(tmp_path))]

    assert {"PodMonitor", "PrometheusRule", "ConfigMap"} <= set(kinds)
    assert kinds.count("ValidatingAdmissionPolicy") == kinds.count("ValidatingAdmissionPolicyBinding") == 4


@overlays
def test_another_namespace_is_named_once(overlay: str, tmp_path: Path) -> None:
    text = with_components(tmp_path, overlay, namespace="platform")
    made = list(yaml.safe_load_all(text))
    accounts = [subject for item in made for subject in item.get("subjects", [])]

    assert "moduledeploy-system" not in text
    assert {subject["namespace"] for subject in accounts} == {"platform"}
    assert {
        item["spec"]["paramRef"]["namespace"]
        for item in made
        if item["kind"] == "ValidatingAdmissionPolicyBinding" and "paramRef" in item["spec"]
    } == {"platform"}
