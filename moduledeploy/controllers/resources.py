"""The kinds that the controllers read and write."""

from __future__ import annotations

from typing import Final

from moduledeploy.api.names import GROUP, MODULE, MODULE_DEPLOYMENT, MODULE_REPLICA_SET, VERSION
from moduledeploy.kube.resources import Resource

MODULE_DEPLOYMENTS: Final = Resource(GROUP, VERSION, "moduledeployments", MODULE_DEPLOYMENT)
MODULE_REPLICA_SETS: Final = Resource(GROUP, VERSION, "modulereplicasets", MODULE_REPLICA_SET)
MODULES: Final = Resource(GROUP, VERSION, "modules", MODULE)
PODS: Final = Resource("", "v1", "pods", "Pod")
DEPLOYMENTS: Final = Resource("apps", "v1", "deployments", "Deployment")
REPLICA_SETS: Final = Resource("apps", "v1", "replicasets", "ReplicaSet")
SERVICES: Final = Resource("", "v1", "services", "Service")
ENDPOINT_SLICES: Final = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
