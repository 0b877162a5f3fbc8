"""What has to be there before the controller starts: the kinds, the rights, the credentials. What isn't is one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from moduledeploy.controllers import resources
from moduledeploy.controllers.served import not_kept
from moduledeploy.kube.errors import (
    ApiError,
    Forbidden,
    Invalid,
    NotFound,
    Unauthorized,
    Unreachable,
)
from moduledeploy.kube.lease import LEASES
from moduledeploy.kube.rights import Right, missing_rights, whoami

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moduledeploy.kube.resources import ObjectKey, Resource
    from moduledeploy.kube.transport import Transport

_log: Final = structlog.get_logger()
CONTROLLER_ROLE: Final = "moduledeploy-controller"
LEASE_ROLE: Final = "moduledeploy-lease"
_TIMEOUT_S: Final = 10.0
_READ: Final = ("list", "watch")
_CHANGE: Final = ("create", "patch", "delete")
# Events are left out: nothing waits for them. A test compares this with manifests/rbac.
NEEDED: Final[tuple[tuple[Resource, str, tuple[str, ...]], ...]] = (
    (resources.MODULE_DEPLOYMENTS, "", (*_READ, "patch")),
    (resources.MODULE_DEPLOYMENTS, "status", ("patch",)),
    (resources.MODULE_REPLICA_SETS, "", (*_READ, *_CHANGE)),
    (resources.MODULE_REPLICA_SETS, "status", ("patch",)),
    (resources.MODULES, "", (*_READ, *_CHANGE)),
    (resources.MODULES, "status", ("patch",)),
    (resources.PODS, "", (*_READ, "patch")),
    (resources.DEPLOYMENTS, "", _READ),
    (resources.REPLICA_SETS, "", _READ),
    (resources.SERVICES, "", (*_READ, *_CHANGE)),
    (resources.ENDPOINT_SLICES, "", _READ),
)


class StartError(Exception):
    """The controller can't start; one line that says what to do."""


async def check_cluster(
    transport: Transport, *, kinds: Iterable[Resource], namespace: str, lease: ObjectKey | None, in_pod: bool
) -> None:
    """Return when the controller can work with this server, or when only time can tell; raises StartError.

    A server that is away or busy is waited for by the informers; outside a pod one that is away is taken for a mistake.
    """
    host, tls = transport.credentials.host, transport.credentials.tls
    if tls is not None and not tls.is_verified:
        _log.warning("API server not verified", host=host, why="the kubeconfig says insecure-skip-tls-verify")
    try:
        await _check_rights(transport, namespace, lease)
        await _check_kinds(transport, kinds, namespace)
        await _check_fields(transport)
    except Unreachable as error:
        if not in_pod:
            raise StartError(
                f"no API server at {host}: {error.message}; check the kubeconfig and the server"
            ) from error
        _log.warning("no API server yet", host=host, error=error.message)
    except Unauthorized as error:
        raise StartError(
            f"the API server at {host} doesn't accept the credentials: {error.message};"
            " the token is expired, or of another cluster"
        ) from error
    except Invalid as error:
        raise StartError(
            f"the server at {host} doesn't understand an API server's requests: {error.message}"
        ) from error
    except ApiError as error:  # busy, or not quite itself: the informers wait for it
        _log.warning("the API server is not itself yet", host=host, error=error.message)


async def _check_rights(transport: Transport, namespace: str, lease: ObjectKey | None) -> None:
    try:
        missing = await missing_rights(transport, needed_rights(namespace, lease))
    except Forbidden as error:  # who may not even ask learns it from the first read
        _log.debug("rights not checked", error=error.message)
        return
    if not missing:
        return
    who = await whoami(transport) or "this user"
    by_role = [
        f"{', '.join(str(right) for right in missing if right.role == role)} ({_scope(role, namespace, lease)})"
        for role in dict.fromkeys(right.role for right in missing)
    ]
    raise StartError(f"{who} has no right to {'; nor to '.join(by_role)}; see manifests/rbac")


def needed_rights(namespace: str, lease: ObjectKey | None) -> list[Right]:
    """Every right that is used, in a namespace or, where it is empty, in all; those on the lease if there is one."""
    rights = [
        Right(verb, resource, CONTROLLER_ROLE, subresource, namespace)
        for resource, subresource, verbs in NEEDED
        for verb in verbs
    ]
    if lease is not None:
        rights.append(Right("create", LEASES, LEASE_ROLE, namespace=lease.namespace))
        rights += [
            Right(verb, LEASES, LEASE_ROLE, namespace=lease.namespace, name=lease.name) for verb in ("get", "update")
        ]
    return rights


def _scope(role: str, namespace: str, lease: ObjectKey | None) -> str:
    if role == LEASE_ROLE and lease is not None:
        return f"Role {role} in namespace {lease.namespace}"
    return f"Role {role} in namespace {namespace}" if namespace else f"ClusterRole {role}"


async def _check_fields(transport: Transport) -> None:
    missing = await not_kept(transport)
    if missing:
        raise StartError(
            f"{missing}: the CRDs are of another version than this controller; apply its own first"
            " (kubectl apply -f manifests/crd)"
        )


async def _check_kinds(transport: Transport, kinds: Iterable[Resource], namespace: str) -> None:
    """Ask once for each kind, so that what is missing is said in one line and not in a log of retries."""
    for resource in kinds:
        try:
            await transport.request(
                "GET", resource.path(namespace or None), query={"limit": "1"}, timeout_s=_TIMEOUT_S, max_tries=2
            )
        except NotFound as error:
            raise StartError(
                f"the cluster doesn't know {resource}: install the CRDs first (kubectl apply -f manifests/crd)"
            ) from error
        except Forbidden as error:
            raise StartError(
                f"no right to list {resource} ({_scope(CONTROLLER_ROLE, namespace, None)}): {error.message}"
            ) from error
