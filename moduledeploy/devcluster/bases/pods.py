"""What a kubelet has to know of pods and nodes; names are those of the wire."""
# ruff: noqa: N815 -- fields are named as on the wire

from __future__ import annotations

from typing import Any, Final

import attrs

from moduledeploy.devcluster.arklet import PREFIX

ARKLET_PORT: Final = 1238  # Arklet's own default
ARKLET_PORT_NAME: Final = "arklet"
PORT_ANNOTATION: Final = "koupleless.alipay.com/arklet-port"
_LOST: Final = PREFIX + "lost"
ATTACHED: Final = PREFIX + "attached"  # IP:PORT of the base that runs behind a pod


@attrs.frozen(kw_only=True)
class Owner:
    """An owner reference."""

    kind: str = ""
    name: str = ""
    controller: bool = False


@attrs.frozen(kw_only=True)
class Metadata:
    """The metadata of pods and nodes; one that is being created may still be without a name."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resourceVersion: str = ""
    labels: dict[str, str] = attrs.field(factory=dict)
    annotations: dict[str, str] = attrs.field(factory=dict)
    ownerReferences: list[Owner] = attrs.field(factory=list)
    deletionTimestamp: str | None = None
    deletionGracePeriodSeconds: int | None = None


@attrs.frozen(kw_only=True)
class ContainerPort:
    """A declared port."""

    name: str = ""
    containerPort: int = 0


@attrs.frozen(kw_only=True)
class Container:
    """A container of the pod's spec."""

    name: str
    image: str = ""
    ports: list[ContainerPort] = attrs.field(factory=list)
    restartPolicy: str = ""  # Always makes a sidecar of an init container

    @property
    def declares_arklet(self) -> bool:
        """Whether it names one of its ports `arklet`."""
        return any(port.name == ARKLET_PORT_NAME for port in self.ports)


@attrs.frozen(kw_only=True)
class PodSpec:
    """The part of a pod's spec that is played."""

    nodeName: str = ""
    hostNetwork: bool = False
    containers: list[Container] = attrs.field(factory=list)
    initContainers: list[Container] = attrs.field(factory=list)

    @property
    def base_container(self) -> str:
        """The container that Arklet runs in: the one that names its port, else the first."""
        named = [container.name for container in self.containers if container.declares_arklet]
        return next(iter(named or [container.name for container in self.containers]), "")


@attrs.frozen(kw_only=True)
class Shown:
    """What a status shows, whoever wrote it."""

    conditions: list[dict[str, Any]] = attrs.field(factory=list)

    @property
    def is_ready(self) -> bool:
        """Whether its condition Ready is true."""
        return any(item.get("type") == "Ready" and item.get("status") == "True" for item in self.conditions)


@attrs.frozen(kw_only=True)
class PodStatus(Shown):
    """The part of a pod's status that is taken up again."""

    phase: str = "Pending"
    podIP: str = ""
    startTime: str = ""
    containerStatuses: list[dict[str, Any]] = attrs.field(factory=list)


@attrs.frozen(kw_only=True)
class Pod:
    """A pod as last seen."""

    metadata: Metadata
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def is_from_replica_set(self) -> bool:
        """Whether a ReplicaSet controls it."""
        return any(owner.controller and owner.kind == "ReplicaSet" for owner in self.metadata.ownerReferences)

    @property
    def declares_arklet(self) -> bool:
        """Whether a container names its port `arklet`, or the annotation that stands for it is there."""
        return PORT_ANNOTATION in self.metadata.annotations or any(c.declares_arklet for c in self.spec.containers)

    @property
    def attached_to(self) -> str:
        """`IP:PORT` of the base that somebody else runs behind it, else empty."""
        return self.metadata.annotations.get(ATTACHED, "")

    @property
    def has_ended(self) -> bool:
        """Whether its containers have stopped for good."""
        return self.status.phase in {"Failed", "Succeeded"}

    @property
    def arklet_port(self) -> int:
        """Where Arklet listens: the container port named `arklet`, else what the annotation says, else 1238."""
        named = [p.containerPort for c in self.spec.containers for p in c.ports if p.name == ARKLET_PORT_NAME]
        text = self.metadata.annotations.get(PORT_ANNOTATION, "")
        return next(iter(named), int(text) if text.isdigit() and 0 < int(text) < 65536 else ARKLET_PORT)


@attrs.frozen(kw_only=True)
class Node:
    """A node as last seen."""

    metadata: Metadata
    status: Shown = Shown()

    @property
    def is_lost(self) -> bool:
        """Whether the node's annotation says that nothing on it can be reached."""
        return self.metadata.annotations.get(_LOST) == "true"

    @property
    def is_simulated(self) -> bool:
        """Whether it was made for simulated bases."""
        return self.metadata.labels.get("type") == "simulated"
