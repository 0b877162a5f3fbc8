"""Reviews: questions that are asked by creating an object and answered in its status; nothing is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moduledeploy.devcluster.errors import INVALID, FieldError, bad_request, invalid, not_found
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
    _check(resource, obj)
    match resource.kind:
        case "TokenReview":
            obj["status"] = _token_status(obj["spec"], tokens)
        case "SelfSubjectReview":
            obj["metadata"] = {"creationTimestamp": timestamp(tokens.now())}
            obj["status"] = {"userInfo": user.info()}
        case "SelfSubjectRulesReview":
            obj["status"], obj["spec"] = _rules(obj["spec"], user, authorizer), {}
        case "SelfSubjectAccessReview":
            obj["status"] = _access_status(obj["spec"], user, authorizer)
        case _:
            spec = obj["spec"]
            asked = User(name=spec.get("user", ""), groups=tuple(spec.get("groups") or ()))
            if asked.name.startswith("system:serviceaccount:"):
                asked = User(name=asked.name, groups=(*asked.groups, "system:authenticated"))
            obj["status"] = _access_status(spec, asked, authorizer)
    obj["metadata"] = {key: value for key, value in obj["metadata"].items() if value is not None}
    return obj


def _check(resource: Resource, obj: Object) -> None:
    """What no review of its kind can be; raises ApiError 400, 422."""
    spec, meta = obj.get("spec") or {}, obj["metadata"]
    problems = []
    if resource.kind == "SelfSubjectRulesReview" and not spec.get("namespace"):
        raise bad_request("no namespace on request")
    if resource.kind.endswith("AccessReview"):
        problems = _access_problems(spec, needs_user=resource.kind != "SelfSubjectAccessReview")
        if any(meta.get(name) for name in meta if name != "namespace" or not resource.namespaced):
            problems.append(FieldError(INVALID, "metadata", meta, "must be empty"))
    if resource.kind == "LocalSubjectAccessReview":
        about = spec.get("resourceAttributes")
        if about is not None and about.get("namespace", "") != meta.get("namespace", ""):
            where, detail = "spec.resourceAttributes.namespace", "must match metadata.namespace"
            problems.append(FieldError(INVALID, where, about.get("namespace", ""), detail))
        if spec.get("nonResourceAttributes") is not None:
            problems.append(FieldError(INVALID, "spec.nonResourceAttributes", "", "disallowed on this kind of request"))
    if problems:
        raise invalid("", resource.group, "", problems)


def _access_problems(spec: Object, *, needs_user: bool) -> list[FieldError]:
    about, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    problems = []
    if (about is None) == (path is None):
        detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        where = "spec.nonResourceAttributes" if about is not None else "spec.resourceAttributes"
        problems.append(FieldError(INVALID, where, about, detail))
    for name in ("fieldSelector", "labelSelector"):
        selector = (about or {}).get(name) or {}
        if selector.get("rawSelector") and selector.get("requirements"):
            where, detail = f"spec.resourceAttributes.{name}.rawSelector", "may not be specified with requirements"
            problems.append(FieldError(INVALID, where, selector["rawSelector"], detail))
    if needs_user and not spec.get("user") and not spec.get("groups"):
        problems.append(FieldError(INVALID, "spec.user", "", "at least one of user or group must be specified"))
    return problems


def _access_status(spec: Object, user: User, authorizer: Authorizer) -> Object:
    about, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if about is not None:
        access = Access(
            verb=about.get("verb", ""), group=about.get("group", ""), plural=about.get("resource", "") or "*",
            subresource=about.get("subresource", ""), namespace=about.get("namespace", ""), name=about.get("name", ""),
        )  # fmt: skip
    else:
        access = Access(verb=(path or {}).get("verb", ""), path=(path or {}).get("path", ""))
    allowed = authorizer.allows(user, access)
    if allowed and "system:masters" not in user.groups:  # for those nobody looks at roles
        return {"allowed": True, "reason": "RBAC: allowed"}
    return {"allowed": allowed}


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
        raise bad_request("token is required for TokenReview in authentication")
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
    given = {name: value for name, value in request["spec"].items() if value is not None}
    spec: dict[str, Any] = {"audiences": [AUDIENCE], "expirationSeconds": 3600, **given}
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
