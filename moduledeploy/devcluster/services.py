"""Rules of Services: cluster addresses, ports, and what may not change.

Follows pkg/apis/core/v1/defaults.go, pkg/registry/core/service and pkg/apis/core/validation.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final

from moduledeploy.devcluster.errors import DUPLICATE, FORBIDDEN, INVALID, NOT_SUPPORTED, REQUIRED, FieldError
from moduledeploy.devcluster.names import label_problem
from moduledeploy.devcluster.objectmeta import label_problems

if TYPE_CHECKING:
    from moduledeploy.devcluster.resources import Resource
    from moduledeploy.devcluster.storage import Object
    from moduledeploy.devcluster.writes import Writes

_NETWORK: Final = ipaddress.ip_network("10.96.0.0/12")  # kubeadm's default
_RESERVED: Final = 16  # low addresses are left to well-known Services
_TYPES: Final = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_PROTOCOLS: Final = ("SCTP", "TCP", "UDP")
_MAX_PORT: Final = 65535
_PORT_NAME: Final = re.compile(r"(?=.{1,15}$)(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_NODE_PORTS: Final = range(30000, 32768)


def default_service(obj: Object) -> None:
    """TCP to the port of the same number, cluster-internal, without affinity."""
    spec = obj["spec"]
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    for port in spec.get("ports") or []:
        port.setdefault("protocol", "TCP")
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port["port"]
    if spec["type"] != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if spec["type"] in ("LoadBalancer", "NodePort"):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
    if spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]


def keep_addresses(new: Object, old: Object) -> None:
    """An update that says nothing of the addresses keeps them, and a type without addresses loses them."""
    spec = new["spec"]
    if spec["type"] == "ExternalName":
        for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"):
            spec.pop(field, None)
        return
    for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        if not spec.get(field) and old["spec"].get(field):
            spec[field] = old["spec"][field]


def assign_addresses(writes: Writes, resource: Resource, obj: Object, _old: Object | None, subresource: str) -> None:
    """Admission: give a Service an address and node ports that no other Service has."""
    if resource.table != "services" or subresource:
        return
    spec = obj["spec"]
    if spec["type"] != "ExternalName":
        # A headless Service without a selector may be filled with addresses of both families.
        both = spec.get("clusterIP") == "None" and not spec.get("selector")
        spec.setdefault("ipFamilies", ["IPv4", "IPv6"] if both else ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "RequireDualStack" if both else "SingleStack")
    if spec["type"] != "ExternalName" and not spec.get("clusterIP"):
        taken = {other.obj["spec"].get("clusterIP") for other in writes.store.open("services").records.values()}
        first = int(_NETWORK.network_address) + _RESERVED
        addresses = (str(ipaddress.ip_address(number)) for number in range(first, int(_NETWORK.broadcast_address)))
        spec["clusterIP"] = next(address for address in addresses if address not in taken)
        spec["clusterIPs"] = [spec["clusterIP"]]
    if spec["type"] in ("LoadBalancer", "NodePort"):
        services = [record.obj for record in writes.store.open("services").records.values()]
        used = {port.get("nodePort") for service in services for port in service["spec"].get("ports") or []}
        for port in spec.get("ports") or []:
            if not port.get("nodePort"):
                port["nodePort"] = next(number for number in _NODE_PORTS if number not in used)
                used.add(port["nodePort"])


def service_problems(obj: Object) -> list[FieldError]:
    """What a Service can't be."""
    spec = obj["spec"]
    problems: list[FieldError] = []
    ports = spec.get("ports") or []
    if not ports and spec["type"] != "ExternalName" and spec.get("clusterIP") != "None":
        problems.append(FieldError(REQUIRED, "spec.ports"))
    if spec["type"] == "ExternalName" and not spec.get("externalName"):
        problems.append(FieldError(REQUIRED, "spec.externalName"))
    if spec["type"] not in _TYPES:
        problems.append(_unsupported("spec.type", spec["type"], _TYPES))
    if spec["sessionAffinity"] not in ("ClientIP", "None"):
        problems.append(_unsupported("spec.sessionAffinity", spec["sessionAffinity"], ("ClientIP", "None")))
    problems += label_problems(spec.get("selector") or {}, "spec.selector")
    problems += _port_problems(ports)
    if spec["type"] == "ClusterIP":
        problems += [
            FieldError(FORBIDDEN, f"spec.ports[{index}].nodePort", None, "may not be used when `type` is 'ClusterIP'")
            for index, port in enumerate(ports)
            if port.get("nodePort")
        ]
    return problems


def _unsupported(path: str, value: object, allowed: tuple[str, ...]) -> FieldError:
    return FieldError(NOT_SUPPORTED, path, value, "supported values: " + ", ".join(f'"{item}"' for item in allowed))


def _port_problems(ports: list[Object]) -> list[FieldError]:
    problems = []
    names: set[str] = set()
    pairs: set[tuple[str, int]] = set()
    for index, port in enumerate(ports):
        where = f"spec.ports[{index}]"
        name = port.get("name", "")
        if not name and len(ports) > 1:
            problems.append(FieldError(REQUIRED, f"{where}.name"))
        elif name and (problem := label_problem(name)):
            problems.append(FieldError(INVALID, f"{where}.name", name, problem))
        elif name and name in names:
            problems.append(FieldError(DUPLICATE, f"{where}.name", name))
        names.add(name)
        if not 0 < port["port"] <= _MAX_PORT:
            problems.append(
                FieldError(INVALID, f"{where}.port", port["port"], "must be between 1 and 65535, inclusive")
            )
        if port["protocol"] not in _PROTOCOLS:
            problems.append(_unsupported(f"{where}.protocol", port["protocol"], _PROTOCOLS))
        target = port["targetPort"]
        if isinstance(target, str) and not _PORT_NAME.fullmatch(target):
            detail = "must be a port's name: at most 15 lower-case letters, digits and single '-', with a letter"
            problems.append(FieldError(INVALID, f"{where}.targetPort", target, detail))
        if isinstance(target, int) and not 0 < target <= _MAX_PORT:
            problems.append(
                FieldError(INVALID, f"{where}.targetPort", target, "must be between 1 and 65535, inclusive")
            )
        pair = (port["protocol"], port["port"])
        if pair in pairs:
            problems.append(FieldError(DUPLICATE, where, {"protocol": pair[0], "port": pair[1]}))
        pairs.add(pair)
    return problems


def service_changes(new: Object, old: Object) -> list[FieldError]:
    """An address once given stays."""
    before, after = old["spec"].get("clusterIP"), new["spec"].get("clusterIP")
    if "ExternalName" in (new["spec"]["type"], old["spec"]["type"]) or not before or before == after:
        return []
    return [FieldError(INVALID, "spec.clusterIPs[0]", [after], "may not change once set")]
