"""What a container can't be.

Follows pkg/apis/core/validation (validateContainers and what it calls).
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from moduledeploy.devcluster.errors import (
    DUPLICATE,
    FORBIDDEN,
    INVALID,
    NOT_FOUND,
    NOT_SUPPORTED,
    REQUIRED,
    FieldError,
)
from moduledeploy.devcluster.names import label_problem, port_name_problem, qualified_name_problem

if TYPE_CHECKING:
    from moduledeploy.devcluster.storage import Object

_PULL: Final = ("Always", "IfNotPresent", "Never")
_PROTOCOLS: Final = ("TCP", "UDP", "SCTP")
_HANDLERS: Final = ("exec", "httpGet", "tcpSocket", "grpc")
_HOOKS: Final = ("exec", "httpGet", "tcpSocket", "sleep")
_SOURCES: Final = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_MAX_PORT: Final = 65535
_ENV_NAME: Final = re.compile(r"[ -<>-~]+")
_RESOURCES: Final = frozenset({"cpu", "memory", "ephemeral-storage"})
_NUMBER: Final = re.compile(r"([+-]?[0-9.]+)(.*)")
_FACTORS: Final = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1), "k": Decimal(10**3), "M": Decimal(10**6),
    "G": Decimal(10**9), "T": Decimal(10**12), "P": Decimal(10**15), "E": Decimal(10**18), "Ki": Decimal(2**10),
    "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40), "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip
_POD_FIELDS: Final = frozenset(
    {"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP",
     "status.hostIPs", "status.podIP", "status.podIPs", "metadata.labels", "metadata.annotations"}
)  # fmt: skip


def unsupported(path: str, value: object, allowed: tuple[str, ...]) -> FieldError:
    """A value that is none of the few allowed ones."""
    detail = "supported values: " + ", ".join(f'"{item}"' for item in sorted(allowed))
    return FieldError(NOT_SUPPORTED, path, value, detail)


def container_problems(container: Object, path: str, seen: set[str], volumes: set[str]) -> list[FieldError]:
    """Of one container; `seen` are the names of the containers before it, `volumes` those that can be mounted."""
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
    for field, allowed in (
        ("imagePullPolicy", _PULL),
        ("terminationMessagePolicy", ("FallbackToLogsOnError", "File")),
    ):
        if container.get(field) not in allowed:
            problems.append(unsupported(f"{path}.{field}", container.get(field), allowed))
    problems += _port_problems(container.get("ports") or [], f"{path}.ports")
    problems += _variable_problems(container, path)
    problems += _mount_problems(container.get("volumeMounts") or [], f"{path}.volumeMounts", volumes)
    problems += _resource_problems(container.get("resources") or {}, f"{path}.resources")
    for field in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(field) is not None:
            problems += _probe_problems(container[field], f"{path}.{field}", once=field != "readinessProbe")
    for hook in ("postStart", "preStop"):
        if (action := (container.get("lifecycle") or {}).get(hook)) is not None:
            problems += _handler_problems(action, f"{path}.lifecycle.{hook}", _HOOKS)
    return problems + _security_problems(container.get("securityContext") or {}, f"{path}.securityContext")


def _port_problems(ports: list[Object], path: str) -> list[FieldError]:
    problems = []
    names: set[str] = set()
    for index, port in enumerate(ports):
        where, number, name = f"{path}[{index}]", port.get("containerPort", 0), port.get("name", "")
        if name and (problem := port_name_problem(name)):
            problems.append(FieldError(INVALID, f"{where}.name", name, problem))
        elif name and name in names:
            problems.append(FieldError(DUPLICATE, f"{where}.name", name))
        names.add(name)
        if number == 0:
            problems.append(FieldError(REQUIRED, f"{where}.containerPort"))
        elif not 0 < number <= _MAX_PORT:
            problems.append(
                FieldError(INVALID, f"{where}.containerPort", number, "must be between 1 and 65535, inclusive")
            )
        host = port.get("hostPort", 0)
        if host and not 0 < host <= _MAX_PORT:
            problems.append(FieldError(INVALID, f"{where}.hostPort", host, "must be between 1 and 65535, inclusive"))
        if port.get("protocol") not in _PROTOCOLS:
            problems.append(unsupported(f"{where}.protocol", port.get("protocol"), _PROTOCOLS))
    return problems


def _variable_problems(container: Object, path: str) -> list[FieldError]:
    problems = []
    for index, variable in enumerate(container.get("env") or []):
        where, name, source = f"{path}.env[{index}]", variable.get("name", ""), variable.get("valueFrom")
        if not name:
            problems.append(FieldError(REQUIRED, f"{where}.name"))
        elif not _ENV_NAME.fullmatch(name):
            problems.append(FieldError(INVALID, f"{where}.name", name, "must be printable characters other than '='"))
        if source is None:
            continue
        given = [field for field in _SOURCES if source.get(field) is not None]
        if not given or len(given) > 1 or variable.get("value"):
            detail = "must specify one source, and none beside a value"
            problems.append(FieldError(INVALID, f"{where}.valueFrom", "", detail))
        field_path = (source.get("fieldRef") or {}).get("fieldPath")
        if field_path and field_path.partition("[")[0] not in _POD_FIELDS:
            at = f"{where}.valueFrom.fieldRef.fieldPath"
            problems.append(
                FieldError(INVALID, at, field_path, "error converting fieldPath: field label not supported")
            )
    return problems + [
        FieldError(INVALID, f"{path}.envFrom", "", "must specify one of configMapRef and secretRef")
        for source in container.get("envFrom") or []
        if sum(field in source for field in ("configMapRef", "secretRef")) != 1
    ]


def _mount_problems(mounts: list[Object], path: str, volumes: set[str]) -> list[FieldError]:
    problems = []
    places: set[str] = set()
    for index, mount in enumerate(mounts):
        where, name, place = f"{path}[{index}]", mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            problems.append(FieldError(REQUIRED, f"{where}.name"))
        elif name not in volumes:
            problems.append(FieldError(NOT_FOUND, f"{where}.name", name))
        if not place:
            problems.append(FieldError(REQUIRED, f"{where}.mountPath"))
        elif place in places:
            problems.append(FieldError(INVALID, f"{where}.mountPath", place, "must be unique"))
        places.add(place)
    return problems


def _amount(quantity: str) -> Decimal:
    match = _NUMBER.fullmatch(quantity)
    if match is None:
        return Decimal(0)
    number, unit = match.groups()
    return Decimal(f"{number}{unit}") if unit[:1] in ("e", "E") and unit[1:] else Decimal(number) * _FACTORS[unit]


def _resource_problems(resources: Object, path: str) -> list[FieldError]:
    problems = []
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for field, amounts in (("limits", limits), ("requests", requests)):
        for name, quantity in amounts.items():
            where = f"{path}.{field}[{name}]"
            if problem := qualified_name_problem(name):
                problems.append(FieldError(INVALID, where, name, problem))
            elif "/" not in name and name not in _RESOURCES and not name.startswith("hugepages-"):
                problems.append(FieldError(INVALID, where, name, "must be a standard resource for containers"))
            if _amount(quantity) < 0:
                problems.append(FieldError(INVALID, where, quantity, "must be greater than or equal to 0"))
    for name, quantity in requests.items():
        if name in limits and _amount(quantity) > _amount(limits[name]):
            detail = f"must be less than or equal to {name} limit of {limits[name]}"
            problems.append(FieldError(INVALID, f"{path}.requests", quantity, detail))
    return problems


def _handler_problems(handler: Object, path: str, kinds: tuple[str, ...]) -> list[FieldError]:
    given = [kind for kind in kinds if handler.get(kind) is not None]
    if not given:
        return [FieldError(REQUIRED, path, None, "must specify a handler type")]
    problems = [
        FieldError(FORBIDDEN, f"{path}.{kind}", None, "may not specify more than 1 handler type") for kind in given[1:]
    ]
    for kind in given:
        port = handler[kind].get("port") if isinstance(handler[kind], dict) else None
        if kind in ("httpGet", "tcpSocket") and (problem := _target_problem(port)):
            problems.append(FieldError(INVALID, f"{path}.{kind}.port", port, problem))
    scheme = (handler.get("httpGet") or {}).get("scheme")
    if scheme is not None and scheme not in ("HTTP", "HTTPS"):
        problems.append(unsupported(f"{path}.httpGet.scheme", scheme, ("HTTP", "HTTPS")))
    return problems


def _target_problem(port: Any) -> str | None:
    if isinstance(port, str):
        return port_name_problem(port)
    return None if isinstance(port, int) and 0 < port <= _MAX_PORT else "must be between 1 and 65535, inclusive"


def _probe_problems(probe: Object, path: str, *, once: bool) -> list[FieldError]:
    problems = _handler_problems(probe, path, _HANDLERS)
    problems += [
        FieldError(INVALID, f"{path}.{field}", probe[field], "must be greater than or equal to 0")
        for field in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
        if probe.get(field, 0) < 0
    ]
    if once and probe.get("successThreshold", 1) != 1:
        problems.append(FieldError(INVALID, f"{path}.successThreshold", probe["successThreshold"], "must be 1"))
    return problems


def _security_problems(context: Object, path: str) -> list[FieldError]:
    problems = [
        FieldError(INVALID, f"{path}.{field}", context[field], "must be between 0 and 2147483647, inclusive")
        for field in ("runAsUser", "runAsGroup")
        if isinstance(context.get(field), int) and context[field] < 0
    ]
    if context.get("privileged") and context.get("allowPrivilegeEscalation") is False:
        detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
        problems.append(FieldError(INVALID, path, context, detail))
    return problems
