"""What the planner sees: a family, its revisions, its slots and its base Deployment, all read-only."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

import attrs

from moduledeploy.api.names import MODULE_DEPLOYMENT

if TYPE_CHECKING:
    from moduledeploy.api.spec import DeploymentSpec, SchedulingPolicy, Template
    from moduledeploy.api.status import DeploymentStatus
    from moduledeploy.rollout.actions import AdoptModule, AdoptRevision
    from moduledeploy.rollout.service import ServiceFacts
    from moduledeploy.rollout.slots import Slots


Rank: TypeAlias = tuple[int, int, str]


class Placed(Protocol):
    """What placing came to: UIDs of bases, how many replicas found none, and why in one sentence."""

    @property
    def bases(self) -> tuple[str, ...]: ...
    @property
    def unplaced(self) -> int: ...
    @property
    def message(self) -> str: ...


class Journal(Protocol):
    """Which bases have changed their ranks, in order; `since` gives None where it has forgotten some."""

    @property
    def end(self) -> int: ...
    def since(self, place: int) -> Sequence[str] | None: ...


class Placer(Protocol):
    """The bases of one base Deployment, as the planner uses them."""

    def place(self, module_name: str, count: int, policy: SchedulingPolicy) -> Placed: ...
    def eligible_for(self, module_name: str) -> Iterable[str]: ...
    def lacking(self, module_name: str, own: int) -> str: ...
    def assume(self, uid: str, module_name: str, holder: str) -> None: ...
    def removal_rank(self, uid: str, policy: SchedulingPolicy) -> Rank: ...
    def replacement_rank(self, uid: str) -> Rank: ...
    @property
    def journal(self) -> Journal: ...


@attrs.frozen(kw_only=True)
class Revision:
    """One ModuleReplicaSet of the family; number 0 is none; is_edited: what the parent writes there isn't as it was written."""

    name: str
    uid: str
    number: int
    template: Template
    replicas: int
    created_at: float
    is_edited: bool = False


@attrs.frozen(kw_only=True)
class BaseDeployment:
    """The apps/v1 Deployment whose pods are the bases."""

    replicas: int
    is_rolling: bool


@attrs.frozen(kw_only=True)
class Parent:
    """The ModuleDeployment, or the bare ModuleReplicaSet, that the family belongs to.

    waiting: value of the annotation that marks the controller's own pause; retry: of the one that lifts a failure decision.
    """

    kind: str
    namespace: str
    name: str
    uid: str
    generation: int
    spec: DeploymentSpec
    status: DeploymentStatus
    waiting: str | None = None
    retry: str = ""
    has_finalizer: bool = True
    is_terminating: bool = False
    is_orphaning: bool = False

    @property
    def is_deployment(self) -> bool:
        """It has revisions, batches and gates; a bare ModuleReplicaSet has none of them."""
        return self.kind == MODULE_DEPLOYMENT


@attrs.frozen(kw_only=True)
class View:
    """All that one pass reads.

    revisions: those that the parent controls and nobody deletes; taken: names that no new revision can have; letting_go: names of
        the parent's that are about to go and leave their Modules behind.
    conflict: the older family for the same module name on the same base Deployment, as text, if there is one.
    orphans: what was left behind without an owner and is this family's by name.
    services: Services by name, those that the family owns and that of its module's name.
    refusal: why its template may not be installed (the url's scheme), if so.
    """

    parent: Parent
    revisions: Mapping[str, Revision]
    slots: Slots
    base_deployment: BaseDeployment | None
    orphans: tuple[AdoptModule | AdoptRevision, ...] = ()
    taken: Container[str] = ()
    letting_go: Container[str] = ()
    services: Mapping[str, ServiceFacts] = attrs.field(factory=dict)
    conflict: str | None = None
    refusal: str | None = None

    @property
    def desired(self) -> int:
        """Replicas that are to be there; in peer mode as many as the base Deployment asks for pods."""
        if not self.parent.spec.is_peer:
            return self.parent.spec.replicas
        return self.base_deployment.replicas if self.base_deployment else 0
