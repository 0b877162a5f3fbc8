"""The CRDs as texts: what people read in kubectl explain and kubectl get, and what keeps an object within bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from moduledeploy.api.names import GROUP, VERSION
from tests.manifests.objects import MANIFESTS, PLURALS

if TYPE_CHECKING:
    from collections.abc import Iterator

# Kubernetes' own fields: it describes and bounds them itself.
KUBERNETES = {".apiVersion", ".kind", ".metadata"}
COLUMNS = {
    "ModuleDeployment": "DESIRED UPDATED AVAILABLE BATCH PHASE VERSION AGE",
    "ModuleReplicaSet": "DESIRED CURRENT AVAILABLE REVISION VERSION AGE",
    "Module": "MODULE VERSION BASE STATUS REASON AGE",
}
SHORT_NAMES = {"ModuleDeployment": "mddeploy", "ModuleReplicaSet": "mdrs", "Module": "md"}


def crd(kind: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((MANIFESTS / "crd" / f"{PLURALS[kind]}.yaml").read_text())
    return read


def version(kind: str) -> dict[str, Any]:
    versions: list[dict[str, Any]] = crd(kind)["spec"]["versions"]
    (only,) = versions
    return only


def fields(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field below a schema with its path."""
    for name, field in schema.get("properties", {}).items():
        yield f"{path}.{name}", field
        yield from fields(field, f"{path}.{name}")
    for below in ("items", "additionalProperties"):
        if below in schema:
            yield f"{path}[]", schema[below]
            yield from fields(schema[below], f"{path}[]")


def our_fields(kind: str) -> list[tuple[str, dict[str, Any]]]:
    schema = version(kind)["schema"]["openAPIV3Schema"]
    return [(path, field) for path, field in fields(schema) if path not in KUBERNETES]


@pytest.mark.parametrize("kind", PLURALS)
def test_the_names_are_those_people_type(kind: str):
    definition = crd(kind)
    names = definition["spec"]["names"]

    assert definition["metadata"]["name"] == f"{PLURALS[kind]}.{GROUP}"
    assert (definition["spec"]["group"], version(kind)["name"]) == (GROUP, VERSION)
    assert definition["spec"]["scope"] == "Namespaced"
    assert (names["shortNames"], names["categories"]) == ([SHORT_NAMES[kind]], ["koupleless"])


@pytest.mark.parametrize("kind", PLURALS)
def test_kubectl_get_shows_the_columns_in_order(kind: str):
    shown = [
        column["name"].upper() for column in version(kind)["additionalPrinterColumns"] if not column.get("priority")
    ]

    assert " ".join(shown) == COLUMNS[kind]


@pytest.mark.parametrize("kind", PLURALS)
def test_every_field_says_what_it_means(kind: str):
    silent = [path for path, field in our_fields(kind) if not path.endswith("[]") and not field.get("description")]

    assert silent == []


@pytest.mark.parametrize("kind", PLURALS)
def test_every_text_list_and_map_has_a_bound(kind: str):
    def unbounded(field: dict[str, Any]) -> bool:
        if field.get("x-kubernetes-int-or-string"):
            return "maxLength" not in field
        match field.get("type"):
            case "string":
                return not field.keys() & {"maxLength", "enum", "format"}
            case "array":
                return "maxItems" not in field
            case _:
                return "additionalProperties" in field and "maxProperties" not in field

    assert [path for path, field in our_fields(kind) if unbounded(field)] == []


def test_a_field_with_an_alias_and_pause_have_no_default():
    with_default = {path for path, field in our_fields("ModuleDeployment") if "default" in field}

    assert with_default == {".spec.replicas", ".spec.progressDeadlineSeconds", ".spec.revisionHistoryLimit"}


@pytest.mark.parametrize("kind", PLURALS)
def test_every_rule_says_what_would_be_right(kind: str):
    schema = version(kind)["schema"]["openAPIV3Schema"]
    rules = [
        rule
        for field in (schema, *(f for _, f in our_fields(kind)))
        for rule in field.get("x-kubernetes-validations", [])
    ]

    assert rules
    assert [rule["rule"] for rule in rules if not rule.get("message")] == []
    assert [rule["rule"] for rule in rules if "messageExpression" in rule] == []
