"""Rules of Deployments, ReplicaSets and disruption budgets.

Follows pkg/apis/apps/v1/defaults.go and pkg/apis/apps/validation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from moduledeploy.devcluster.errors import FORBIDDEN, INVALID, NOT_SUPPORTED, REQUIRED, FieldError
from moduledeploy.devcluster.objectmeta import label_problems
from moduledeploy.devcluster.pods import default_pod_spec, pod_spec_problems
from moduledeploy.devcluster.selectors import matches_label_selector

if TYPE_CHECKING:
    from moduledeploy.devcluster.storage import Object

_OPERATORS: Final = ("In", "NotIn", "Exists", "DoesNotExist")
_NO_MATCH: Final = "`selector` does not match template `labels`"
_PERCENT: Final = "must be an integer or percentage (e.g '5%%')"


def default_deployment(obj: Object) -> None:
    """One replica, rolled by quarters, ten old ReplicaSets, ten minutes for progress."""
    spec = obj["spec"]
    spec.setdefault("replicas", 1)
    strategy = spec["strategy"]
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    default_pod_spec(spec["template"]["spec"])


def default_replica_set(obj: Object) -> None:
    """One replica."""
    spec = obj["spec"]
    spec.setdefault("replicas", 1)
    default_pod_spec(spec["template"]["spec"])


def selector_problems(selector: Object, path: str) -> list[FieldError]:
    """What a label selector can't be."""
    problems = label_problems(selector.get("matchLabels") or {}, f"{path}.matchLabels")
    for index, requirement in enumerate(selector.get("matchExpressions") or []):
        where = f"{path}.matchExpressions[{index}]"
        operator, values = requirement.get("operator"), requirement.get("values")
        if operator not in _OPERATORS:
            problems.append(FieldError(INVALID, f"{where}.operator", operator, "not a valid selector operator"))
        elif operator in ("In", "NotIn") and not values:
            problems.append(
                FieldError(REQUIRED, f"{where}.values", None, "must be specified when `operator` is 'In' or 'NotIn'")
            )
        elif operator in ("Exists", "DoesNotExist") and values:
            problems.append(FieldError(FORBIDDEN, f"{where}.values", None, "may not be specified for this operator"))
    return problems


def _replicas_problems(spec: Object) -> list[FieldError]:
    return [
        FieldError(INVALID, f"spec.{field}", spec[field], "must be greater than or equal to 0")
        for field in ("replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds")
        if spec.get(field, 0) < 0
    ]


def workload_problems(obj: Object) -> list[FieldError]:
    """What a Deployment or ReplicaSet can't be."""
    spec = obj["spec"]
    problems = _replicas_problems(spec)
    selector = spec.get("selector") or {}
    template = spec.get("template") or {"metadata": {}, "spec": {"containers": []}}
    labels = template["metadata"].get("labels") or {}
    if "selector" not in spec:
        problems.append(FieldError(REQUIRED, "spec.selector"))
        problems.append(FieldError(INVALID, "spec.template.metadata.labels", labels, _NO_MATCH))
    elif not selector.get("matchLabels") and not selector.get("matchExpressions"):
        problems.append(FieldError(INVALID, "spec.selector", selector, "empty selector is invalid for deployment"))
    else:
        wrong = selector_problems(selector, "spec.selector")
        problems += wrong
        if wrong:
            problems.append(FieldError(INVALID, "spec.selector", selector, "invalid label selector"))
        elif not matches_label_selector(selector, labels):
            problems.append(FieldError(INVALID, "spec.template.metadata.labels", labels, _NO_MATCH))
    problems += label_problems(labels, "spec.template.labels")
    problems += pod_spec_problems(template["spec"], "spec.template.spec")
    if template["spec"].get("restartPolicy", "Always") != "Always":
        detail = 'supported values: "Always"'
        problems.append(
            FieldError(NOT_SUPPORTED, "spec.template.spec.restartPolicy", template["spec"]["restartPolicy"], detail)
        )
    return problems


def deployment_problems(obj: Object) -> list[FieldError]:
    """What a Deployment can't be."""
    spec = obj["spec"]
    problems = workload_problems(obj)
    if spec.get("progressDeadlineSeconds", 600) <= spec.get("minReadySeconds", 0):
        detail = "must be greater than minReadySeconds"
        problems.append(
            FieldError(INVALID, "spec.progressDeadlineSeconds", spec.get("progressDeadlineSeconds"), detail)
        )
    strategy = spec["strategy"]
    if strategy["type"] not in ("Recreate", "RollingUpdate"):
        detail = 'supported values: "Recreate", "RollingUpdate"'
        problems.append(FieldError(NOT_SUPPORTED, "spec.strategy", strategy, detail))
    elif strategy["type"] == "Recreate" and "rollingUpdate" in strategy:
        detail = "may not be specified when strategy `type` is 'Recreate'"
        problems.append(FieldError(FORBIDDEN, "spec.strategy.rollingUpdate", None, detail))
    elif strategy["type"] == "RollingUpdate":
        rolling = strategy["rollingUpdate"]
        for field in ("maxUnavailable", "maxSurge"):
            problems += _share_problems(rolling.get(field, 0), f"spec.strategy.rollingUpdate.{field}")
        most = str(rolling.get("maxUnavailable", ""))
        if most.endswith("%") and most[:-1].isdigit() and int(most[:-1]) > 100:
            where = "spec.strategy.rollingUpdate.maxUnavailable"
            problems.append(FieldError(INVALID, where, most, "must not be greater than 100%"))
        if str(rolling.get("maxUnavailable")) in ("0", "0%") and str(rolling.get("maxSurge")) in ("0", "0%"):
            detail = "may not be 0 when `maxSurge` is 0"
            problems.append(
                FieldError(INVALID, "spec.strategy.rollingUpdate.maxUnavailable", rolling["maxUnavailable"], detail)
            )
    return problems


def _share_problems(value: Any, path: str) -> list[FieldError]:
    if isinstance(value, int):
        return [FieldError(INVALID, path, value, "must be greater than or equal to 0")] if value < 0 else []
    number = value.removesuffix("%")
    if number == value or not number.isdigit():
        return [FieldError(INVALID, path, value, _PERCENT)]
    return []


def selector_changes(new: Object, old: Object) -> list[FieldError]:
    """The selector stays."""
    if new["spec"].get("selector") == old["spec"].get("selector"):
        return []
    return [FieldError(INVALID, "spec.selector", new["spec"].get("selector"), "field is immutable")]


def budget_problems(obj: Object) -> list[FieldError]:
    """A disruption budget says either of its two limits."""
    spec = obj["spec"]
    if "minAvailable" in spec and "maxUnavailable" in spec:
        detail = "minAvailable and maxUnavailable cannot be both set"
        return [FieldError(INVALID, "spec", spec, detail)]
    problems = [
        FieldError(INVALID, f"spec.{field}", spec[field], "must be a number from 0 on or a percentage up to 100%")
        for field in ("minAvailable", "maxUnavailable")
        if field in spec and not _is_share(spec[field])
    ]
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in ("AlwaysAllow", "IfHealthyBudget"):
        detail = 'supported values: "AlwaysAllow", "IfHealthyBudget"'
        problems.append(FieldError(NOT_SUPPORTED, "spec.unhealthyPodEvictionPolicy", policy, detail))
    return problems + label_problems((spec.get("selector") or {}).get("matchLabels") or {}, "spec.selector.matchLabels")


def _is_share(value: int | str) -> bool:
    if isinstance(value, int):
        return value >= 0
    return value.endswith("%") and value[:-1].isdigit() and int(value[:-1]) <= 100
