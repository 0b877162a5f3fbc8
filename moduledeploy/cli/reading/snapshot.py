"""A cluster from a snapshot file, as `kubectl get mddeploy,mdrs,md,pods,deploy,rs -o yaml` writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from moduledeploy.api import names
from moduledeploy.cli.access.exits import CliError, Exit
from moduledeploy.cli.reading.cluster import READ, empty_stores, fill, stores_with
from moduledeploy.cli.reading.kinds import ReadDeployment

if TYPE_CHECKING:
    from moduledeploy.controllers.cluster import Stores


def stores_of(objects: list[dict[str, Any]], namespace: str) -> Stores:
    """What a cluster with these objects holds; those without a namespace are in this one."""
    stores = empty_stores()
    for field, (resource, kind) in READ.items():
        items = [
            {**item, "metadata": {"namespace": namespace, **_dated(item["metadata"])}}
            for item in objects
            if item["kind"] == resource.kind and str(item.get("apiVersion")) == resource.api_version
        ]
        page = {"kind": f"{resource.kind}List", "metadata": {"resourceVersion": "0"}, "items": items}
        fill(stores[field], [msgspec.json.encode(page)], kind)
    return stores_with(stores)


def _dated(meta: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in meta.items() if value is not None}


def deployments_of(objects: list[dict[str, Any]], namespace: str) -> list[ReadDeployment]:
    """The ModuleDeployments among them. Raises CliError for one that is none."""
    return [_deployment(item, namespace) for item in objects if item["kind"] == names.MODULE_DEPLOYMENT]


def _deployment(item: dict[str, Any], namespace: str) -> ReadDeployment:
    meta = {"namespace": namespace, **_dated(item["metadata"])}
    try:
        return msgspec.convert({**item, "metadata": meta}, ReadDeployment, strict=False)
    except msgspec.ValidationError as error:
        raise CliError(f"ModuleDeployment {meta.get('name', '')}: {error}", Exit.USAGE) from error
