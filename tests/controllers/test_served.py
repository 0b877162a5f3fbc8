"""CRDs that would not keep what the controller writes are found before it writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import moduledeploy
from moduledeploy.controllers.preflight import StartError
from moduledeploy.controllers.served import STATUS_FIELDS
from moduledeploy.devcluster.cluster import DevCluster
from moduledeploy.kube.credentials import Credentials
from tests.controllers.starting import check

CRDS = sorted((Path(moduledeploy.__file__).parent.parent / "manifests" / "crd").glob("module*.yaml"))


def crds() -> list[dict[str, Any]]:
    return [yaml.safe_load(path.read_text()) for path in CRDS]


def status_of(crd: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    return found


def paths(schema: dict[str, Any], above: str = "") -> Iterator[str]:
    for name, below in schema.get("properties", {}).items():
        yield above + name
        yield from paths(below, f"{above}{name}.")


async def start_with(change: Callable[[dict[str, Any]], object]) -> None:
    """Start on a cluster whose CRDs were changed."""
    async with DevCluster(controllers=False) as cluster:
        for crd in crds():
            change(crd)
            cluster.api.create("customresourcedefinitions.apiextensions.k8s.io", crd)
        await check(Credentials(host=cluster.url))


def test_what_is_looked_for_is_what_our_crds_have() -> None:
    found = {crd["spec"]["names"]["plural"]: set(paths(status_of(crd))) for crd in crds()}

    assert {resource.plural: set(fields) for resource, fields in STATUS_FIELDS.items()} == found


async def test_our_own_crds_keep_everything() -> None:
    await start_with(lambda crd: None)


async def test_crds_that_take_any_field_keep_everything() -> None:
    def open_up(crd: dict[str, Any]) -> None:
        status = status_of(crd)
        status.clear()
        status.update({"type": "object", "x-kubernetes-preserve-unknown-fields": True})

    await start_with(open_up)


async def test_an_older_crd_is_named_with_the_fields_that_it_would_drop() -> None:
    def age(crd: dict[str, Any]) -> None:
        if crd["spec"]["names"]["plural"] == "moduledeployments":
            del status_of(crd)["properties"]["message"]
            del status_of(crd)["properties"]["releaseStatus"]["properties"]["batches"]

    with pytest.raises(StartError) as caught:
        await start_with(age)

    assert str(caught.value) == (
        "moduledeployments.koupleless.alipay.com lacks status.message, status.releaseStatus.batches: the CRDs are of another"
        " version than this controller; apply its own first (kubectl apply -f manifests/crd)"
    )


async def test_a_crd_without_the_status_subresource_is_named() -> None:
    with pytest.raises(StartError, match=r"^modules.koupleless.alipay.com lacks the subresource status: "):
        await start_with(
            lambda crd: (
                crd["spec"]["names"]["plural"] == "modules" and crd["spec"]["versions"][0]["subresources"].pop("status")
            )
        )
