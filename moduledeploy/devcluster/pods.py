"""Rules of pods and of pod templates: defaults, validation, what an update may change, grace.

Follows pkg/apis/core/v1/defaults.go, pkg/apis/core/validation and pkg/registry/core/pod/strategy.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from moduledeploy.devcluster.errors import DUPLICATE, FORBIDDEN, INVALID, NOT_SUPPORTED, REQUIRED, FieldError
from moduledeploy.devcluster.names import label_problem, subdomain_problem
from moduledeploy.devcluster.storage import copy_object

if TYPE_CHECKING:
    from moduledeploy.devcluster.storage import Object

_TOLERATED_S: Final = 300  # DefaultTolerationSeconds admission
_RESTART: Final = ("Always", "OnFailure", "Never")
_PULL: Final = ("Always", "IfNotPresent", "Never")
_PROTOCOLS: Final = ("TCP", "UDP", "SCTP")
_MAX_PORT: Final = 65535


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
    spec.setdefault("priority", 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    tolerations = spec.setdefault("tolerations", [])
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(t.get("key") in (key, None) and t.get("effect") in ("NoExecute", None) for t in tolerations):
            tolerations.append(
                {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _TOLERATED_S}
            )
    pod["status"] = {"phase": "Pending", "qosClass": _quality(spec)}


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


def pod_spec_problems(spec: Object, path: str) -> list[FieldError]:
    """What a pod's or a template's spec can't be."""
    problems: list[FieldError] = []
    if not spec.get("containers"):
        problems.append(FieldError(REQUIRED, f"{path}.containers"))
    seen: set[str] = set()
    for field in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(field) or []):
            problems += _container_problems(container, f"{path}.{field}[{index}]", seen)
    if spec.get("restartPolicy") not in _RESTART:
        problems.append(_unsupported(f"{path}.restartPolicy", spec.get("restartPolicy"), _RESTART))
    for field in ("nodeName", "serviceAccountName"):
        if spec.get(field) and (problem := subdomain_problem(spec[field])):
            problems.append(FieldError(INVALID, f"{path}.{field}", spec[field], problem))
    return problems


def _unsupported(path: str, value: object, allowed: tuple[str, ...]) -> FieldError:
    return FieldError(
        NOT_SUPPORTED, path, value, "supported values: " + ", ".join(f'"{item}"' for item in sorted(allowed))
    )


def _container_problems(container: Object, path: str, seen: set[str]) -> list[FieldError]:
    problems = []
    name = container.get("name", "")
    if not name:
        problems.append(FieldError(REQUIRED, f"{path}.name"))
    elif problem := label_problem(name):
        problems.append(FieldError(INVALID, f"{path}.name", name, problem))
    elif name in seen:
        problems.append(FieldError(DUPLICATE, f"{path}.name", name))
    seen.add(name)
    if not container.get("image"):
        problems.append(FieldError(REQUIRED, f"{path}.image"))
    elif container["image"] != container["image"].strip():
        detail = "must not have leading or trailing whitespace"
        problems.append(FieldError(INVALID, f"{path}.image", container["image"], detail))
    if container.get("imagePullPolicy") not in _PULL:
        problems.append(_unsupported(f"{path}.imagePullPolicy", container.get("imagePullPolicy"), _PULL))
    for index, port in enumerate(container.get("ports") or []):
        where = f"{path}.ports[{index}]"
        number = port.get("containerPort", 0)
        if number == 0:
            problems.append(FieldError(REQUIRED, f"{where}.containerPort"))
        elif not 0 < number <= _MAX_PORT:
            problems.append(
                FieldError(INVALID, f"{where}.containerPort", number, "must be between 1 and 65535, inclusive")
            )
        if port.get("protocol") not in _PROTOCOLS:
            problems.append(_unsupported(f"{where}.protocol", port.get("protocol"), _PROTOCOLS))
    for index, variable in enumerate(container.get("env") or []):
        if not variable.get("name"):
            problems.append(FieldError(REQUIRED, f"{path}.env[{index}].name"))
    return problems


def pod_changes(new: Object, old: Object) -> list[FieldError]:
    """A pod's spec stays as it is, but for images, deadlines, tolerations and the way to a node."""
    if not all(container.get("image", "").strip() for container in new["spec"].get("containers") or []):
        return []  # said already, and the rest isn't looked at
    problems = _deadline_changes(new["spec"], old["spec"]) + _toleration_changes(new["spec"], old["spec"])
    problems += _gate_changes(new["spec"], old["spec"])
    ours, theirs = copy_object(new["spec"]), copy_object(old["spec"])
    if any(len(ours.get(field) or []) != len(theirs.get(field) or []) for field in ("containers", "initContainers")):
        detail = "pod updates may not add or remove containers"
        return [*problems, FieldError(FORBIDDEN, "spec.containers", None, detail)]
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
