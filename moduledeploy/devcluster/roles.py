"""Rules of roles and their bindings.

Follows pkg/apis/rbac/v1/defaults.go and pkg/apis/rbac/validation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from moduledeploy.devcluster.errors import INVALID, NOT_SUPPORTED, REQUIRED, FieldError
from moduledeploy.devcluster.names import subdomain_problem
from moduledeploy.devcluster.rbac import RBAC_GROUP

if TYPE_CHECKING:
    from moduledeploy.devcluster.storage import Object


def role_problems(obj: Object) -> list[FieldError]:
    """What a Role or ClusterRole can't be."""
    problems = []
    for index, rule in enumerate(obj.get("rules") or []):
        where = f"rules[{index}]"
        if not rule.get("verbs"):
            problems.append(FieldError(REQUIRED, f"{where}.verbs", None, "verbs must contain at least one value"))
        if rule.get("nonResourceURLs"):
            if obj["kind"] == "Role":
                detail = "namespaced rules cannot apply to non-resource URLs"
                problems.append(FieldError(INVALID, f"{where}.nonResourceURLs", rule["nonResourceURLs"], detail))
            elif rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
                detail = "rules cannot apply to both regular resources and non-resource URLs"
                problems.append(FieldError(INVALID, f"{where}.nonResourceURLs", rule["nonResourceURLs"], detail))
            continue
        if not rule.get("apiGroups"):
            problems.append(
                FieldError(REQUIRED, f"{where}.apiGroups", None, "resource rules must supply at least one api group")
            )
        if not rule.get("resources"):
            problems.append(
                FieldError(REQUIRED, f"{where}.resources", None, "resource rules must supply at least one resource")
            )
    return problems


def binding_problems(obj: Object) -> list[FieldError]:
    """What a binding can't be."""
    problems = []
    kinds = ("ClusterRole", "Role") if obj["kind"] == "RoleBinding" else ("ClusterRole",)
    if obj["roleRef"].get("kind") not in kinds:
        detail = "supported values: " + ", ".join(f'"{kind}"' for kind in kinds)
        problems.append(FieldError(NOT_SUPPORTED, "roleRef.kind", obj["roleRef"].get("kind"), detail))
    if obj["roleRef"].get("apiGroup") != RBAC_GROUP:
        detail = f'supported values: "{RBAC_GROUP}"'
        problems.append(FieldError(NOT_SUPPORTED, "roleRef.apiGroup", obj["roleRef"].get("apiGroup"), detail))
    if not obj["roleRef"].get("name"):
        problems.append(FieldError(REQUIRED, "roleRef.name"))
    for index, subject in enumerate(obj.get("subjects") or []):
        where = f"subjects[{index}]"
        if subject.get("kind") not in ("Group", "ServiceAccount", "User"):
            detail = 'supported values: "Group", "ServiceAccount", "User"'
            problems.append(FieldError(NOT_SUPPORTED, f"{where}.kind", subject.get("kind"), detail))
        group = RBAC_GROUP if subject.get("kind") in ("User", "Group") else ""
        if subject.get("apiGroup", "") != group and subject.get("kind") in ("Group", "ServiceAccount", "User"):
            detail = f'supported values: "{group}"'
            problems.append(FieldError(NOT_SUPPORTED, f"{where}.apiGroup", subject["apiGroup"], detail))
        if subject.get("kind") == "ServiceAccount" and (problem := subdomain_problem(subject.get("name") or "a")):
            problems.append(FieldError(INVALID, f"{where}.name", subject["name"], problem))
        if not subject.get("name"):
            problems.append(FieldError(REQUIRED, f"{where}.name"))
        if (
            subject.get("kind") == "ServiceAccount"
            and not subject.get("namespace")
            and obj["kind"] == "ClusterRoleBinding"
        ):
            problems.append(FieldError(REQUIRED, f"{where}.namespace"))
    return problems


def binding_changes(new: Object, old: Object) -> list[FieldError]:
    """A binding's role stays."""
    if new.get("roleRef") == old.get("roleRef"):
        return []
    return [FieldError(INVALID, "roleRef", new.get("roleRef"), "cannot change roleRef")]


def default_binding(obj: Object) -> None:
    """The API group of the role and of users and groups."""
    obj["roleRef"]["apiGroup"] = obj["roleRef"].get("apiGroup") or RBAC_GROUP
    for subject in obj.get("subjects") or []:
        if subject.get("kind") in ("User", "Group"):
            subject.setdefault("apiGroup", RBAC_GROUP)
