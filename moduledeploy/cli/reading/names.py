"""Objects for a shell that completes their names: quickly, or not at all."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

import anyio
import msgspec

from moduledeploy.cli.access.connection import connect
from moduledeploy.cli.access.exits import CliError
from moduledeploy.cli.access.lean import import_config_only
from moduledeploy.controllers import resources
from moduledeploy.kube.errors import KubeError
from moduledeploy.kube.resources import Resource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moduledeploy.cli.access.flags import Access

PATIENCE_S: Final = 2.0  # whoever pressed Tab waits no longer for a name
_KINDS: Final = {
    "deployments": resources.MODULE_DEPLOYMENTS,
    "replica_sets": resources.MODULE_REPLICA_SETS,
    "modules": resources.MODULES,
    "pods": resources.PODS,
    "namespaces": Resource("", "v1", "namespaces", "Namespace", namespaced=False),
}


def named(access: Access, kinds: Sequence[str], labels: str = "") -> list[dict[str, Any]]:
    """The objects of these kinds; none where the cluster can't be asked, for a shell shows no errors while somebody types."""
    import_config_only()
    from moduledeploy.runtime.log import configure_logging  # noqa: PLC0415  # after the lean import of what it imports

    configure_logging(level="error", stream=io.StringIO())
    try:
        return anyio.run(_read, access, kinds, labels)
    except (CliError, KubeError, OSError):
        return []


async def _read(access: Access, kinds: Sequence[str], labels: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    with anyio.move_on_after(PATIENCE_S):
        async with connect(access) as connection:
            for resource in map(_KINDS.__getitem__, kinds):
                namespace = connection.namespace if resource.namespaced else None
                async for page in connection.lists(resource, namespace, labels):
                    found.extend(msgspec.json.decode(page)["items"] or [])
    return found
