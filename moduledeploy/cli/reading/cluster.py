"""Everything that a command reads of a cluster, once: the controller's own view of it, built from lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import anyio
import attrs

from moduledeploy.api.cluster import Deployment, Pod, ReplicaSet
from moduledeploy.api.kinds import Module, ModuleReplicaSet
from moduledeploy.cli.access.exits import CliError
from moduledeploy.cli.reading.kinds import ReadDeployment
from moduledeploy.controllers import cluster as views
from moduledeploy.controllers import resources
from moduledeploy.controllers.indexes import INDEXES
from moduledeploy.kube.store import Store
from moduledeploy.kube.wire import Decoder, keyed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from moduledeploy.cli.access.connection import Connection
    from moduledeploy.controllers.facts import BaseKey, FamilyKey
    from moduledeploy.kube.informer import Change
    from moduledeploy.kube.resources import Resource

# Each store's field, kind on the wire and type; in the order in which the cluster's view is told of them.
READ: Final[dict[str, tuple[Resource, type[Any]]]] = {
    "base_deployments": (resources.DEPLOYMENTS, Deployment),
    "base_replica_sets": (resources.REPLICA_SETS, ReplicaSet),
    "pods": (resources.PODS, Pod),
    "deployments": (resources.MODULE_DEPLOYMENTS, ReadDeployment),
    "replica_sets": (resources.MODULE_REPLICA_SETS, ModuleReplicaSet),
    "modules": (resources.MODULES, Module),
}


class NoKeys:
    """Nobody works on what was read."""

    def family(self, key: FamilyKey) -> None:
        """Ignore it."""

    def base(self, key: BaseKey) -> None:
        """Ignore it."""


def view_of(stores: views.Stores) -> views.Cluster:
    """The pools and slots that follow from what the stores hold."""
    from moduledeploy.kube.informer import Change  # noqa: PLC0415  # after the lean import of structlog, which it brings

    cluster = views.Cluster(stores, NoKeys())
    for field, tell in handlers(cluster).items():
        for key, obj in getattr(stores, field).items():
            tell(Change(key, None, obj, is_initial=True))
    return cluster


def handlers(cluster: views.Cluster) -> dict[str, Callable[[Change[Any]], object]]:
    """Who is to hear of the changes of each kind, in the order of READ."""
    return {
        "base_deployments": cluster.on_base_deployment,
        "base_replica_sets": cluster.on_base_replica_set,
        "pods": cluster.on_pod,
        "deployments": cluster.on_deployment,
        "replica_sets": cluster.on_replica_set,
        "modules": cluster.on_module,
    }


async def read_stores(
    connection: Connection, namespace: str | None, only: Iterable[str] = tuple(READ), selector: str = ""
) -> views.Stores:
    """Lists of these kinds in one namespace, or in all; the selector is for ModuleDeployments. Raises CliError."""
    stores = empty_stores()

    async def read(field: str) -> None:
        resource, kind = READ[field]
        labels = selector if field == "deployments" else ""
        fill(stores[field], [page async for page in connection.lists(resource, namespace, labels)], kind)

    failed: list[CliError] = []

    async def read_or_note(field: str) -> None:
        try:
            await read(field)
        except CliError as error:
            failed.append(error)
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for field in only:
            group.start_soon(read_or_note, field)
    if failed:
        raise failed[0]
    return stores_with(stores)


def names_in(stores: views.Stores, namespace: str) -> list[str]:
    """Names of the ModuleDeployments there."""
    return [key.name for key in stores.deployments.keys() if key.namespace == namespace]  # noqa: SIM118  # a Store is no dict


def stores_with(found: dict[str, Store[Any]]) -> views.Stores:
    """The stores, with empty ones for the kinds that the commands don't read."""
    empty = {
        field.name: Store(INDEXES.get(field.name)) for field in attrs.fields(views.Stores) if field.name not in found
    }
    return views.Stores(**found, **empty)


def empty_stores() -> dict[str, Store[Any]]:
    """A store for each kind that is read."""
    return {field: Store(INDEXES.get(field)) for field in READ}


def fill(store: Store[Any], pages: Iterable[bytes], kind: type[Any]) -> None:
    """Put what the pages of a list hold into a store; what can't be read is as good as not there."""
    decoder = Decoder(kind)
    for body in pages:
        page = decoder.decode_page(body)
        for key, obj in keyed(page.objects):
            store.put(key, obj)
        store.advance(page.rv)
