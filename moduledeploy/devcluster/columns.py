"""The columns in which `kubectl get` shows built-in kinds.

Names and meanings follow kubernetes pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from moduledeploy.devcluster.scale import selector_text
from moduledeploy.devcluster.tables import AGE, Column, age

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from moduledeploy.devcluster.storage import Object

_NONE: Final = "<none>"
_UNKNOWN: Final = "<unknown>"


def _column(name: str, cell: Callable[[Object], Any], *, kind: str = "string", wide: bool = False) -> Column:
    return Column(
        name=name, type=kind, priority=int(wide), cell=lambda obj, _: cell(obj), description=f"{name} of the object."
    )


def _joined(items: Any) -> str:
    return ",".join(items) or _NONE


def _ready_containers(pod: Object) -> str:
    statuses = pod["status"].get("containerStatuses") or []
    return f"{sum(bool(s.get('ready')) for s in statuses)}/{len(pod['spec']['containers'])}"


def _pod_status(pod: Object) -> str:
    status = pod["status"]
    reason = status.get("reason") or status.get("phase") or "Unknown"
    for container in reversed(status.get("containerStatuses") or []):
        state = container.get("state") or {}
        waiting, terminated = state.get("waiting") or {}, state.get("terminated") or {}
        if waiting.get("reason"):
            reason = waiting["reason"]
        elif terminated.get("reason"):
            reason = terminated["reason"]
        elif terminated:
            reason = f"ExitCode:{terminated.get('exitCode', 0)}"
    if pod["metadata"].get("deletionTimestamp"):
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return str(reason)


def _restarts(pod: Object, now: datetime) -> str:
    statuses = pod["status"].get("containerStatuses") or []
    count = sum(s.get("restartCount", 0) for s in statuses)
    ended = [((s.get("lastState") or {}).get("terminated") or {}).get("finishedAt") for s in statuses]
    last = max((stamp for stamp in ended if stamp), default=None)
    return f"{count} ({age(last, now)} ago)" if count and last else str(count)


def _gates(pod: Object) -> str:
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or []]
    if not gates:
        return _NONE
    true = {c["type"] for c in pod["status"].get("conditions") or [] if c["status"] == "True"}
    return f"{sum(gate in true for gate in gates)}/{len(gates)}"


def _containers(field: str) -> Callable[[Object], str]:
    return lambda obj: _joined(str(c.get(field, "")) for c in obj["spec"]["template"]["spec"].get("containers") or [])


def _selector(obj: Object) -> str:
    return selector_text(obj["spec"].get("selector") or {}) or _NONE


def _service_ports(service: Object) -> str:
    shown = []
    for port in service["spec"].get("ports") or []:
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        shown.append(f"{port['port']}{node}/{port['protocol']}")
    return _joined(shown)


def _external(service: Object) -> str:
    spec = service["spec"]
    if spec["type"] == "ExternalName":
        return str(spec.get("externalName"))
    if spec["type"] == "LoadBalancer":
        given = [
            i.get("ip") or i.get("hostname") for i in service["status"].get("loadBalancer", {}).get("ingress") or []
        ]
        return ",".join([*given, *(spec.get("externalIPs") or [])]) or "<pending>"
    return _joined(spec.get("externalIPs") or [])


def _map_selector(service: Object) -> str:
    return _joined(f"{key}={value}" for key, value in sorted((service["spec"].get("selector") or {}).items()))


def _condition(obj: Object, kind: str) -> str:
    return next((str(c["status"]) for c in obj.get("status", {}).get("conditions") or [] if c["type"] == kind), "")


def _node_status(node: Object) -> str:
    ready = {"True": "Ready", "False": "NotReady"}.get(_condition(node, "Ready"), "Unknown")
    return ready + (",SchedulingDisabled" if node["spec"].get("unschedulable") else "")


def _node_roles(node: Object) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = node["metadata"].get("labels") or {}
    return _joined(sorted(label[len(prefix) :] for label in labels if label.startswith(prefix)))


def _node_address(kind: str) -> Callable[[Object], str]:
    return lambda node: next((a["address"] for a in node["status"].get("addresses") or [] if a["type"] == kind), _NONE)


def _last_seen(event: Object, now: datetime) -> str:
    series = event.get("series") or {}
    last = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("deprecatedLastTimestamp")
    stamp = last or event.get("eventTime") or event.get("firstTimestamp")
    shown = age(stamp, now) if stamp else _UNKNOWN
    count = series.get("count") or event.get("count") or event.get("deprecatedCount") or 0
    first = event.get("firstTimestamp") or event.get("deprecatedFirstTimestamp") or event.get("eventTime")
    return f"{shown} (x{count} over {age(first, now)})" if count > 1 and first else shown


def _about(event: Object) -> str:
    target = event.get("involvedObject") or event.get("regarding") or {}
    return f"{target.get('kind', '').lower()}/{target.get('name', '')}"


def _endpoints(endpoint_slice: Object) -> str:
    return _joined(address for endpoint in endpoint_slice.get("endpoints") or [] for address in endpoint["addresses"])


def _slice_ports(endpoint_slice: Object) -> str:
    return ",".join(str(port.get("port", "*")) for port in endpoint_slice.get("ports") or []) or "<unset>"


def _subjects(kind: str) -> Callable[[Object], str]:
    def cell(binding: Object) -> str:
        subjects = [s for s in binding.get("subjects") or [] if s["kind"] == kind]
        return ", ".join(f"{s['namespace']}/{s['name']}" if s.get("namespace") else s["name"] for s in subjects)

    return cell


_STATUS: Final = _column("Status", lambda obj: obj.get("status", {}).get("phase", ""))
_PODS: Final = (
    _column("Ready", _ready_containers),
    _column("Status", _pod_status),
    Column(name="Restarts", cell=_restarts, description="How often containers were started again."),
    AGE,
    _column("IP", lambda pod: pod["status"].get("podIP") or _NONE, wide=True),
    _column("Node", lambda pod: pod["spec"].get("nodeName") or _NONE, wide=True),
    _column("Nominated Node", lambda pod: pod["status"].get("nominatedNodeName") or _NONE, wide=True),
    _column("Readiness Gates", _gates, wide=True),
)
_TEMPLATE: Final = (
    _column("Containers", _containers("name"), wide=True),
    _column("Images", _containers("image"), wide=True),
    _column("Selector", _selector, wide=True),
)
_DEPLOYMENTS: Final = (
    _column("Ready", lambda d: f"{d['status'].get('readyReplicas', 0)}/{d['spec'].get('replicas', 0)}"),
    _column("Up-to-date", lambda d: d["status"].get("updatedReplicas", 0), kind="integer"),
    _column("Available", lambda d: d["status"].get("availableReplicas", 0), kind="integer"),
    AGE,
    *_TEMPLATE,
)
_REPLICA_SETS: Final = (
    _column("Desired", lambda rs: rs["spec"].get("replicas", 0), kind="integer"),
    _column("Current", lambda rs: rs["status"].get("replicas", 0), kind="integer"),
    _column("Ready", lambda rs: rs["status"].get("readyReplicas", 0), kind="integer"),
    AGE,
    *_TEMPLATE,
)
_SERVICES: Final = (
    _column("Type", lambda s: s["spec"]["type"]),
    _column("Cluster-IP", lambda s: s["spec"].get("clusterIP") or _NONE),
    _column("External-IP", _external),
    _column("Port(s)", _service_ports),
    AGE,
    _column("Selector", _map_selector, wide=True),
)
_NODES: Final = (
    _column("Status", _node_status),
    _column("Roles", _node_roles),
    AGE,
    _column("Version", lambda n: (n["status"].get("nodeInfo") or {}).get("kubeletVersion", "")),
    _column("Internal-IP", _node_address("InternalIP"), wide=True),
    _column("External-IP", _node_address("ExternalIP"), wide=True),
    _column("OS-Image", lambda n: (n["status"].get("nodeInfo") or {}).get("osImage") or _UNKNOWN, wide=True),
    _column(
        "Kernel-Version", lambda n: (n["status"].get("nodeInfo") or {}).get("kernelVersion") or _UNKNOWN, wide=True
    ),
    _column(
        "Container-Runtime",
        lambda n: (n["status"].get("nodeInfo") or {}).get("containerRuntimeVersion") or _UNKNOWN,
        wide=True,
    ),
)
_EVENTS: Final = (
    Column(name="Last Seen", cell=_last_seen, description="When it happened last."),
    _column("Type", lambda e: e.get("type", "")),
    _column("Reason", lambda e: e.get("reason", "")),
    _column("Object", _about),
    _column("Subobject", lambda e: (e.get("involvedObject") or {}).get("fieldPath", ""), wide=True),
    _column("Source", lambda e: (e.get("source") or {}).get("component") or e.get("reportingComponent", ""), wide=True),
    _column("Message", lambda e: (e.get("message") or e.get("note") or "").strip()),
    _column("First Seen", lambda e: e.get("firstTimestamp") or e.get("eventTime") or _UNKNOWN, wide=True),
    _column("Count", lambda e: e.get("count") or (e.get("series") or {}).get("count") or 1, wide=True),
    _column("Name", lambda e: e["metadata"]["name"], wide=True),
)
_BINDINGS: Final = (
    _column("Role", lambda b: f"{b['roleRef']['kind']}/{b['roleRef']['name']}"),
    AGE,
    _column("Users", _subjects("User"), wide=True),
    _column("Groups", _subjects("Group"), wide=True),
    _column("ServiceAccounts", _subjects("ServiceAccount"), wide=True),
)
_CREATED: Final = (_column("Created At", lambda obj: obj["metadata"]["creationTimestamp"], kind="date"),)
COLUMNS: Final[dict[str, tuple[Column, ...]]] = {
    "Namespace": (_STATUS, AGE),
    "Pod": _PODS,
    "Deployment": _DEPLOYMENTS,
    "ReplicaSet": _REPLICA_SETS,
    "Service": _SERVICES,
    "Node": _NODES,
    "Event": _EVENTS,
    "ConfigMap": (_column("Data", lambda c: len(c.get("data") or {}) + len(c.get("binaryData") or {})), AGE),
    "Secret": (_column("Type", lambda s: s.get("type", "")), _column("Data", lambda s: len(s.get("data") or {})), AGE),
    "ServiceAccount": (AGE,),
    "Lease": (_column("Holder", lambda lease: lease["spec"].get("holderIdentity", "")), AGE),
    "EndpointSlice": (
        _column("AddressType", lambda s: s.get("addressType", "")),
        _column("Ports", _slice_ports),
        _column("Endpoints", _endpoints),
        AGE,
    ),
    "PodDisruptionBudget": (
        _column("Min Available", lambda b: str(b["spec"].get("minAvailable", "N/A"))),
        _column("Max Unavailable", lambda b: str(b["spec"].get("maxUnavailable", "N/A"))),
        _column("Allowed Disruptions", lambda b: b["status"].get("disruptionsAllowed", 0), kind="integer"),
        AGE,
    ),
    "NetworkPolicy": (
        _column("Pod-Selector", lambda p: selector_text((p.get("spec") or {}).get("podSelector") or {}) or _NONE),
        AGE,
    ),
    "PriorityClass": (
        _column("Value", lambda c: c.get("value", 0)),
        _column("Global-Default", lambda c: c.get("globalDefault", False)),
        AGE,
        _column("PreemptionPolicy", lambda c: c.get("preemptionPolicy", "PreemptLowerPriority")),
    ),
    "Role": _CREATED,
    "ClusterRole": _CREATED,
    "RoleBinding": _BINDINGS,
    "ClusterRoleBinding": _BINDINGS,
    "CustomResourceDefinition": _CREATED,
}

SCALE_COLUMNS: Final = (
    _column("Desired", lambda s: s["spec"].get("replicas", 0), kind="integer"),
    _column("Available", lambda s: s["status"].get("replicas", 0), kind="integer"),
    attrs.evolve(AGE, type="date"),
)
