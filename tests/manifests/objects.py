"""Good objects to begin from, and the change that makes another one of them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Final

MANIFESTS: Final = Path(__file__).parents[2] / "manifests"
API_VERSION: Final = "koupleless.alipay.com/v1alpha1"
PLURALS: Final = {
    "ModuleDeployment": "moduledeployments",
    "ModuleReplicaSet": "modulereplicasets",
    "Module": "modules",
}

_MODULE: Final = {"name": "orders", "version": "1.0.0", "url": "https://repo.example.com/orders-1.0.0-ark-biz.jar"}
_TEMPLATE: Final = {"spec": {"module": _MODULE}}
_SPECS: Final[dict[str, dict[str, Any]]] = {
    "ModuleDeployment": {"baseDeploymentName": "base", "replicas": 3, "template": _TEMPLATE},
    "ModuleReplicaSet": {"baseDeploymentName": "base", "replicas": 3, "template": _TEMPLATE},
    "Module": {"module": _MODULE, "base": {"name": "base-1", "uid": "11111111-2222-3333-4444-555555555555"}},
}


def good(kind: str, name: str = "orders") -> dict[str, Any]:
    """An object of the kind that every server accepts."""
    spec = copy.deepcopy(_SPECS[kind])
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


def merged(value: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """The value after a JSON merge patch (RFC 7396); neither argument is changed."""
    result = dict(value)
    for key, item in change.items():
        below = result.get(key)
        if item is None:
            result.pop(key, None)
        elif isinstance(item, dict):
            result[key] = merged(below if isinstance(below, dict) else {}, item)
        else:
            result[key] = item
    return result


def module(**fields: object) -> dict[str, Any]:
    """The change of a template's module."""
    return {"template": {"spec": {"module": fields}}}


def strategy(**fields: object) -> dict[str, Any]:
    """The change of spec.operationStrategy."""
    return {"operationStrategy": fields}


def service(name: str | None = None, **fields: object) -> dict[str, Any]:
    """The change that asks for the module's Service, of a module by that name."""
    asked = strategy(serviceStrategy={"enableModuleService": True, "port": 8080} | fields)
    return asked if name is None else asked | module(name=name)
