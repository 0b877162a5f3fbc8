"""Objects from files: manifests, and snapshots as `kubectl get mddeploy,mdrs,md,pods,deploy,rs -o yaml` writes them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import yaml

from moduledeploy.api import names
from moduledeploy.cli.access.exits import CliError, Exit
from moduledeploy.cli.reading.cluster import READ, empty_stores, fill, stores_with
from moduledeploy.cli.reading.kinds import ReadDeployment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moduledeploy.controllers.cluster import Stores


def read_objects(path: str) -> list[dict[str, Any]]:
    """Every object of a YAML or JSON file, `-` being standard input; lists are unfolded. Raises CliError."""
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"{path}: {error}", Exit.USAGE) from error
    try:
        documents = list(
            yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        )  # both are safe loaders
    except yaml.YAMLError as error:
        raise CliError(f"{path}: {error}", Exit.USAGE) from error
    return [found for document in documents for found in _unfold(document, path)]


def _unfold(document: object, path: str) -> Iterator[dict[str, Any]]:
    if document is None:
        return
    if not isinstance(document, dict) or not isinstance(document.get("kind"), str):
        raise CliError(f"{path}: not a Kubernetes object: it has no kind", Exit.USAGE)
    if document["kind"].endswith("List") and isinstance(document.get("items"), list):
        for item in document["items"]:
            yield from _unfold(item, path)
    else:
        yield document


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
    """The ModuleDeployments among them."""
    return [
        msgspec.convert(
            {**item, "metadata": {"namespace": namespace, **_dated(item.get("metadata") or {})}},
            ReadDeployment,
            strict=False,
        )
        for item in objects
        if item["kind"] == names.MODULE_DEPLOYMENT
    ]
