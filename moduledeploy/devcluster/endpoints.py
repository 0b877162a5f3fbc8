"""Rules of EndpointSlices.

Follows pkg/apis/discovery/validation, but for loopback addresses: simulated bases live there.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from moduledeploy.devcluster.container_rules import unsupported
from moduledeploy.devcluster.errors import DUPLICATE, INVALID, REQUIRED, FieldError
from moduledeploy.devcluster.names import label_problem, subdomain_problem

if TYPE_CHECKING:
    from moduledeploy.devcluster.storage import Object

_TYPES: Final = ("FQDN", "IPv4", "IPv6")
_PROTOCOLS: Final = ("SCTP", "TCP", "UDP")


def slice_problems(obj: Object) -> list[FieldError]:
    """What an EndpointSlice can't be."""
    kind = obj.get("addressType")
    if not kind:
        return [FieldError(REQUIRED, "addressType")]
    if kind not in _TYPES:
        return [unsupported("addressType", kind, _TYPES)]
    problems = []
    for index, endpoint in enumerate(obj.get("endpoints") or []):
        problems += _endpoint_problems(endpoint, kind, f"endpoints[{index}]")
    return problems + _port_problems(obj.get("ports") or [])


def _endpoint_problems(endpoint: Object, kind: str, path: str) -> list[FieldError]:
    problems = []
    addresses = endpoint.get("addresses") or []
    if not addresses:
        problems.append(FieldError(REQUIRED, f"{path}.addresses", None, "must contain at least one address"))
    for index, address in enumerate(addresses):
        if problem := _address_problem(address, kind):
            problems.append(FieldError(INVALID, f"{path}.addresses[{index}]", address, problem))
    for field, rule in (("nodeName", subdomain_problem), ("hostname", label_problem)):
        if endpoint.get(field) and (problem := rule(endpoint[field])):
            problems.append(FieldError(INVALID, f"{path}.{field}", endpoint[field], problem))
    return problems


def _address_problem(address: str, kind: str) -> str | None:
    if kind == "FQDN":
        return subdomain_problem(address)
    try:
        version = ipaddress.ip_address(address).version
    except ValueError:
        return "must be a valid IP address"
    return None if f"IPv{version}" == kind else f"must be an {kind} address"


def _port_problems(ports: list[Object]) -> list[FieldError]:
    problems = []
    names: set[str] = set()
    for index, port in enumerate(ports):
        where, name = f"ports[{index}]", port.get("name") or ""
        if name in names:
            problems.append(FieldError(DUPLICATE, f"{where}.name", name))
        names.add(name)
        if name and (problem := label_problem(name)):
            problems.append(FieldError(INVALID, f"{where}.name", name, problem))
        if port.get("protocol") not in _PROTOCOLS:
            problems.append(unsupported(f"{where}.protocol", port.get("protocol"), _PROTOCOLS))
    return problems


def slice_changes(new: Object, old: Object) -> list[FieldError]:
    """The kind of addresses stays."""
    if new.get("addressType") == old.get("addressType"):
        return []
    return [FieldError(INVALID, "addressType", new.get("addressType"), "field is immutable")]
