"""Rules of Services: cluster addresses, ports, and what may not change.

Follows pkg/apis/core/v1/defaults.go, pkg/registry/core/service and pkg/apis/core/validation.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from moduledeploy.devcluster.errors import DUPLICATE, FORBIDDEN, INVALID, NOT_SUPPORTED, REQUIRED, FieldError
from moduledeploy.devcluster.names import label_problem, port_name_problem, qualified_name_problem, subdomain_problem
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
_AFFINITY_S: Final = 10800
_LONGEST_AFFINITY_S: Final = 86400
_WORDS: Final = {
    "internalTrafficPolicy": ("Cluster", "Local"),
    "trafficDistribution": ("PreferClose", "PreferSameNode", "PreferSameZone"),
}
_NODE_PORTS: Final = range(30000, 32768)


def default_service(obj: Object) -> None:
    """TCP to the port of the same number, cluster-internal, without affinity."""
    spec = obj["spec"]
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        client = spec.setdefault("sessionAffinityConfig", {}).setdefault("clientIP", {})
        client.setdefault("timeoutSeconds", _AFFINITY_S)
    for port in spec.get("ports") or []:
        port.setdefault("protocol", "TCP")
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port["port"]
    if spec["type"] != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if _is_public(spec) or spec.get("externalIPs"):
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
    _drop_unneeded(spec, old["spec"])


def _drop_unneeded(spec: Object, before: Object) -> None:
    """What only the former type needed goes with it, unless the same update changes it."""
    if _is_public(before) and not _is_public(spec) and _node_ports(spec) == _node_ports(before):
        for port in spec.get("ports") or []:
            port.pop("nodePort", None)
    gone = {
        "externalTrafficPolicy": (_is_public(before) or before.get("externalIPs"))
        and not (_is_public(spec) or spec.get("externalIPs"))
    }
    gone |= dict.fromkeys(
        ("allocateLoadBalancerNodePorts", "loadBalancerClass", "healthCheckNodePort"),
        before["type"] == "LoadBalancer" != spec["type"],
    )
    for field, is_unneeded in gone.items():
        if is_unneeded and spec.get(field) == before.get(field):
            spec.pop(field, None)


def _is_public(spec: Object) -> bool:
    return spec["type"] in ("LoadBalancer", "NodePort")


def _node_ports(spec: Object) -> set[int]:
    return {port["nodePort"] for port in spec.get("ports") or [] if port.get("nodePort")}


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
    problems += _port_problems(ports) + _address_problems(spec) + _type_problems(spec)
    if spec["type"] == "ClusterIP":
        problems += [
            FieldError(FORBIDDEN, f"spec.ports[{index}].nodePort", None, "may not be used when `type` is 'ClusterIP'")
            for index, port in enumerate(ports)
            if port.get("nodePort")
        ]
    return problems


def new_service_problems(obj: Object) -> list[FieldError]:
    """An address asked for is one that Services get."""
    address = obj["spec"].get("clusterIP", "")
    if address in ("", "None") or not _is_address(address) or ipaddress.ip_address(address) in _NETWORK:
        return []
    detail = "failed to allocate IP: the provided IP is not in the valid range"
    return [FieldError(INVALID, "spec.clusterIPs", [address], detail)]


def _address_problems(spec: Object) -> list[FieldError]:
    problems = []
    address = spec.get("clusterIP", "")
    if address == "None" and spec["type"] not in ("ClusterIP", "ExternalName"):
        detail = "may not be set to 'None' for LoadBalancer and NodePort services"
        problems.append(FieldError(INVALID, "spec.clusterIPs[0]", address, detail))
    elif address not in ("", "None") and not _is_address(address):
        problems.append(FieldError(INVALID, "spec.clusterIPs[0]", address, "must be a valid IP address"))
    problems += [
        FieldError(INVALID, f"spec.externalIPs[{index}]", value, "must be a valid IP address")
        for index, value in enumerate(spec.get("externalIPs") or [])
        if not _is_address(value)
    ]
    problems += [
        _unsupported(f"spec.ipFamilies[{index}]", family, ("IPv4", "IPv6"))
        for index, family in enumerate(spec.get("ipFamilies") or [])
        if family not in ("IPv4", "IPv6")
    ]
    if spec.get("ipFamilyPolicy") == "RequireDualStack" and address != "None":
        detail = "this cluster is not configured for dual-stack services"
        problems.append(FieldError(INVALID, "spec.ipFamilyPolicy", "RequireDualStack", detail))
    return problems


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _type_problems(spec: Object) -> list[FieldError]:
    """What goes only with some types of Services, and words that mean nothing."""
    problems = []
    kind = spec["type"]
    if kind == "ExternalName" and (problem := subdomain_problem(spec.get("externalName", "").rstrip(".") or "a")):
        problems.append(FieldError(INVALID, "spec.externalName", spec["externalName"], problem))
    for field, allowed in _WORDS.items():
        if spec.get(field) is not None and spec[field] not in allowed:
            problems.append(_unsupported(f"spec.{field}", spec[field], allowed))
    if spec.get("externalTrafficPolicy") and kind == "ClusterIP" and not spec.get("externalIPs"):
        detail = "may only be set for externally-accessible services"
        problems.append(FieldError(INVALID, "spec.externalTrafficPolicy", spec["externalTrafficPolicy"], detail))
    if spec.get("loadBalancerClass") and kind != "LoadBalancer":
        problems.append(
            FieldError(FORBIDDEN, "spec.loadBalancerClass", None, "may only be used when `type` is 'LoadBalancer'")
        )
    if spec.get("healthCheckNodePort") and not (
        kind == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"
    ):
        detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        problems.append(FieldError(INVALID, "spec.healthCheckNodePort", spec["healthCheckNodePort"], detail))
    timeout = ((spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}).get("timeoutSeconds")
    if spec["sessionAffinity"] == "ClientIP" and timeout is not None and not 0 < timeout <= _LONGEST_AFFINITY_S:
        where = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
        problems.append(FieldError(INVALID, where, timeout, f"must be between 1 and {_LONGEST_AFFINITY_S}"))
    for index, port in enumerate(spec.get("ports") or []):
        if port.get("appProtocol") and (problem := qualified_name_problem(port["appProtocol"])):
            problems.append(FieldError(INVALID, f"spec.ports[{index}].appProtocol", port["appProtocol"], problem))
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
        if isinstance(target, str) and (problem := port_name_problem(target)):
            problems.append(FieldError(INVALID, f"{where}.targetPort", target, problem))
        if isinstance(target, int) and not 0 < target <= _MAX_PORT:
            problems.append(
                FieldError(INVALID, f"{where}.targetPort", target, "must be between 1 and 65535, inclusive")
            )
        pair = (port["protocol"], port["port"])
        if pair in pairs:
            problems.append(FieldError(DUPLICATE, where, {"protocol": pair[0], "port": pair[1]}))
        pairs.add(pair)
    return problems


def service_status_problems(obj: Object) -> list[FieldError]:
    """Only a Service with a load balancer is reached through one."""
    if obj["spec"]["type"] == "LoadBalancer" or not obj["status"].get("loadBalancer", {}).get("ingress"):
        return []
    detail = "may only be used when `spec.type` is LoadBalancer"
    return [FieldError(FORBIDDEN, "status.loadBalancer.ingress", None, detail)]


def service_changes(new: Object, old: Object) -> list[FieldError]:
    """An address once given stays."""
    before, after = old["spec"].get("clusterIP"), new["spec"].get("clusterIP")
    if "ExternalName" in (new["spec"]["type"], old["spec"]["type"]) or not before or before == after:
        return []
    return [FieldError(INVALID, "spec.clusterIPs[0]", [after], "may not change once set")]
