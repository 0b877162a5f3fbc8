"""Rules of pods and of pod templates: defaults, validation, what an update may change, grace.

Follows pkg/apis/core/v1/defaults.go, pkg/apis/core/validation and pkg/registry/core/pod/strategy.go.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from moduledeploy.devcluster.container_rules import container_problems, unsupported
from moduledeploy.devcluster.errors import DUPLICATE, FORBIDDEN, INVALID, REQUIRED, FieldError
from moduledeploy.devcluster.names import label_problem, qualified_name_problem, subdomain_problem
from moduledeploy.devcluster.objectmeta import label_problems
from moduledeploy.devcluster.storage import copy_object

if TYPE_CHECKING:
    from moduledeploy.devcluster.storage import Object

_TOLERATED_S: Final = 300  # DefaultTolerationSeconds admission
_RESTART: Final = ("Always", "OnFailure", "Never")
_DNS: Final = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
_EFFECTS: Final = ("NoExecute", "NoSchedule", "PreferNoSchedule")


def default_pod_spec(spec: Object) -> None:
    """What a pod template is filled with."""
    spec.setdefault("restartPolicy", "Always")
    if spec.setdefault("terminationGracePeriodSeconds", 30) < 0:
        spec["terminationGracePeriodSeconds"] = 1
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    if spec.get("serviceAccountName") and not spec.get("serviceAccount"):
        spec["serviceAccount"] = spec["serviceAccountName"]
    for container in [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]:
        _default_container(container)


def _default_container(container: Object) -> None:
    image = container.get("image", "")
    tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
    fixed = "@" in image or tag not in ("", "latest")
    container.setdefault("imagePullPolicy", "IfNotPresent" if fixed else "Always")
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    for port in container.get("ports") or []:
        port.setdefault("protocol", "TCP")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(name)
        if probe is None:
            continue
        for field, value in (
            ("timeoutSeconds", 1),
            ("periodSeconds", 10),
            ("successThreshold", 1),
            ("failureThreshold", 3),
        ):
            probe.setdefault(field, value)
        if "httpGet" in probe:
            probe["httpGet"].setdefault("path", "/")
            probe["httpGet"].setdefault("scheme", "HTTP")


def default_pod(pod: Object) -> None:
    """What a pod is filled with, admission of service accounts, tolerations and priority included."""
    spec = pod["spec"]
    default_pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    for container in [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]:
        resources = container.get("resources") or {}
        if resources.get("limits"):
            resources["requests"] = {**resources["limits"], **(resources.get("requests") or {})}
    _match_addresses(pod.get("status") or {})


def _match_addresses(status: Object) -> None:
    """The one address and the first of the addresses are the same, whichever was written."""
    if status.get("podIPs") and not status.get("podIP"):
        status["podIP"] = status["podIPs"][0].get("ip", "")
    elif status.get("podIP") and not status.get("podIPs"):
        status["podIPs"] = [{"ip": status["podIP"]}]


def prepare_pod(pod: Object) -> None:
    """What only a creation sets."""
    spec = pod["spec"]
    spec.setdefault("serviceAccountName", "default")
    spec["serviceAccount"] = spec["serviceAccountName"]
    tolerate(pod)
    pod["status"] = {"phase": "Pending", "qosClass": _quality(spec)}
    if spec.get("schedulingGates"):
        pod["status"]["conditions"] = [
            {"type": "PodScheduled", "status": "False", "lastProbeTime": None,
             "lastTransitionTime": pod["metadata"]["creationTimestamp"], "reason": "SchedulingGated",
             "message": "Scheduling is blocked due to non-empty scheduling gates"}
        ]  # fmt: skip


def tolerate(pod: Object, _old: Object | None = None) -> None:
    """Every written pod stays some minutes on a node that is lost, unless it says otherwise."""
    tolerations = pod["spec"].setdefault("tolerations", [])
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(t.get("key") in (key, None) and t.get("effect") in ("NoExecute", None) for t in tolerations):
            tolerations.append(
                {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _TOLERATED_S}
            )


def _quality(spec: Object) -> str:
    resources = [container.get("resources") or {} for container in spec.get("containers") or []]
    if not any(r.get("requests") or r.get("limits") for r in resources):
        return "BestEffort"
    guaranteed = all(
        {"cpu", "memory"} <= set(r.get("limits") or {}) and (r.get("requests") or r["limits"]) == r["limits"]
        for r in resources
    )
    return "Guaranteed" if guaranteed else "Burstable"


def pod_problems(pod: Object) -> list[FieldError]:
    """What a pod can't be."""
    return pod_spec_problems(pod["spec"], "spec")


def new_pod_problems(pod: Object) -> list[FieldError]:
    """What a pod can't be when it is created."""
    if not pod["spec"].get("ephemeralContainers"):
        return []
    return [FieldError(FORBIDDEN, "spec.ephemeralContainers", None, "cannot be set on create")]


def pod_spec_problems(spec: Object, path: str) -> list[FieldError]:
    """What a pod's or a template's spec can't be."""
    problems = _volume_problems(spec.get("volumes") or [], f"{path}.volumes")
    if not spec.get("containers"):
        problems.append(FieldError(REQUIRED, f"{path}.containers"))
    volumes = {volume.get("name") for volume in spec.get("volumes") or []}
    seen: set[str] = set()
    for field in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(field) or []):
            where = f"{path}.{field}[{index}]"
            problems += container_problems(container, where, seen, volumes)
            if field == "initContainers" and container.get("restartPolicy") != "Always":
                problems += [
                    FieldError(FORBIDDEN, f"{where}.{probe}", None, "may not be set for init containers that end")
                    for probe in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe")
                    if container.get(probe) is not None
                ]
    problems += _word_problems(spec, path) + _name_problems(spec, path) + _host_port_problems(spec, path)
    for index, toleration in enumerate(spec.get("tolerations") or []):
        problems += _toleration_problems(toleration, f"{path}.tolerations[{index}]")
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and deadline < 1:
        detail = "must be between 1 and 2147483647, inclusive"
        problems.append(FieldError(INVALID, f"{path}.activeDeadlineSeconds", deadline, detail))
    return problems + _gate_problems(spec, path)


def _volume_problems(volumes: list[Object], path: str) -> list[FieldError]:
    problems = []
    seen: set[str] = set()
    for index, volume in enumerate(volumes):
        where, name = f"{path}[{index}]", volume.get("name", "")
        sources = [field for field, value in volume.items() if field != "name" and value is not None]
        if not name:
            problems.append(FieldError(REQUIRED, f"{where}.name"))
        elif problem := label_problem(name):
            problems.append(FieldError(INVALID, f"{where}.name", name, problem))
        elif name in seen:
            problems.append(FieldError(DUPLICATE, f"{where}.name", name))
        seen.add(name)
        problems += [
            FieldError(FORBIDDEN, f"{where}.{field}", None, "may not specify more than 1 volume type")
            for field in sources[1:]
        ]
    return problems


def _word_problems(spec: Object, path: str) -> list[FieldError]:
    problems = [
        unsupported(f"{path}.{field}", spec.get(field), allowed)
        for field, allowed in (("restartPolicy", _RESTART), ("dnsPolicy", _DNS))
        if spec.get(field) not in allowed
    ]
    system = (spec.get("os") or {}).get("name")
    if spec.get("os") is not None and system not in ("linux", "windows"):
        problems.append(unsupported(f"{path}.os", system, ("linux", "windows")))
    return problems


def _name_problems(spec: Object, path: str) -> list[FieldError]:
    problems = []
    for field, rule in (
        ("nodeName", subdomain_problem),
        ("serviceAccountName", subdomain_problem),
        ("hostname", label_problem),
        ("subdomain", label_problem),
    ):
        if spec.get(field) and (problem := rule(spec[field])):
            problems.append(FieldError(INVALID, f"{path}.{field}", spec[field], problem))
    problems += label_problems(spec.get("nodeSelector") or {}, f"{path}.nodeSelector")
    for index, alias in enumerate(spec.get("hostAliases") or []):
        try:
            ipaddress.ip_address(alias.get("ip", ""))
        except ValueError:
            problems.append(
                FieldError(INVALID, f"{path}.hostAliases[{index}].ip", alias.get("ip"), "must be an IP address")
            )
    return problems


def _host_port_problems(spec: Object, path: str) -> list[FieldError]:
    problems = []
    taken: set[tuple[object, ...]] = set()
    for index, container in enumerate(spec.get("containers") or []):
        for number, port in enumerate(container.get("ports") or []):
            where, host = f"{path}.containers[{index}].ports[{number}]", port.get("hostPort")
            if not host:
                continue
            identity = (port.get("protocol"), port.get("hostIP"), host)
            if identity in taken:
                problems.append(FieldError(DUPLICATE, f"{where}.hostPort", host))
            taken.add(identity)
            if spec.get("hostNetwork") and host != port.get("containerPort"):
                detail = "must match `containerPort` when `hostNetwork` is true"
                problems.append(FieldError(INVALID, f"{where}.hostPort", host, detail))
    return problems


def _toleration_problems(toleration: Object, path: str) -> list[FieldError]:
    key, operator, effect = toleration.get("key", ""), toleration.get("operator", ""), toleration.get("effect", "")
    problems = []
    if key and (problem := qualified_name_problem(key)):
        problems.append(FieldError(INVALID, f"{path}.key", key, problem))
    if not key and operator != "Exists":
        detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        problems.append(FieldError(INVALID, f"{path}.operator", operator, detail))
    if operator == "Exists" and toleration.get("value"):
        detail = "value must be empty when `operator` is 'Exists'"
        problems.append(FieldError(INVALID, f"{path}.operator", toleration, detail))
    elif operator not in ("", "Equal", "Exists"):
        problems.append(unsupported(f"{path}.operator", operator, ("Equal", "Exists")))
    if effect and effect not in _EFFECTS:
        problems.append(unsupported(f"{path}.effect", effect, _EFFECTS))
    return problems


def _gate_problems(spec: Object, path: str) -> list[FieldError]:
    problems = []
    for index, gate in enumerate(spec.get("schedulingGates") or []):
        if problem := qualified_name_problem(gate.get("name", "")):
            problems.append(FieldError(INVALID, f"{path}.schedulingGates[{index}]", gate.get("name"), problem))
    if spec.get("schedulingGates") and spec.get("nodeName"):
        detail = "cannot be set until all schedulingGates have been cleared"
        problems.append(FieldError(FORBIDDEN, f"{path}.nodeName", None, detail))
    for index, gate in enumerate(spec.get("readinessGates") or []):
        if problem := qualified_name_problem(gate.get("conditionType", "")):
            where = f"{path}.readinessGates[{index}].conditionType"
            problems.append(FieldError(INVALID, where, gate.get("conditionType"), problem))
    return problems


def pod_changes(new: Object, old: Object) -> list[FieldError]:
    """A pod's spec stays as it is, but for images, deadlines, tolerations and the way to a node."""
    ours, theirs = copy_object(new["spec"]), copy_object(old["spec"])
    if any(len(ours.get(field) or []) != len(theirs.get(field) or []) for field in ("containers", "initContainers")):
        return [FieldError(FORBIDDEN, "spec.containers", None, "pod updates may not add or remove containers")]
    problems = _deadline_changes(new["spec"], old["spec"]) + _toleration_changes(new["spec"], old["spec"])
    problems += _gate_changes(new["spec"], old["spec"])
    for spec in (ours, theirs):
        for field in ("activeDeadlineSeconds", "tolerations", "schedulingGates", "ephemeralContainers"):
            spec.pop(field, None)
        for container in [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]:
            container.pop("image", None)
    if ours == theirs:
        return problems
    detail = "pod updates may not change fields other than images, activeDeadlineSeconds, tolerations, schedulingGates"
    return [*problems, FieldError(FORBIDDEN, "spec", None, detail)]


def _deadline_changes(new: Object, old: Object) -> list[FieldError]:
    before, after = old.get("activeDeadlineSeconds"), new.get("activeDeadlineSeconds")
    if before is None or before == after:
        return []
    if after is None:
        detail = "must not update from a positive integer to nil value"
    elif after > before:
        detail = f"must be less than or equal to previous value {before}"
    else:
        return []
    return [FieldError(INVALID, "spec.activeDeadlineSeconds", after, detail)]


def _toleration_changes(new: Object, old: Object) -> list[FieldError]:
    def timeless(toleration: Object) -> Object:
        return {name: value for name, value in toleration.items() if name != "tolerationSeconds"}

    present = [timeless(toleration) for toleration in new.get("tolerations") or []]
    if all(timeless(toleration) in present for toleration in old.get("tolerations") or []):
        return []
    detail = "existing toleration can not be modified except its tolerationSeconds"
    return [FieldError(FORBIDDEN, "spec.tolerations", None, detail)]


def _gate_changes(new: Object, old: Object) -> list[FieldError]:
    known = {gate["name"] for gate in old.get("schedulingGates") or []}
    detail = "only deletion is allowed, but found new scheduling gate"
    return [
        FieldError(FORBIDDEN, f"spec.schedulingGates[{index}].name", None, detail)
        for index, gate in enumerate(new.get("schedulingGates") or [])
        if gate["name"] not in known
    ]


def pod_grace(pod: Object, requested: int | None) -> int:
    """Seconds of grace: as asked or as the pod says; none before it has a node and after it has ended."""
    spec, phase = pod["spec"], pod.get("status", {}).get("phase")
    grace = spec.get("terminationGracePeriodSeconds", 0) if requested is None else requested
    if not spec.get("nodeName") or phase in ("Failed", "Succeeded"):
        return 0
    return int(grace) if grace >= 0 else 1


def pod_fields(pod: Object) -> dict[str, str]:
    """What pods can be selected by."""
    spec, status = pod["spec"], pod.get("status", {})
    return {
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.restartPolicy": spec.get("restartPolicy", ""),
        "spec.schedulerName": spec.get("schedulerName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "spec.hostNetwork": "true" if spec.get("hostNetwork") else "false",
        "status.phase": status.get("phase", ""),
        "status.podIP": (status.get("podIPs") or [{"ip": ""}])[0]["ip"],
        "status.nominatedNodeName": status.get("nominatedNodeName", ""),
    }
