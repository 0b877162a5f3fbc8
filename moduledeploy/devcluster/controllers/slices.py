"""EndpointSlices of one Service, kept pod by pod: what a changed pod costs doesn't depend on how many pods there are.

Follows k8s.io/endpointslice (reconciler.go, utils.go).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from moduledeploy.devcluster.controllers.ownership import controller_reference
from moduledeploy.devcluster.controllers.podstate import has_ended, is_ready, is_terminating

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from moduledeploy.devcluster.storage import Key, Object

SERVICE_NAME: Final = "kubernetes.io/service-name"
MANAGED_BY: Final = "endpointslice.kubernetes.io/managed-by"
MANAGER: Final = "endpointslice-controller.k8s.io"
_MAX_ENDPOINTS: Final = 100  # kube-controller-manager, --max-endpoints-per-slice
Ports = tuple[tuple[str, int, str], ...]


def is_selected(service: Object, pod: Object) -> bool:
    """Whether the Service's selector matches the pod."""
    selector = service["spec"].get("selector")
    labels = pod["metadata"].get("labels") or {}
    return bool(selector) and selector.items() <= labels.items()


def endpoint_of(service: Object, pod: Object, nodes: Container[Key]) -> dict[str, Any] | None:
    """The pod's endpoint; None where it has no address, no node that exists, or has ended."""
    meta, node = pod["metadata"], pod["spec"].get("nodeName", "")
    address = pod.get("status", {}).get("podIP")
    if not address or has_ended(pod) or ("", node) not in nodes or not is_selected(service, pod):
        return None
    ready, terminating = is_ready(pod), is_terminating(pod)
    published = service["spec"].get("publishNotReadyAddresses", False)
    return {
        "addresses": [address],
        "conditions": {
            "ready": published or (ready and not terminating),
            "serving": published or ready,
            "terminating": terminating,
        },
        "nodeName": node,
        "targetRef": {"kind": "Pod", "name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]},
    }


def ports_of(service: Object, pod: Object) -> Ports:
    """The Service's ports as numbers on this pod; a port whose name no container has is left out."""
    found = []
    for port in service["spec"].get("ports") or []:
        target, protocol = port.get("targetPort", port["port"]), port.get("protocol", "TCP")
        number = target if isinstance(target, int) else _named_port(pod, target, protocol)
        if number:
            found.append((port.get("name", ""), number, protocol))
    return tuple(sorted(found))


def _named_port(pod: Object, name: str, protocol: str) -> int:
    ports = (port for container in pod["spec"]["containers"] for port in container.get("ports") or [])
    numbers = (p["containerPort"] for p in ports if p.get("name") == name and p.get("protocol", "TCP") == protocol)
    return int(next(numbers, 0))


@attrs.define(eq=False)
class Slice:
    """One EndpointSlice; `name` is empty until it is created."""

    name: str = ""
    ports: Ports = ()
    endpoints: dict[Key, dict[str, Any]] = attrs.field(factory=dict)
    is_changed: bool = True

    def has_room_for(self, ports: Ports) -> bool:
        """Whether one more endpoint with these ports fits."""
        return not self.endpoints or (self.ports == ports and len(self.endpoints) < _MAX_ENDPOINTS)


@attrs.define(eq=False)
class ServiceSlices:
    """The slices of one Service; `dirty` are the pods whose endpoints have to be computed anew."""

    uid: str
    slices: list[Slice] = attrs.field(factory=list)
    dirty: set[Key] = attrs.field(factory=set)
    pass_s: float = 0.0  # what the last pass took
    _where: dict[Key, Slice] = attrs.field(factory=dict)

    def pods(self) -> Iterator[Key]:
        """The pods that have an endpoint."""
        return iter(list(self._where))

    def place(self, key: Key, ports: Ports, endpoint: dict[str, Any] | None) -> None:
        """Put a pod's endpoint into a slice of its ports, or take it out."""
        held = self._where.get(key)
        if held is not None and (endpoint is None or held.ports != ports):
            del held.endpoints[key], self._where[key]
            held.is_changed, held = True, None
        if endpoint is None:
            return
        if held is None:
            held = next((found for found in self.slices if found.has_room_for(ports)), None)
            if held is None:
                held = Slice()
                self.slices.append(held)
            held.ports = ports
            self._where[key] = held
        if held.endpoints.get(key) != endpoint:
            held.endpoints[key] = endpoint
            held.is_changed = True

    def surplus(self) -> list[Slice]:
        """Take out the slices that are empty; one stays if all are."""
        empty = [found for found in self.slices if not found.endpoints]
        if len(empty) == len(self.slices):
            empty = empty[1:]
        self.slices = [found for found in self.slices if found not in empty]
        if not self.slices:
            self.slices.append(Slice())
        return empty


def slice_object(service: Object, found: Slice) -> Object:
    """The EndpointSlice as it is written."""
    meta = service["metadata"]
    labels = {**(meta.get("labels") or {}), SERVICE_NAME: meta["name"], MANAGED_BY: MANAGER}
    if service["spec"].get("clusterIP") == "None":
        labels["service.kubernetes.io/headless"] = ""
    named = {"name": found.name} if found.name else {}
    ports = [{"name": name, "port": number, "protocol": protocol} for name, number, protocol in found.ports]
    return {
        "metadata": {
            **named,
            "generateName": f"{meta['name']}-",
            "namespace": meta["namespace"],
            "labels": labels,
            "ownerReferences": [controller_reference(service)],
        },
        "addressType": "IPv4",
        "endpoints": list(found.endpoints.values()) or None,
        "ports": ports if found.endpoints else None,
    }
