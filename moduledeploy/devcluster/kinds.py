"""The built-in kinds that the embedded cluster serves, with their names, verbs and rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from moduledeploy.devcluster import data_rules, endpoints, nodes, pods, roles, services, workloads
from moduledeploy.devcluster.builtin import BuiltInStrategy
from moduledeploy.devcluster.builtin_types import NOTATION
from moduledeploy.devcluster.columns import COLUMNS
from moduledeploy.devcluster.errors import INVALID, FieldError
from moduledeploy.devcluster.events import EVENT_FIELDS, NewEventStrategy, event_fields, event_problems
from moduledeploy.devcluster.gotypes import Types
from moduledeploy.devcluster.resources import Resource
from moduledeploy.devcluster.scale import ScalePaths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moduledeploy.devcluster.storage import Object

TYPES: Final = Types.parse(NOTATION)
_STATUS: Final = frozenset({"status"})
_BUILT_IN_SCALE: Final = ScalePaths(spec=("spec", "replicas"), status=("status", "replicas"), selector=None)
_POD_FIELDS: Final = frozenset(pods.pod_fields({"spec": {}}))


def _kind(
    group: str, plural: str, kind: str, *, version: str = "v1", rules: dict[str, Any] | None = None, **more: Any
) -> Resource:
    rules = dict(rules or {})
    rules.setdefault("struct", TYPES.structs.get(kind))
    if "status" in rules["struct"].fields and "status" in more.get("subresources", ()):
        rules.setdefault("has_status", True)
    strategy = BuiltInStrategy(**rules)
    return Resource(
        group=group, version=version, plural=plural, kind=kind, strategy=strategy, columns=COLUMNS.get(kind), **more
    )


def _default_namespace(obj: Object) -> None:
    obj["metadata"].setdefault("labels", {})
    if obj["metadata"].get("name"):
        obj["metadata"]["labels"] = {
            **(obj["metadata"]["labels"] or {}),
            "kubernetes.io/metadata.name": obj["metadata"]["name"],
        }


def _new_namespace(obj: Object) -> None:
    finalizers = obj["spec"].setdefault("finalizers", [])
    if "kubernetes" not in finalizers:
        finalizers.append("kubernetes")
    obj["status"] = {"phase": "Active"}


def _keep_finalizers(new: Object, old: Object) -> None:
    new["spec"]["finalizers"] = old["spec"].get("finalizers", [])


def _lease_problems(obj: Object) -> list[FieldError]:
    spec = obj["spec"]
    problems = []
    if spec.get("leaseDurationSeconds", 1) <= 0:
        problems.append(
            FieldError(INVALID, "spec.leaseDurationSeconds", spec["leaseDurationSeconds"], "must be greater than 0")
        )
    if spec.get("leaseTransitions", 0) < 0:
        detail = "must be greater than or equal to 0"
        problems.append(FieldError(INVALID, "spec.leaseTransitions", spec["leaseTransitions"], detail))
    return problems


def _default_slice(obj: Object) -> None:
    for port in obj.get("ports") or []:
        port.setdefault("name", "")
        port.setdefault("protocol", "TCP")


def _namespace_fields(obj: Object) -> dict[str, str]:
    return {"status.phase": obj.get("status", {}).get("phase", "")}


def _secret_fields(obj: Object) -> dict[str, str]:
    return {"type": obj.get("type", "")}


def _replica_fields(obj: Object) -> dict[str, str]:
    return {"status.replicas": str(obj.get("status", {}).get("replicas", 0))}


def _core() -> Iterator[Resource]:
    yield _kind(
        "",
        "namespaces",
        "Namespace",
        namespaced=False,
        short_names=("ns",),
        name_rule="label",
        subresources=frozenset({"status", "finalize"}),
        selectable=frozenset({"status.phase"}),
        verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
        rules={
            "defaults": _default_namespace,
            "prepare": _new_namespace,
            "update": _keep_finalizers,
            "returns_deleted": True,
            "fields": _namespace_fields,
        },
    )
    yield _kind(
        "",
        "nodes",
        "Node",
        namespaced=False,
        short_names=("no",),
        subresources=_STATUS,
        selectable=frozenset({"spec.unschedulable"}),
        rules={
            "fields": nodes.node_fields,
            "defaults": nodes.default_node,
            "keeps_status": True,
            "problems": nodes.taint_problems,
        },
    )
    yield _kind(
        "",
        "pods",
        "Pod",
        short_names=("po",),
        categories=("all",),
        selectable=_POD_FIELDS,
        subresources=frozenset({"status", "eviction", "binding", "log"}),
        rules={
            "has_generation": True,
            "returns_deleted": True,
            "defaults": pods.default_pod,
            "prepare": pods.prepare_pod,
            "update": pods.tolerate,
            "status_keeps": ("spec", "metadata.ownerReferences", "status.qosClass"),
            "creation": pods.new_pod_problems,
            "problems": pods.pod_problems,
            "changes": pods.pod_changes,
            "grace": pods.pod_grace,
            "fields": pods.pod_fields,
        },
    )
    yield _kind(
        "",
        "services",
        "Service",
        short_names=("svc",),
        categories=("all",),
        name_rule="label",
        subresources=_STATUS,
        selectable=frozenset({"spec.clusterIP", "spec.type"}),
        rules={
            "returns_deleted": True,
            "defaults": services.default_service,
            "update": services.keep_addresses,
            "status_problems": services.service_status_problems,
            "creation": services.new_service_problems,
            "problems": services.service_problems,
            "changes": services.service_changes,
            "prepare": lambda obj: obj.update(status={"loadBalancer": {}}),
            "fields": lambda obj: {
                "spec.clusterIP": obj["spec"].get("clusterIP", ""),
                "spec.type": obj["spec"].get("type", ""),
            },
        },
    )
    yield _kind(
        "",
        "configmaps",
        "ConfigMap",
        short_names=("cm",),
        rules={"changes": data_rules.immutable_data, "problems": data_rules.config_map_problems},
    )
    yield _kind(
        "",
        "secrets",
        "Secret",
        selectable=frozenset({"type"}),
        rules={
            "defaults": data_rules.new_secret,
            "changes": data_rules.secret_changes,
            "problems": data_rules.secret_problems,
            "fields": _secret_fields,
        },
    )
    yield _kind(
        "",
        "serviceaccounts",
        "ServiceAccount",
        short_names=("sa",),
        subresources=frozenset({"token"}),
        rules={"returns_deleted": True},
    )
    yield _kind("", "endpoints", "Endpoints", short_names=("ep",), rules={"create_on_update": True})
    yield _kind(
        "",
        "events",
        "Event",
        short_names=("ev",),
        selectable=EVENT_FIELDS,
        rules={"create_on_update": True, "problems": event_problems, "fields": event_fields},
    )


def _new_events() -> Resource:
    strategy = NewEventStrategy(
        struct=TYPES.structs["NewEvent"], core=TYPES.structs["Event"], fields=event_fields, create_on_update=True
    )
    return Resource(
        group="events.k8s.io",
        version="v1",
        plural="events",
        kind="Event",
        short_names=("ev",),
        selectable=EVENT_FIELDS,
        strategy=strategy,
        stored_in="events",
        columns=COLUMNS["Event"],
    )


def _apps() -> Iterator[Resource]:
    scaled = frozenset({"status", "scale"})
    keeps = ("spec", "metadata.labels")
    yield _kind(
        "apps",
        "deployments",
        "Deployment",
        short_names=("deploy",),
        categories=("all",),
        subresources=scaled,
        scale=_BUILT_IN_SCALE,
        rules={
            "has_generation": True,
            "defaults": workloads.default_deployment,
            "status_keeps": keeps,
            "problems": workloads.deployment_problems,
            "changes": workloads.selector_changes,
        },
    )
    yield _kind(
        "apps",
        "replicasets",
        "ReplicaSet",
        short_names=("rs",),
        categories=("all",),
        subresources=scaled,
        scale=_BUILT_IN_SCALE,
        selectable=frozenset({"status.replicas"}),
        rules={
            "has_generation": True,
            "defaults": workloads.default_replica_set,
            "fields": _replica_fields,
            "prepare": lambda obj: obj.update(status={"replicas": 0}),
            "problems": workloads.workload_problems,
            "changes": workloads.selector_changes,
        },
    )
    yield _kind(
        "coordination.k8s.io",
        "leases",
        "Lease",
        rules={"unconditional_update": False, "create_on_update": True, "problems": _lease_problems},
    )
    yield _kind(
        "discovery.k8s.io",
        "endpointslices",
        "EndpointSlice",
        rules={
            "has_generation": True,
            "defaults": _default_slice,
            "problems": endpoints.slice_problems,
            "changes": endpoints.slice_changes,
        },
    )
    yield _kind(
        "policy",
        "poddisruptionbudgets",
        "PodDisruptionBudget",
        short_names=("pdb",),
        subresources=_STATUS,
        rules={"has_generation": True, "problems": workloads.budget_problems, "unconditional_update": False},
    )
    yield _kind(
        "networking.k8s.io", "networkpolicies", "NetworkPolicy", short_names=("netpol",), rules={"has_generation": True}
    )
    yield _kind(
        "autoscaling",
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
        version="v2",
        short_names=("hpa",),
        categories=("all",),
        subresources=_STATUS,
        rules={"struct": TYPES.structs["Autoscaler"]},
    )
    yield _kind("scheduling.k8s.io", "priorityclasses", "PriorityClass", namespaced=False, short_names=("pc",))
    yield _kind(
        "flowcontrol.apiserver.k8s.io",
        "flowschemas",
        "FlowSchema",
        namespaced=False,
        subresources=_STATUS,
        rules={"has_generation": True},
    )
    for plural, kind in (
        ("validatingadmissionpolicies", "ValidatingAdmissionPolicy"),
        ("validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding"),
    ):
        yield _kind(
            "admissionregistration.k8s.io",
            plural,
            kind,
            namespaced=False,
            rules={"struct": TYPES.structs["AdmissionPolicy"], "has_generation": True},
        )


def _access() -> Iterator[Resource]:
    group = "rbac.authorization.k8s.io"
    for plural, kind, namespaced in (("clusterroles", "ClusterRole", False), ("roles", "Role", True)):
        yield _kind(
            group,
            plural,
            kind,
            namespaced=namespaced,
            name_rule="path-segment",
            rules={"problems": roles.role_problems},
        )
    for plural, kind, namespaced in (
        ("clusterrolebindings", "ClusterRoleBinding", False),
        ("rolebindings", "RoleBinding", True),
    ):
        yield _kind(
            group,
            plural,
            kind,
            namespaced=namespaced,
            name_rule="path-segment",
            rules={
                "struct": TYPES.structs["RoleBinding"],
                "defaults": roles.default_binding,
                "changes": roles.binding_changes,
                "problems": roles.binding_problems,
            },
        )
    reviews = (
        ("authentication.k8s.io", "tokenreviews", "TokenReview", "TokenReview", False),
        ("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview", "SelfSubjectReview", False),
        ("authorization.k8s.io", "localsubjectaccessreviews", "LocalSubjectAccessReview", "SubjectAccessReview", True),
        ("authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview", "SelfAccessReview", False),
        ("authorization.k8s.io", "selfsubjectrulesreviews", "SelfSubjectRulesReview", "RulesReview", False),
        ("authorization.k8s.io", "subjectaccessreviews", "SubjectAccessReview", "SubjectAccessReview", False),
    )
    for review_group, plural, kind, struct, namespaced in reviews:
        yield _kind(
            review_group,
            plural,
            kind,
            namespaced=namespaced,
            verbs=("create",),
            rules={"struct": TYPES.structs[struct]},
        )


def built_in() -> Iterator[Resource]:
    """Every built-in kind but CustomResourceDefinition, which `moduledeploy.devcluster.definitions` brings."""
    yield from _core()
    yield from _apps()
    yield _new_events()
    yield from _access()
