"""What the API server makes of a spec, before any controller sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.manifests.cases import (
    DEPLOYMENT_CHANGES,
    DEPLOYMENTS_ACCEPTED,
    DEPLOYMENTS_REFUSED,
    MODULE_CHANGES,
    PUBLISHED,
    REPLICA_SET_CHANGES,
    TEMPLATES_REFUSED,
    Accepted,
    Change,
    Refused,
)
from tests.manifests.objects import good, merged, strategy

if TYPE_CHECKING:
    from tests.manifests.api import Api

REFUSED = [("ModuleDeployment", case) for case in DEPLOYMENTS_REFUSED] + [
    ("ModuleReplicaSet", case) for case in TEMPLATES_REFUSED
]
CHANGES = [
    *[("ModuleDeployment", case) for case in DEPLOYMENT_CHANGES],
    *[("ModuleReplicaSet", case) for case in REPLICA_SET_CHANGES],
    *[("Module", case) for case in MODULE_CHANGES],
]


def name_of(value: object) -> str:
    return value if isinstance(value, str) else getattr(value, "about", "")


@pytest.mark.parametrize(("kind", "case"), REFUSED, ids=name_of)
def test_what_can_not_be_right_is_refused_with_the_field_and_what_would_be(api: Api, kind: str, case: Refused):
    answer = api.create(merged(good(kind), {"spec": case.spec}))

    assert answer.code == 422, answer.body
    assert any(case.says in said for said in answer.causes.get(case.field, [])), answer.causes


@pytest.mark.parametrize("case", DEPLOYMENTS_ACCEPTED + PUBLISHED, ids=name_of)
def test_what_is_right_is_accepted_without_a_field_unknown(api: Api, case: Accepted):
    answer = api.create(merged(good("ModuleDeployment", "accepted"), {"spec": case.spec}))

    assert answer.code == 201, answer.body
    api.send("DELETE", api.path("ModuleDeployment", "accepted"))


@pytest.mark.parametrize(("kind", "case"), CHANGES, ids=name_of)
def test_a_change_is_allowed_or_refused_with_the_way_out(api: Api, kind: str, case: Change):
    api.create(merged(good(kind, "changed"), {"spec": case.before}))

    answer = api.patch(kind, "changed", {"spec": case.change})

    api.send("DELETE", api.path(kind, "changed"))
    assert answer.code == (422 if case.field else 200), answer.body
    assert any(case.says in said for said in answer.causes.get(case.field, [""])), answer.causes


@pytest.mark.parametrize(("kind", "longest"), [("ModuleDeployment", 52), ("ModuleReplicaSet", 63)])
def test_a_name_is_as_long_as_the_names_made_from_it_allow(api: Api, kind: str, longest: int):
    fitting, too_long = (api.create(good(kind, "n" * length)) for length in (longest, longest + 1))

    api.send("DELETE", api.path(kind, "n" * longest))
    assert fitting.code == 201, fitting.body
    assert too_long.code == 422
    assert f"metadata.name must be at most {longest} characters" in too_long.body["message"]


def test_the_server_supplies_the_defaults_of_fields_without_an_alias_and_no_others(api: Api):
    answer = api.create(merged(good("ModuleDeployment", "least"), {"spec": {"replicas": None}}))

    api.send("DELETE", api.path("ModuleDeployment", "least"))
    assert answer.body["spec"] == merged(
        good("ModuleDeployment")["spec"], {"replicas": 1, "progressDeadlineSeconds": 600, "revisionHistoryLimit": 10}
    )


def test_a_field_of_older_manifests_that_nobody_read_is_dropped(api: Api):
    old = {"schedulingStrategy": {"schedulingType": "Scatter"}} | strategy(upgradeType="x")

    answer = api.create(merged(good("ModuleDeployment", "older"), {"spec": old}), query="")

    api.send("DELETE", api.path("ModuleDeployment", "older"))
    assert answer.code == 201
    assert answer.body["spec"]["schedulingStrategy"] == {}
    assert answer.body["spec"]["operationStrategy"] == {}


def test_a_module_replica_set_of_its_own_can_be_on_every_base(api: Api):
    answer = api.create(merged(good("ModuleReplicaSet", "every"), {"spec": {"replicas": -1}}))

    api.send("DELETE", api.path("ModuleReplicaSet", "every"))
    assert answer.code == 201


@pytest.mark.parametrize("missing", ["module", "base"])
def test_a_module_needs_a_module_and_a_base(api: Api, missing: str):
    answer = api.create(merged(good("Module"), {"spec": {missing: None}}))

    assert answer.code == 422
    assert f"spec.{missing}" in answer.causes
