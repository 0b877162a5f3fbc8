"""Rules of nodes.

Follows pkg/apis/core/v1/defaults.go and validateNodeTaints of pkg/apis/core/validation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from moduledeploy.devcluster.container_rules import unsupported
from moduledeploy.devcluster.errors import DUPLICATE, INVALID, FieldError
from moduledeploy.devcluster.names import qualified_name_problem

if TYPE_CHECKING:
    from moduledeploy.devcluster.storage import Object

_EFFECTS: Final = ("NoExecute", "NoSchedule", "PreferNoSchedule")


def default_node(obj: Object) -> None:
    """What is there can be given away, where nothing else is said."""
    obj["metadata"].setdefault("labels", {})
    status = obj["status"]
    if status.get("capacity") and not status.get("allocatable"):
        status["allocatable"] = dict(status["capacity"])


def node_fields(obj: Object) -> dict[str, str]:
    """What nodes can be selected by."""
    return {"spec.unschedulable": "true" if obj.get("spec", {}).get("unschedulable") else "false"}


def taint_problems(obj: Object) -> list[FieldError]:
    """Taints that keep nothing away, or stand twice."""
    problems = []
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(obj["spec"].get("taints") or []):
        where, key, effect = f"metadata.taints[{index}]", taint.get("key", ""), taint.get("effect", "")
        if problem := qualified_name_problem(key):
            problems.append(FieldError(INVALID, f"{where}.key", key, problem))
        if effect not in _EFFECTS:
            problems.append(unsupported(f"{where}.effect", effect, _EFFECTS))
        if (key, effect) in seen:
            problems.append(FieldError(DUPLICATE, where, taint))
        seen.add((key, effect))
    return problems
