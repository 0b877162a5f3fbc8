"""`lint`: what the server would refuse, what is unwise, what changes for manifests of v1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from moduledeploy.cli.pictures.lint import FIELDS
from moduledeploy.cli.pictures.lint_v1 import v1_sizes
from tests.cli.conftest import MANIFESTS, Call
from tests.cli.objects import deployment

SOUND: dict[str, Any] = {"batchCount": 2, "needConfirm": True}


def linted(call: Call, folder: Path, item: dict[str, Any], *flags: str) -> tuple[int, set[tuple[str, str]]]:
    path = folder / "manifest.yaml"
    path.write_text(yaml.safe_dump(item))
    said = call("lint", "-f", str(path), "-o", "json", *flags)
    return said.status, {(found["level"], found["field"]) for found in said.document["items"]}


def test_a_sound_manifest_has_no_findings(call: Call, tmp_path: Path) -> None:
    assert linted(call, tmp_path, deployment(operationStrategy=SOUND)) == (0, set())


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"replicas": -2}, "spec.replicas"),
        ({"maxUnavailable": "200%"}, "spec.maxUnavailable"),
        ({"operationStrategy": {"useBeta": True}}, "spec.operationStrategy.useBeta"),
        ({"operationStrategy": {"upgradePolicy": "later"}}, "spec.operationStrategy.upgradePolicy"),
        ({"minReadySeconds": 600}, "spec.progressDeadlineSeconds"),
        ({"baseDeploymentName": ""}, "spec.baseDeploymentName"),
        ({"replica": 3}, "spec.replica"),
        ({"operationStrategy": {"batches": 3}}, "spec.operationStrategy.batches"),
    ],
)
def test_what_will_be_refused_is_an_error(call: Call, tmp_path: Path, spec: dict[str, Any], field: str) -> None:
    item = deployment()
    item["spec"].update(spec)

    status, found = linted(call, tmp_path, item)

    assert status == 1
    assert ("refused", field) in found


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"pause": False, "operationStrategy": SOUND}, "spec.pause"),
        ({"maxUnavailable": "100%", "operationStrategy": SOUND}, "spec.maxUnavailable"),
        ({"maxUnavailable": 4, "operationStrategy": SOUND}, "spec.maxUnavailable"),
        ({}, "spec.operationStrategy.batchCount"),
        ({"operationStrategy": {"batchCount": 2}}, "spec.operationStrategy.needConfirm"),
        ({"scaledReplicas": 3, "operationStrategy": SOUND}, "spec.scaledReplicas"),
        ({"confirmBatchNum": 3, "operationStrategy": SOUND}, "spec.confirmBatchNum"),
        ({"operationStrategy": {**SOUND, "drainSeconds": 3}}, "spec.operationStrategy.drainSeconds"),
        ({"operationStrategy": {**SOUND, "failureThreshold": 4}}, "spec.operationStrategy.failureThreshold"),
    ],
)
def test_what_is_unwise_is_said_and_is_no_error(call: Call, tmp_path: Path, spec: dict[str, Any], field: str) -> None:
    item = deployment()
    item["spec"].update(spec)

    assert linted(call, tmp_path, item) == (0, {("unwise", field)})


def test_for_v1_every_field_that_takes_effect_now_is_named(call: Call, tmp_path: Path) -> None:
    strategy = {**SOUND, "grayTimeBetweenBatchSeconds": 30, "upgradePolicy": "installThenUninstall", "batchCount": 4}
    item = deployment(replicas=6, maxUnavailable=1, progressDeadlineSeconds=300, operationStrategy=strategy)

    status, found = linted(call, tmp_path, item, "--from-v1")

    assert status == 0
    assert {field.removeprefix("spec.") for level, field in found if level == "changes"} == {
        "maxUnavailable",
        "progressDeadlineSeconds",
        "replicas",
        "template.spec.module.url",
        "operationStrategy.batchCount",
        "operationStrategy.grayTimeBetweenBatchSeconds",
        "operationStrategy.needConfirm",
        "operationStrategy.upgradePolicy",
    }


@pytest.mark.parametrize(("replicas", "count", "sizes"), [(10, 4, (3, 3, 3, 1)), (6, 4, (2, 2, 2, 0)), (3, 0, (3,))])
def test_the_sizes_of_v1_are_those_that_it_planned(replicas: int, count: int, sizes: tuple[int, ...]) -> None:
    assert v1_sizes(replicas, count) == sizes


def test_the_known_fields_are_those_of_the_schema() -> None:
    crd = yaml.safe_load((MANIFESTS / "crd" / "moduledeployments.yaml").read_text())
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]

    found = {}
    for path in FIELDS:
        node = schema
        for name in path.split("."):
            node = node["properties"][name]
        found[path] = frozenset(node["properties"])

    assert found == FIELDS


def test_all_samples_are_accepted(call: Call) -> None:
    for path in sorted((MANIFESTS / "samples").glob("*.yaml")):
        assert call("lint", "-f", str(path)).status == 0, path


def test_a_file_that_is_not_there_is_one_line(call: Call) -> None:
    said = call("lint", "-f", "/nowhere.yaml")

    assert said.status == 2
    assert said.err.count("\n") == 1
