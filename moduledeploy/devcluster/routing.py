"""Where a path leads: to a resource, to a document beside the resources, or nowhere.

Built-in kinds are routed by their paths, custom ones by hand, so that they refuse differently.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from moduledeploy.devcluster import discovery, openapi
from moduledeploy.devcluster.errors import ApiError, bad_request, method_not_supported, not_found

if TYPE_CHECKING:
    from moduledeploy.devcluster.requests import Target
    from moduledeploy.devcluster.resources import Register, Resource

_HEALTH: Final = frozenset({"healthz", "livez", "readyz"})
_CHECKS: Final = frozenset({"ping", "log", "etcd"})
_AGGREGATED: Final = "g=apidiscovery.k8s.io"
_JSON: Final = "application/json"


def no_route() -> ApiError:
    """404 for a path of a built-in kind that leads nowhere."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", details={})


def no_method() -> ApiError:
    """405 for a path of a built-in kind that has no such method."""
    text = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", text, details={})


class NoPathError(Exception):
    """Nothing is served under the path: 404 without a Status."""


def find_resource(register: Register, target: Target) -> Resource:
    """The resource of a request that may be made of it; raises ApiError 400, 404, 405 and NoPathError."""
    resource = register.find(target.group, target.version, target.plural)
    if resource is None:
        if target.group and not any(other.strategy.typed for other in register.of(target.group, target.version)):
            raise NoPathError
        raise no_route()
    if resource.strategy.typed:
        _check_typed(target, resource)
    else:
        _check_custom(target, resource)
    return resource


def _check_typed(target: Target, resource: Resource) -> None:
    part = target.subresource
    if target.surplus or (part and part not in resource.subresources):
        raise no_route()
    if resource.namespaced and not target.namespace and (target.name or target.verb not in ("list", "watch")):
        raise no_route() if target.name else no_method()
    if target.method == "HEAD" or target.verb not in (discovery.PART_VERBS[part] if part else resource.verbs):
        raise no_method()
    of_one = bool(part) or target.verb not in ("create", "list", "deletecollection")
    if target.verb != "watch" and of_one != bool(target.name):
        raise no_method()


def _check_custom(target: Target, resource: Resource) -> None:
    part = target.subresource
    if resource.namespaced and not target.namespace and (target.name or target.verb not in ("list", "watch")):
        raise NoPathError
    if part and part not in resource.subresources:
        raise not_found(resource.plural, resource.group, target.name)
    if target.verb not in (discovery.PART_VERBS[part] if part else resource.verbs):
        raise method_not_supported(resource.plural, resource.group, target.verb)
    if not target.name and target.verb == "update":
        raise bad_request("name must be provided")


@attrs.frozen(kw_only=True)
class Document:
    """What is served beside resources: a text, or what becomes JSON."""

    body: Any
    content_type: str = _JSON


@attrs.define(eq=False)
class Documents:
    """Discovery, versions, schemas and health."""

    register: Register
    _schemas: openapi.Documents = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._schemas = openapi.Documents(self.register)

    def find(self, target: Target, accept: str, host: str) -> Document:
        """What is under a path; raises ApiError 404, 405 and NoPathError."""
        path = target.path.rstrip("/") or "/"
        parts = [part for part in path.split("/") if part]
        if parts and parts[0] in _HEALTH:
            if len(parts) > 1 and (len(parts) > 2 or parts[1] not in _CHECKS):
                raise NoPathError
            return Document(body="ok", content_type="text/plain")
        if path == "/openapi/v3" or path.startswith("/openapi/v3/"):
            schema = self._schemas.get(path)
            if schema is None:
                raise NoPathError
            return Document(body=schema, content_type="text/plain" if path == "/openapi/v3" else _JSON)
        routed = self._is_routed(parts)
        found = self._discovery(path, parts, accept, host)
        if found is None:
            raise no_route() if len(parts) > 1 and routed else NoPathError
        if routed and target.method != "GET":
            raise no_method()
        return found

    def _is_routed(self, parts: list[str]) -> bool:
        """Whether a path has routes for each method; other documents answer to any."""
        match parts:
            case ["api", *_] | ["version"]:
                return True
            case ["apis", group, _, *_]:
                return any(resource.group == group for resource in self.register if resource.strategy.typed)
        return False

    def _discovery(self, path: str, parts: list[str], accept: str, host: str) -> Document | None:
        if path in ("/api", "/apis") and _AGGREGATED in accept:
            kind = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
            return Document(body=discovery.aggregated(self.register, core=path == "/api"), content_type=kind)
        match parts:
            case []:
                paths = ["/api", "/api/v1", "/apis", "/healthz", "/livez", "/openapi/v3", "/readyz", "/version"]
                found: Any = {"paths": paths}
            case ["version"]:
                found = discovery.version()
            case ["api"]:
                found = discovery.api_versions(host)
            case ["apis"]:
                found = discovery.group_list(self.register)
            case ["api", version]:
                found = discovery.resource_list(self.register, "", version)
            case ["apis", group]:
                found = discovery.group(self.register, group)
            case ["apis", group, version]:
                found = discovery.resource_list(self.register, group, version)
            case _:
                found = None
        return Document(body=found) if found is not None else None
