"""What a pass wants written: frozen values, carried out in order by the rollout controller."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from moduledeploy.rollout.service import ServiceAction

if TYPE_CHECKING:
    from moduledeploy.api.spec import Template
    from moduledeploy.rollout.gate import GateWrite
    from moduledeploy.rollout.view import Revision


@attrs.frozen
class AddFinalizer:
    """Put this program's finalizer on the parent, before anything of it exists."""


@attrs.frozen
class RemoveFinalizer:
    """Let the parent go."""


@attrs.frozen(kw_only=True)
class CreateRevision:
    """Make the ModuleReplicaSet of a template."""

    name: str
    number: int
    template: Template
    replicas: int


@attrs.frozen
class AdoptRevision:
    """Become the controller of a ModuleReplicaSet that a ModuleDeployment of this name left behind."""

    name: str


@attrs.frozen(kw_only=True)
class AdoptModule:
    """Make a ModuleReplicaSet the controller of a Module that one of its name left behind; void unless it is at `version`."""

    name: str
    version: str
    replica_set: str


@attrs.frozen(kw_only=True)
class AdjustRevision:
    """Write a ModuleReplicaSet's replicas and revision number, and what else of it the ModuleDeployment decides."""

    name: str
    number: int
    replicas: int


@attrs.frozen
class DeleteRevision:
    """Delete a ModuleReplicaSet that has no Modules."""

    name: str
    uid: str


@attrs.frozen
class WriteGate:
    """Set the controller's own pause with its annotation, or take it back."""

    write: GateWrite
    token: str


@attrs.frozen
class DeleteModule:
    """Ask for the deletion of this very Module."""

    name: str
    uid: str


@attrs.frozen(kw_only=True)
class CreateModule:
    """Make a Module, and only when that succeeded delete those that it replaces.

    batch: what it carries to tell for which batch it was made.
    uninstall_first: it may be installed only when no other version of the module is on the base.
    """

    name: str
    revision: Revision
    base_uid: str
    batch: str
    uninstall_first: bool = False
    replaces: tuple[DeleteModule, ...] = ()


Action = (
    ServiceAction
    | AddFinalizer
    | RemoveFinalizer
    | CreateRevision
    | AdoptModule
    | AdoptRevision
    | AdjustRevision
    | DeleteRevision
    | WriteGate
    | DeleteModule
    | CreateModule
)
