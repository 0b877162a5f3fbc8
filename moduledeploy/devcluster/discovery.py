"""Discovery: groups, versions and resources, one document each and aggregated in one."""

from __future__ import annotations

import base64
import hashlib
import platform
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moduledeploy.devcluster.resources import Register, Resource
    from moduledeploy.devcluster.storage import Object

MINOR: Final = "36"
GIT_VERSION: Final = "v1.36.2"
PART_VERBS: Final[dict[str, tuple[str, ...]]] = {
    "status": ("get", "patch", "update"),
    "scale": ("get", "patch", "update"),
    "finalize": ("update",),
    "eviction": ("create",),
    "binding": ("create",),
    "token": ("create",),
    "log": ("get",),
}
_PART_KINDS: Final = {
    "scale": ("autoscaling", "v1", "Scale"),
    "eviction": ("policy", "v1", "Eviction"),
    "token": ("authentication.k8s.io", "v1", "TokenRequest"),
    "binding": ("", "", "Binding"),
}


def version() -> Object:
    """The answer under /version."""
    return {
        "major": "1", "minor": MINOR, "emulationMajor": "1", "emulationMinor": MINOR, "minCompatibilityMajor": "1",
        "minCompatibilityMinor": str(int(MINOR) - 1), "gitVersion": GIT_VERSION, "gitCommit": "embedded",
        "gitTreeState": "clean", "buildDate": "2026-01-01T00:00:00Z", "goVersion": "none", "compiler": "CPython",
        "platform": f"linux/{platform.machine()}",
    }  # fmt: skip


def api_versions(host: str) -> Object:
    """The answer under /api."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": host}],
    }


def _group(register: Register, name: str) -> Object:
    versions = [{"groupVersion": f"{name}/{version}", "version": version} for version in register.versions(name)]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def group_list(register: Register) -> Object:
    """The answer under /apis."""
    return {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [_group(register, name) for name in register.groups()],
    }


def group(register: Register, name: str) -> Object | None:
    """The answer under /apis/<group>."""
    if name not in register.groups():
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(register, name)}


def resource_list(register: Register, name: str, version: str) -> Object | None:
    """The answer under /api/v1 and /apis/<group>/<version>."""
    resources = list(register.of(name, version))
    if not resources:
        return None
    entries: list[Object] = []
    for resource in sorted(resources, key=lambda r: r.plural) if not name else resources:
        entries += _entries(resource)
    body: Object = {"kind": "APIResourceList"}
    # The core group's document has no apiVersion of its own, as in a real server.
    if name:
        body["apiVersion"] = "v1"
    return {**body, "groupVersion": f"{name}/{version}" if name else version, "resources": entries}


def _entries(resource: Resource) -> Iterable[Object]:
    entry: Object = {
        "name": resource.plural, "singularName": resource.singular_name, "namespaced": resource.namespaced,
        "kind": resource.kind, "verbs": list(resource.verbs),
    }  # fmt: skip
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    entry["storageVersionHash"] = _storage_hash(resource)
    yield entry
    order = ("status", "scale", *sorted(resource.subresources - {"status", "scale"}))
    for part in (name for name in order if name in resource.subresources):
        more: Object = {"name": f"{resource.plural}/{part}", "singularName": "", "namespaced": resource.namespaced}
        group_name, part_version, kind = _PART_KINDS.get(part, ("", "", resource.kind))
        if group_name:
            more |= {"group": group_name, "version": part_version}
        yield {**more, "kind": kind, "verbs": list(PART_VERBS[part])}


def _storage_hash(resource: Resource) -> str:
    """Of the version that is stored, as k8s.io/apiserver pkg/endpoints/discovery makes it."""
    digest = hashlib.sha256(f"{resource.group}/{resource.version}/{resource.kind}".encode()).digest()
    return base64.b64encode(digest[:8]).decode()


def aggregated(register: Register, *, core: bool) -> Object:
    """The answer under /api or /apis to a client that takes apidiscovery.k8s.io/v2."""
    names = [""] if core else register.groups()
    items = [
        {
            "metadata": {"name": name} if name else {},
            "versions": [
                {
                    "version": version,
                    "resources": [_aggregated_resource(resource) for resource in register.of(name, version)],
                    "freshness": "Current",
                }
                for version in register.versions(name)
            ],
        }
        for name in names
    ]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _aggregated_resource(resource: Resource) -> Object:
    entry: dict[str, Any] = {
        "resource": resource.plural,
        "responseKind": {"group": resource.group, "version": resource.version, "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular_name,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    parts = []
    for part in sorted(resource.subresources):
        group_name, part_version, kind = _PART_KINDS.get(part, (resource.group, resource.version, resource.kind))
        response = {"group": group_name, "version": part_version or resource.version, "kind": kind}
        parts.append({"subresource": part, "responseKind": response, "verbs": list(PART_VERBS[part])})
    if parts:
        entry["subresources"] = parts
    return entry
