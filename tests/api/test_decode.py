"""What people write, read with aliases folded and errors that name the field, its value and what is allowed."""

from __future__ import annotations

from typing import Any

import pytest

from moduledeploy.api.decode import decode_deployment_spec, decode_replica_set_spec
from moduledeploy.api.fields import DecodeError
from moduledeploy.api.spec import OnFailure, Percent, SchedulingPolicy, ServiceStrategy, UpgradePolicy

MODULE = {"name": "orders", "version": "1.0.0", "url": "https://host/orders.jar"}


def spec(
    *, operation: dict[str, Any] | None = None, module: dict[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    made: dict[str, Any] = {
        "baseDeploymentName": "base",
        "template": {"spec": {"module": {**MODULE, **(module or {})}}},
    }
    if operation is not None:
        made["operationStrategy"] = operation
    return {**made, **fields}


def test_what_is_not_said_has_the_documented_default():
    made = decode_deployment_spec(spec())

    assert (made.replicas, made.pause, made.max_unavailable) == (1, None, Percent(25))
    assert (made.min_ready_s, made.progress_deadline_s, made.revision_history_limit) == (0, 600, 10)
    assert made.confirm_batch_num is None
    assert made.scheduling is SchedulingPolicy.SCATTER
    assert made.strategy.upgrade_policy is UpgradePolicy.INSTALL_THEN_UNINSTALL
    assert (made.strategy.batch_count, made.strategy.use_beta, made.strategy.need_confirm) == (1, False, False)
    assert made.strategy.on_failure is OnFailure.PAUSE


@pytest.mark.parametrize(
    ("given", "attribute", "meant"),
    [
        ({"grayTime": 5}, "gray_time_s", 5),
        ({"grayTimeBetweenBatchSeconds": 5}, "gray_time_s", 5),
        ({"grayTime": 5, "grayTimeBetweenBatchSeconds": 5}, "gray_time_s", 5),
        ({"upgradePolicy": "installThenUninstall"}, "upgrade_policy", UpgradePolicy.INSTALL_THEN_UNINSTALL),
        ({"upgradePolicy": "uninstallThenInstall"}, "upgrade_policy", UpgradePolicy.UNINSTALL_THEN_INSTALL),
        ({"upgradePolicy": "scaleUpThenScaleDown"}, "upgrade_policy", UpgradePolicy.SCALEUP_THEN_SCALEDOWN),
        ({"batchCount": 2, "useBeta": True}, "use_beta", True),
        ({"onFailure": "rollback"}, "on_failure", OnFailure.ROLLBACK),
        ({"serviceStrategy": {"enableModuleService": True, "port": 80}}, "service", ServiceStrategy(80, 80)),
        (
            {"serviceStrategy": {"enableModuleService": True, "port": 80, "targetPort": "http"}},
            "service",
            ServiceStrategy(80, "http"),
        ),
        ({"serviceStrategy": {"enableModuleService": False, "port": 80}}, "service", None),
    ],
)
def test_every_spelling_of_a_strategy_means_the_same(given: dict[str, Any], attribute: str, meant: object):
    assert getattr(decode_deployment_spec(spec(operation=given)).strategy, attribute) == meant


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"maxUnavailable": 3}, 3),
        ({"maxUnavailable": "50%"}, Percent(50)),
        ({"operation": {"maxUnavailable": "10%"}}, Percent(10)),
        ({"maxUnavailable": 2, "operation": {"maxUnavailable": 2}}, 2),
    ],
)
def test_max_unavailable_is_read_from_either_place(given: dict[str, Any], meant: object):
    assert decode_deployment_spec(spec(**given)).max_unavailable == meant


@pytest.mark.parametrize("word", ["Stacking", "stacking"])
def test_scheduling_policies_are_read_in_both_spellings(word: str):
    made = decode_deployment_spec(spec(schedulingStrategy={"schedulingPolicy": word}))

    assert made.scheduling is SchedulingPolicy.STACKING


@pytest.mark.parametrize(
    ("given", "path", "allowed"),
    [
        ({"baseDeploymentName": ""}, "spec.baseDeploymentName", "isn't empty"),
        ({"replicas": -2}, "spec.replicas", "at least -1"),
        ({"replicas": "3"}, "spec.replicas", "whole number"),
        ({"replicas": True}, "spec.replicas", "whole number"),
        ({"pause": "yes"}, "spec.pause", "true or false"),
        ({"module": {"version": ""}}, "spec.template.spec.module.version", "isn't empty"),
        ({"module": {"version": "1 0"}}, "spec.template.spec.module.version", "label value"),
        ({"module": {"name": "-x"}}, "spec.template.spec.module.name", "label value"),
        ({"template": []}, "spec.template", "an object"),
        ({"maxUnavailable": "101%"}, "spec.maxUnavailable", "0% to 100%"),
        ({"maxUnavailable": -1}, "spec.maxUnavailable", "0% to 100%"),
        (
            {"maxUnavailable": 1, "operation": {"maxUnavailable": 2}},
            "spec.operationStrategy.maxUnavailable",
            "set one of them",
        ),
        ({"operation": {"batchCount": 0}}, "spec.operationStrategy.batchCount", "1 to 1000"),
        ({"operation": {"useBeta": True}}, "spec.operationStrategy.useBeta", "batchCount"),
        (
            {"operation": {"grayTime": 1, "grayTimeBetweenBatchSeconds": 2}},
            "spec.operationStrategy.grayTimeBetweenBatchSeconds",
            "set one",
        ),
        (
            {"operation": {"upgradePolicy": "fast"}},
            "spec.operationStrategy.upgradePolicy",
            "one of install_then_uninstall",
        ),
        (
            {"replicas": -1, "operation": {"upgradePolicy": "scaleup_then_scaledown"}},
            "spec.operationStrategy.upgradePolicy",
            "peer",
        ),
        (
            {"maxUnavailable": 0, "operation": {"upgradePolicy": "uninstall_then_install"}},
            "spec.maxUnavailable",
            "above 0",
        ),
        (
            {"operation": {"serviceStrategy": {"enableModuleService": True}}},
            "spec.operationStrategy.serviceStrategy.port",
            "port number",
        ),
        (
            {"module": {"name": "Orders"}, "operation": {"serviceStrategy": {"enableModuleService": True, "port": 80}}},
            "spec.template.spec.module.name",
            "DNS label",
        ),
    ],
)
def test_what_cannot_be_right_is_named_with_what_would_be(given: dict[str, Any], path: str, allowed: str):
    with pytest.raises(DecodeError) as error:
        decode_deployment_spec(spec(**given))

    assert error.value.path == path
    assert allowed in str(error.value)


def test_a_bare_replica_set_is_read_with_the_same_template():
    made = decode_replica_set_spec(spec(replicas=2))

    assert (made.replicas, made.base_deployment, made.template.module.identity) == (2, "base", "orders:1.0.0")
