"""Objects of the cluster that this program reads: only the fields it uses, named as on the wire."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

import attrs

from moduledeploy.api.meta import Metadata
from moduledeploy.api.names import ARKLET_PORT, ARKLET_PORT_ANNOTATION, ARKLET_PORT_NAME, DEPLOYMENT_REVISION_ANNOTATION

ENDED_PHASES: Final = frozenset({"Succeeded", "Failed"})


@attrs.frozen
class ContainerPort:
    """A port that a container declares."""

    containerPort: int
    name: str = ""


@attrs.frozen
class Container:
    """A container of a pod's spec."""

    name: str = ""
    ports: tuple[ContainerPort, ...] = ()


@attrs.frozen
class PodSpec:
    """A pod's spec."""

    containers: tuple[Container, ...] = ()


@attrs.frozen
class PodCondition:
    """A pod's condition."""

    type: str
    status: str
    lastTransitionTime: datetime | None = None


@attrs.frozen
class ContainerStatus:
    """What the kubelet says of a container."""

    name: str = ""
    containerID: str = ""
    restartCount: int = 0


@attrs.frozen
class PodStatus:
    """A pod's status."""

    phase: str = ""
    podIP: str = ""
    conditions: tuple[PodCondition, ...] = ()
    containerStatuses: tuple[ContainerStatus, ...] = ()


@attrs.frozen
class Pod:
    """A pod, of which some are bases."""

    metadata: Metadata
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def ready(self) -> PodCondition | None:
        """The Ready condition, if the kubelet has set one."""
        for condition in self.status.conditions:
            if condition.type == "Ready":
                return condition
        return None

    @property
    def is_ready(self) -> bool:
        """The kubelet says that it is Ready."""
        ready = self.ready
        return ready is not None and ready.status == "True"

    @property
    def has_ended(self) -> bool:
        """Its containers run no more and never will (evicted, failed or succeeded)."""
        return self.status.phase in ENDED_PHASES

    @property
    def arklet_port(self) -> int:
        """The container port named `arklet`, else the annotation's, else 1238.

        Raises ValueError where the annotation is no port number.
        """
        for container in self.spec.containers:
            for port in container.ports:
                if port.name == ARKLET_PORT_NAME:
                    return port.containerPort
        given = self.metadata.annotation(ARKLET_PORT_ANNOTATION)
        if given is None:
            return ARKLET_PORT
        if given.isascii() and given.isdigit() and 0 < int(given) < 65536:
            return int(given)
        raise ValueError(f"annotation {ARKLET_PORT_ANNOTATION} is {given!r}, no port number from 1 to 65535")

    @property
    def arklet_container(self) -> ContainerStatus | None:
        """The container that Arklet runs in: the one with the port named `arklet`, else the first."""
        named = next(
            (c.name for c in self.spec.containers if any(port.name == ARKLET_PORT_NAME for port in c.ports)), None
        )
        statuses = self.status.containerStatuses
        return next((s for s in statuses if s.name == named), statuses[0] if statuses else None)


@attrs.frozen
class DeploymentSpec:
    """An apps/v1 Deployment's spec."""

    replicas: int = 1


@attrs.frozen
class DeploymentStatus:
    """An apps/v1 Deployment's status."""

    observedGeneration: int = 0
    replicas: int = 0
    updatedReplicas: int = 0


@attrs.frozen
class Deployment:
    """An apps/v1 Deployment, of which some are base Deployments."""

    metadata: Metadata
    spec: DeploymentSpec = DeploymentSpec()
    status: DeploymentStatus = DeploymentStatus()

    @property
    def is_rolling(self) -> bool:
        """Pods of an older template are still there, or its controller has not yet looked at the newest one."""
        status = self.status
        return status.observedGeneration < self.metadata.generation or status.replicas > status.updatedReplicas


@attrs.frozen
class ReplicaSet:
    """An apps/v1 ReplicaSet: the link from a pod to its Deployment."""

    metadata: Metadata

    @property
    def revision(self) -> int:
        """The Deployment's revision number of this ReplicaSet, 0 before it has one."""
        number = self.metadata.annotation(DEPLOYMENT_REVISION_ANNOTATION) or ""
        return int(number) if number.isascii() and number.isdigit() else 0


@attrs.frozen
class ServicePort:
    """A port of a Service."""

    port: int
    targetPort: int | str | None = None


@attrs.frozen
class ServiceSpec:
    """A Service's spec."""

    ports: tuple[ServicePort, ...] = ()
    selector: dict[str, str] | None = None


@attrs.frozen
class Service:
    """A Service, of which some are module Services."""

    metadata: Metadata
    spec: ServiceSpec = ServiceSpec()


@attrs.frozen
class TargetReference:
    """The object behind an endpoint."""

    kind: str = ""
    name: str = ""
    uid: str = ""


@attrs.frozen
class EndpointConditions:
    """An endpoint's conditions; a missing `ready` reads as true."""

    ready: bool | None = None


@attrs.frozen
class Endpoint:
    """One endpoint of a slice."""

    conditions: EndpointConditions = EndpointConditions()
    targetRef: TargetReference | None = None


@attrs.frozen
class EndpointSlice:
    """A part of a Service's endpoints."""

    metadata: Metadata
    endpoints: tuple[Endpoint, ...] | None = ()

    def ready_pods(self) -> Iterator[str]:
        """UIDs of the pods to which traffic may be sent."""
        for endpoint in self.endpoints or ():
            if endpoint.targetRef is not None and endpoint.conditions.ready is not False:
                yield endpoint.targetRef.uid
