"""What is read of the cluster, and which part of it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from moduledeploy.api.cluster import Deployment, EndpointSlice, Pod, ReplicaSet, Service
from moduledeploy.api.kinds import Module, ModuleDeployment, ModuleReplicaSet
from moduledeploy.api.names import MODULE_NAME_LABEL
from moduledeploy.api.slim import Slimming
from moduledeploy.controllers import cluster as views
from moduledeploy.controllers import resources
from moduledeploy.controllers.indexes import INDEXES
from moduledeploy.kube.informer import Informer

if TYPE_CHECKING:
    from collections.abc import Callable

    from moduledeploy.kube.resources import Resource
    from moduledeploy.kube.transport import Transport
    from moduledeploy.runtime.clock import Clock
    from moduledeploy.runtime.metrics import InformerMetrics

INFORMED: Final = (
    resources.MODULE_DEPLOYMENTS,
    resources.MODULE_REPLICA_SETS,
    resources.MODULES,
    resources.PODS,
    resources.DEPLOYMENTS,
    resources.REPLICA_SETS,
    resources.SERVICES,
    resources.ENDPOINT_SLICES,
)


@attrs.frozen(kw_only=True)
class Caches:
    """All informers; their stores are what the controllers read."""

    deployments: Informer[ModuleDeployment]
    replica_sets: Informer[ModuleReplicaSet]
    modules: Informer[Module]
    pods: Informer[Pod]
    base_deployments: Informer[Deployment]
    base_replica_sets: Informer[ReplicaSet]
    services: Informer[Service]
    endpoint_slices: Informer[EndpointSlice]

    def all(self) -> list[Informer[Any]]:
        """Every informer."""
        return [getattr(self, field.name) for field in attrs.fields(Caches)]

    def stores(self) -> views.Stores:
        """Every store."""
        return views.Stores(**{field.name: getattr(self, field.name).store for field in attrs.fields(Caches)})

    def subscribe(self, cluster: views.Cluster) -> None:
        """Have every change told to the cluster as the controllers see it."""
        self.base_deployments.add_handler(cluster.on_base_deployment)
        self.base_replica_sets.add_handler(cluster.on_base_replica_set)
        self.pods.add_handler(cluster.on_pod)
        self.deployments.add_handler(cluster.on_deployment)
        self.replica_sets.add_handler(cluster.on_replica_set)
        self.modules.add_handler(cluster.on_module)
        self.services.add_handler(cluster.on_service)
        self.endpoint_slices.add_handler(cluster.on_endpoint_slice)

    def stuck(self) -> str | None:
        """Which kinds have not heard of the server for so long that only a new process helps."""
        return "; ".join(why for informer in self.all() if (why := informer.stuck())) or None

    def unsynced(self) -> str | None:
        """Which kinds are still awaited, and why where the server said so."""
        missing = [
            f"{informer.resource.plural}{': ' + informer.last_error if informer.last_error else ''}"
            for informer in self.all()
            if not informer.has_synced
        ]
        return f"not synced: {'; '.join(missing)}" if missing else None

    def unready(self) -> str | None:
        """What keeps the stores from being what the cluster is: kinds still awaited, or refused since."""
        refused = [f"{informer.resource.plural}: {informer.refused}" for informer in self.all() if informer.refused]
        return self.unsynced() or (f"refused: {'; '.join(refused)}" if refused else None)


def build_caches(*, transport: Transport, metrics: InformerMetrics, namespace: str, clock: Clock) -> Caches:
    """One informer for each kind; they read nothing before they are run. An empty namespace means all."""

    def informer(
        store: str,
        resource: Resource,
        object_type: type[Any],
        *,
        label_selector: str = "",
        transform: Callable[[Any], Any] | None = None,
    ) -> Informer[Any]:
        return Informer(
            resource=resource,
            object_type=object_type,
            transport=transport,
            metrics=metrics,
            namespace=namespace or None,
            label_selector=label_selector,
            indexes=INDEXES.get(store),
            transform=transform,
            clock=clock,
        )

    return Caches(
        deployments=informer("deployments", resources.MODULE_DEPLOYMENTS, ModuleDeployment),
        replica_sets=informer("replica_sets", resources.MODULE_REPLICA_SETS, ModuleReplicaSet),
        modules=informer("modules", resources.MODULES, Module, transform=Slimming().module),
        pods=informer("pods", resources.PODS, Pod, transform=Slimming().pod),
        base_deployments=informer("base_deployments", resources.DEPLOYMENTS, Deployment),
        base_replica_sets=informer("base_replica_sets", resources.REPLICA_SETS, ReplicaSet),
        services=informer("services", resources.SERVICES, Service),
        # Slices carry the labels of their Service; those of other Services are none of ours.
        endpoint_slices=informer(
            "endpoint_slices", resources.ENDPOINT_SLICES, EndpointSlice, label_selector=MODULE_NAME_LABEL
        ),
    )
