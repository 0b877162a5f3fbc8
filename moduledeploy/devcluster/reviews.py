"""Reviews: questions that are asked by creating an object and answered in its status; nothing is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moduledeploy.devcluster.errors import INVALID, FieldError, invalid, not_found
from moduledeploy.devcluster.identity import AUDIENCE, Tokens, User
from moduledeploy.devcluster.objectmeta import timestamp
from moduledeploy.devcluster.rbac import Access, Authorizer

if TYPE_CHECKING:
    from moduledeploy.devcluster.resources import Resource
    from moduledeploy.devcluster.storage import Key, Object, Store


def answer(resource: Resource, obj: Object, user: User, authorizer: Authorizer, tokens: Tokens) -> Object:
    """The review with its status; raises ApiError 422 for a question that is none."""
    if not resource.namespaced:
        obj["metadata"].pop("namespace", None)
    match resource.kind:
        case "TokenReview":
            obj["status"] = _token_status(obj["spec"], tokens)
        case "SelfSubjectReview":
            obj["metadata"]["creationTimestamp"] = None
            obj["status"] = {"userInfo": user.info()}
        case "SelfSubjectRulesReview":
            obj["status"] = _rules(obj["spec"], user, authorizer)
        case "SelfSubjectAccessReview":
            obj["status"] = _access_status(resource, obj["spec"], user, authorizer)
        case _:
            spec = obj["spec"]
            if not spec.get("user") and not spec.get("groups"):
                problem = FieldError(INVALID, "spec.user", "", "at least one of user or group must be specified")
                raise invalid("", resource.group, "", [problem])
            asked = User(name=spec.get("user", ""), groups=tuple(spec.get("groups") or ()))
            if asked.name.startswith("system:serviceaccount:"):
                asked = User(name=asked.name, groups=(*asked.groups, "system:authenticated"))
            obj["status"] = _access_status(resource, spec, asked, authorizer)
    obj["metadata"] = {key: value for key, value in obj["metadata"].items() if value is not None}
    return obj


def _access_status(resource: Resource, spec: Object, user: User, authorizer: Authorizer) -> Object:
    about, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if (about is None) == (path is None):
        detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        where = "spec.nonResourceAttributes" if about is not None else "spec.resourceAttributes"
        raise invalid("", resource.group, "", [FieldError(INVALID, where, about, detail)])
    if about is not None:
        access = Access(
            verb=about.get("verb", ""), group=about.get("group", ""), plural=about.get("resource", "") or "*",
            subresource=about.get("subresource", ""), namespace=about.get("namespace", ""), name=about.get("name", ""),
        )  # fmt: skip
    else:
        access = Access(verb=(path or {}).get("verb", ""), path=(path or {}).get("path", ""))
    allowed = authorizer.allows(user, access)
    return {"allowed": True, "reason": "RBAC: allowed"} if allowed else {"allowed": False}


def _rules(spec: Object, user: User, authorizer: Authorizer) -> Object:
    rules = list(authorizer.rules(user, spec.get("namespace", "")))
    if "system:masters" in user.groups:
        rules += [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}, {"verbs": ["*"], "nonResourceURLs": ["*"]}]
    return {
        "resourceRules": [rule for rule in rules if not rule.get("nonResourceURLs")],
        "nonResourceRules": [rule for rule in rules if rule.get("nonResourceURLs")],
        "incomplete": False,
    }


def _token_status(spec: Object, tokens: Tokens) -> Object:
    if not spec.get("token"):
        raise invalid("TokenReview", "authentication.k8s.io", "", [FieldError("FieldValueRequired", "spec.token")])
    checked = tokens.check(spec["token"])
    if checked is None:
        return {"user": {}, "error": "[invalid bearer token]"}
    user, audiences = checked
    asked = spec.get("audiences") or [AUDIENCE]
    common = [audience for audience in asked if audience in audiences]
    if not common:
        return {"user": {}, "error": "[invalid bearer token, token audiences don't match]"}
    return {"authenticated": True, "user": user.info(), "audiences": common}


def issue_token(store: Store, tokens: Tokens, key: Key, request: Object) -> Object:
    """Answer a TokenRequest for a service account; raises ApiError 404, 422."""
    record = store.get("serviceaccounts", key)
    if record is None:
        raise not_found("serviceaccounts", "", key[1])
    spec: dict[str, Any] = {"audiences": [AUDIENCE], "expirationSeconds": 3600, **(request.get("spec") or {})}
    if spec["expirationSeconds"] < 600:
        detail = "may not specify a duration less than 10 minutes"
        problem = FieldError(INVALID, "spec.expirationSeconds", spec["expirationSeconds"], detail)
        raise invalid("TokenRequest", "authentication.k8s.io", "", [problem])
    token, until = tokens.issue(key[0], record.obj, spec["expirationSeconds"], spec["audiences"])
    meta = {"name": key[1], "namespace": key[0], "creationTimestamp": timestamp(tokens.now())}
    spec.setdefault("boundObjectRef", None)
    return {
        "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "metadata": meta, "spec": spec,
        "status": {"token": token, "expirationTimestamp": timestamp(until)},
    }  # fmt: skip
