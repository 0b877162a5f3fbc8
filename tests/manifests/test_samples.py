"""The samples are what a reader learns from: each is accepted, in the order of the story they tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from moduledeploy.api.decode import decode_deployment_spec
from moduledeploy.api.names import CAP_LABEL
from tests.manifests.objects import MANIFESTS

if TYPE_CHECKING:
    from tests.manifests.api import Api

SAMPLES = MANIFESTS / "samples"
ORDERS = ["orders-v1", "orders-v2", "orders-broken"]
DEPLOYMENTS = [*ORDERS, "audit-peer"]


def sample(name: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((SAMPLES / f"{name}.yaml").read_text())
    return read


def test_there_are_no_others():
    assert {file.stem for file in SAMPLES.iterdir()} == {"base", *DEPLOYMENTS}


@pytest.mark.parametrize("name", ["base", *DEPLOYMENTS])
def test_a_sample_goes_to_whatever_namespace_it_is_applied_in(name: str):
    assert "namespace" not in sample(name)["metadata"]


def test_the_bases_are_capped_and_show_the_port_of_arklet():
    template = sample("base")["spec"]["template"]

    assert template["metadata"]["labels"][CAP_LABEL] == "5"
    assert {"name": "arklet", "containerPort": 1238} in template["spec"]["containers"][0]["ports"]


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_sample_is_understood(name: str):
    spec = decode_deployment_spec(sample(name)["spec"])

    assert spec.base_deployment == sample("base")["metadata"]["name"]


def test_one_module_deployment_goes_from_version_to_version(api: Api):
    answers = [api.create(sample(ORDERS[0]))] + [
        api.patch("ModuleDeployment", "orders", sample(name)) for name in ORDERS[1:]
    ]

    api.send("DELETE", api.path("ModuleDeployment", "orders"))
    assert [answer.code for answer in answers] == [201, 200, 200]


def test_a_peer_module_is_accepted(api: Api):
    answer = api.create(sample("audit-peer"))

    api.send("DELETE", api.path("ModuleDeployment", "audit"))
    assert answer.code == 201, answer.body
