"""How traffic reaches a module: a Service that selects pods by a label for each module on them."""

from __future__ import annotations

from typing import Any, Final

import attrs

from moduledeploy.api import names
from moduledeploy.api.encode import metadata
from moduledeploy.api.spec import ServiceStrategy

LABEL_PREFIX: Final = f"module.{names.GROUP}/"
SERVICE_NAME_LABEL: Final = "kubernetes.io/service-name"  # on EndpointSlices, put there by their controller
_SERVICE_SUFFIX: Final = "-service"


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
    if not labels:
        return set()
    return {
        key.removeprefix(LABEL_PREFIX)
        for key, value in labels.items()
        if key.startswith(LABEL_PREFIX) and value == "true"
    }


def service_name(module_name: str) -> str:
    """Name of a module's Service."""
    return f"{module_name}{_SERVICE_SUFFIX}"


def module_of_service(name: str) -> str:
    """The module whose Service has that name."""
    return name.removesuffix(_SERVICE_SUFFIX)


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


def wanted_service(spec: dict[str, Any]) -> str | None:
    """Name of the Service that a ModuleDeployment's spec asks for; None without one, or where it can't be read."""
    inner: Any = spec
    for key in ("template", "spec", "module", "name"):
        inner = inner.get(key) if isinstance(inner, dict) else None
    return service_name(inner) if isinstance(inner, str) and traffic_of(spec).has_service else None


def service_ports(strategy: ServiceStrategy) -> list[dict[str, Any]]:
    """spec.ports of the Service."""
    return [{"name": "module", "port": strategy.port, "targetPort": strategy.target_port, "protocol": "TCP"}]


def service_labels(module_name: str) -> dict[str, str]:
    """Labels of a module's Service; they come to stand on its EndpointSlices too, by which those are found."""
    return {names.MODULE_NAME_LABEL: module_name, names.MANAGED_BY_LABEL: names.MANAGER}


def service_selector(module_name: str) -> dict[str, str]:
    """Which pods a module's Service selects."""
    return {pod_label(module_name): "true"}


def service_body(
    *, module_name: str, namespace: str, strategy: ServiceStrategy, owner: dict[str, Any]
) -> dict[str, Any]:
    """The Service of a module."""
    labels = service_labels(module_name)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(service_name(module_name), namespace, labels=labels, annotations={}, owner=owner),
        "spec": {
            "type": "ClusterIP",
            "selector": service_selector(module_name),
            "ports": service_ports(strategy),
        },
    }


def service_owner(name: str, uid: str) -> dict[str, Any]:
    """A ModuleDeployment as one of the owners of a Service; it controls it no more than the others."""
    return {"apiVersion": names.API_VERSION, "kind": names.MODULE_DEPLOYMENT, "name": name, "uid": uid}
