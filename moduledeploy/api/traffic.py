"""How traffic reaches a module: a Service that selects pods by a label for each module on them."""

from __future__ import annotations

from typing import Any, Final

import attrs

from moduledeploy.api import names
from moduledeploy.api.encode import metadata
from moduledeploy.api.spec import ServiceStrategy

LABEL_PREFIX: Final = f"module.{names.GROUP}/"
SERVICE_NAME_LABEL: Final = "kubernetes.io/service-name"  # on EndpointSlices, put there by their controller


@attrs.frozen(kw_only=True)
class Traffic:
    """What a family asks for: a Service or none, and how long to wait once no endpoint is left."""

    has_service: bool = False
    drain_s: int = 0


def pod_label(module_name: str) -> str:
    """The label that stands on a pod while a version of the module is available there."""
    return f"{LABEL_PREFIX}{module_name}"


def labelled_modules(labels: dict[str, str] | None) -> set[str]:
    """Module names for which a pod's labels ask for traffic."""
    return {key.removeprefix(LABEL_PREFIX) for key in labels or () if key.startswith(LABEL_PREFIX)}


def service_name(module_name: str) -> str:
    """Name of a module's Service."""
    return f"{module_name}-service"


def traffic_of(spec: dict[str, Any]) -> Traffic:
    """What a ModuleDeployment's spec says of traffic; of a spec that can't be read as much as can."""
    operation = spec.get("operationStrategy")
    operation = operation if isinstance(operation, dict) else {}
    service = operation.get("serviceStrategy")
    drain = operation.get("drainSeconds")
    return Traffic(
        has_service=isinstance(service, dict) and service.get("enableModuleService") is True,
        drain_s=drain if isinstance(drain, int) and not isinstance(drain, bool) and drain > 0 else 0,
    )


def service_ports(strategy: ServiceStrategy) -> list[dict[str, Any]]:
    """spec.ports of the Service."""
    return [{"name": "module", "port": strategy.port, "targetPort": strategy.target_port, "protocol": "TCP"}]


def service_body(
    *, module_name: str, namespace: str, strategy: ServiceStrategy, owner: dict[str, Any]
) -> dict[str, Any]:
    """The Service of a module; its labels come to stand on its EndpointSlices too, by which those are found."""
    labels = {names.MODULE_NAME_LABEL: module_name, names.MANAGED_BY_LABEL: names.MANAGER}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(service_name(module_name), namespace, labels=labels, annotations={}, owner=owner),
        "spec": {
            "type": "ClusterIP",
            "selector": {pod_label(module_name): "true"},
            "ports": service_ports(strategy),
        },
    }


def service_owner(name: str, uid: str) -> dict[str, Any]:
    """A ModuleDeployment as one of the owners of a Service; it controls it no more than the others."""
    return {"apiVersion": names.API_VERSION, "kind": names.MODULE_DEPLOYMENT, "name": name, "uid": uid}
