"""Authorization by the Roles and ClusterRoles that the server holds.

Follows plugin/pkg/auth/authorizer/rbac.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from moduledeploy.devcluster.errors import forbidden
from moduledeploy.devcluster.identity import MASTERS, User
from moduledeploy.devcluster.selectors import matches_label_selector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moduledeploy.devcluster.storage import Object, Store

RBAC_GROUP: Final = "rbac.authorization.k8s.io"


@attrs.frozen(kw_only=True)
class Access:
    """One question: may this be done; either to a resource or to a path."""

    verb: str
    group: str = ""
    plural: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def is_path(self) -> bool:
        """Whether it is about a URL that is no resource."""
        return not self.plural

    @property
    def resource(self) -> str:
        """As rules name it: `pods/status`."""
        return f"{self.plural}/{self.subresource}" if self.subresource else self.plural


@attrs.frozen
class Authorizer:
    """Answers by what the store holds at the moment."""

    store: Store

    def allows(self, user: User, access: Access) -> bool:
        """Whether any rule that applies to the user grants it."""
        if MASTERS in user.groups:
            return True
        return any(_grants(rule, access) for rule in self.rules(user, access.namespace))

    def check_escalation(self, user: User, kind: str, namespace: str, obj: Object) -> None:
        """Nobody gives what he hasn't, unless he may escalate or bind; raises ApiError 403."""
        plural = f"{kind.lower()}s"
        name = obj.get("metadata", {}).get("name", "")
        if kind in ("Role", "ClusterRole"):
            verb, rules, target = "escalate", obj.get("rules") or [], (plural, name)
        else:
            reference = obj.get("roleRef") or {}
            target = (f"{reference.get('kind', '').lower()}s", reference.get("name", ""))
            whole = reference.get("kind") and reference.get("name")
            verb, rules = "bind", self._of(reference, namespace) if whole else []
        if self.allows(
            user, Access(verb=verb, group=RBAC_GROUP, plural=target[0], namespace=namespace, name=target[1])
        ):
            return
        if not all(self._covers(user, namespace, rule) for rule in rules):
            why = f'user "{user.name}" is attempting to grant RBAC permissions not currently held'
            raise forbidden(plural, RBAC_GROUP, name, why)

    def _covers(self, user: User, namespace: str, rule: Object) -> bool:
        verbs = rule.get("verbs") or []
        paths = [Access(verb=verb, path=path) for verb in verbs for path in rule.get("nonResourceURLs") or []]
        resources = [
            Access(verb=verb, group=group, plural=plural.partition("/")[0], subresource=plural.partition("/")[2],
                   namespace=namespace, name=name)
            for verb in verbs for group in rule.get("apiGroups") or [] for plural in rule.get("resources") or []
            for name in rule.get("resourceNames") or [""]
        ]  # fmt: skip
        return all(self.allows(user, access) for access in paths + resources)

    def rules(self, user: User, namespace: str) -> Iterator[Object]:
        """The rules that apply to a user in a namespace, those of ClusterRoleBindings included."""
        if {"system:authenticated", "system:unauthenticated"} & {*user.groups}:
            yield _PUBLIC
        if "system:authenticated" in user.groups:
            yield from _KNOWN_USERS
        for record in self.store.open(f"clusterrolebindings.{RBAC_GROUP}").in_order():
            if _binds(record.obj, user, ""):
                yield from self._of(record.obj["roleRef"], "")
        if namespace:
            for record in self.store.open(f"rolebindings.{RBAC_GROUP}").in_order(namespace):
                if _binds(record.obj, user, namespace):
                    yield from self._of(record.obj["roleRef"], namespace)

    def _of(self, ref: Object, namespace: str) -> list[Object]:
        if ref["kind"] == "Role":
            record = self.store.get(f"roles.{RBAC_GROUP}", (namespace, ref["name"]))
            return list(record.obj.get("rules") or []) if record else []
        record = self.store.get(f"clusterroles.{RBAC_GROUP}", ("", ref["name"]))
        if record is None:
            return []
        aggregation = record.obj.get("aggregationRule")
        if not aggregation:
            return list(record.obj.get("rules") or [])
        return [
            rule
            for other in self.store.open(f"clusterroles.{RBAC_GROUP}").in_order()
            if any(
                matches_label_selector(selector, other.obj["metadata"].get("labels") or {})
                for selector in aggregation.get("clusterRoleSelectors") or []
            )
            for rule in other.obj.get("rules") or []
        ]


# The roles that every cluster begins with: system:public-info-viewer, then system:discovery and system:basic-user.
_PUBLIC: Object = {"verbs": ["get"], "nonResourceURLs": ["/healthz", "/livez", "/readyz", "/version", "/version/"]}
_KNOWN_USERS: tuple[Object, ...] = (
    {"verbs": ["get"], "nonResourceURLs": ["/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*"]},
    {
        "verbs": ["create"],
        "apiGroups": ["authorization.k8s.io"],
        "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
    },
    {"verbs": ["create"], "apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"]},
)  # fmt: skip


def _binds(binding: Object, user: User, namespace: str) -> bool:
    for subject in binding.get("subjects") or []:
        match subject["kind"]:
            case "User" if subject["name"] == user.name:
                return True
            case "Group" if subject["name"] in user.groups:
                return True
            case "ServiceAccount":
                where = subject.get("namespace") or namespace
                if user.name == f"system:serviceaccount:{where}:{subject['name']}":
                    return True
    return False


def _grants(rule: Object, access: Access) -> bool:
    verbs = rule.get("verbs") or []
    if "*" not in verbs and access.verb not in verbs:
        return False
    if access.is_path:
        return any(_covers(pattern, access.path) for pattern in rule.get("nonResourceURLs") or [])
    groups, resources, names = rule.get("apiGroups") or [], rule.get("resources") or [], rule.get("resourceNames") or []
    if "*" not in groups and access.group not in groups:
        return False
    wanted = {"*", access.resource}
    if access.subresource:
        wanted.add(f"*/{access.subresource}")
    if not wanted & set(resources):
        return False
    return not names or access.name in names


def _covers(pattern: str, path: str) -> bool:
    return pattern in ("*", path) or (pattern.endswith("*") and path.startswith(pattern[:-1]))
