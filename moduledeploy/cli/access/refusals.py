"""What a server refuses, told in one line with what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from moduledeploy.api.names import GROUP
from moduledeploy.cli.access.exits import CliError, Exit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moduledeploy.kube.errors import ApiError
    from moduledeploy.kube.resources import Resource

_READING: Final = frozenset({"get", "list", "watch"})


def said(message: str) -> str:
    """What the server said, without the request that it said it of."""
    return message.partition(": ")[2] or message


def missing_right(verb: str, resource: Resource, namespace: str | None, why: str, part: str = "") -> CliError:
    """The verb and the resource that a role lacks, and a role of ours or of Kubernetes that has them."""
    where = f"in namespace {namespace}" if namespace else "in all namespaces"
    role = "view" if resource.group != GROUP else f"moduledeploy-{'viewer' if verb in _READING else 'editor'}"
    narrower = "" if namespace or not resource.namespaced else "leave -A out, or "
    what = f"{resource}{part and f'/{part}'}"
    return CliError(f"no right to {verb} {what} {where}; {narrower}ask for a role that has it, as {role} has ({why})")


def no_deployment(name: str, namespace: str, known: Iterable[str]) -> CliError:
    """There is none of that name, and which one may have been meant."""
    from difflib import get_close_matches  # noqa: PLC0415  # only who mistyped pays for it

    close = get_close_matches(name, list(known), n=1)
    meant = f"; did you mean {close[0]}?" if close else ""
    return CliError(f"no ModuleDeployment {name} in namespace {namespace}{meant}", Exit.NOT_FOUND)


def not_found(resource: Resource, path: str, error: ApiError) -> str:
    """No such object, or no such kind."""
    name = path.rpartition("/")[2]
    # Of a kind that it doesn't have the server says nothing but this, without the name.
    if name == resource.plural or "page not found" in error.message or "could not find the requested" in error.message:
        return f"the cluster doesn't know {resource}; install the CRDs first (kubectl apply -f manifests/crd)"
    namespace = path.partition("/namespaces/")[2].partition("/")[0]
    return f"no {resource.kind} {name} in namespace {namespace}"
