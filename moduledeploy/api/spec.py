"""What people ask for, decoded: no aliases, no absent fields, no texts where a closed set is meant."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import attrs

from moduledeploy.api.kinds import ModuleSource

PEER: Final = -1  # replicas: one on every base


class UpgradePolicy(StrEnum):
    """How a base gets from one revision to the next."""

    INSTALL_THEN_UNINSTALL = "install_then_uninstall"
    UNINSTALL_THEN_INSTALL = "uninstall_then_install"
    SCALEUP_THEN_SCALEDOWN = "scaleup_then_scaledown"


class SchedulingPolicy(StrEnum):
    """Which bases are taken first: the emptiest or the fullest."""

    SCATTER = "scatter"
    STACKING = "stacking"


class OnFailure(StrEnum):
    """What becomes of a rollout whose batch failed."""

    PAUSE = "pause"
    ABORT = "abort"
    ROLLBACK = "rollback"


@attrs.frozen
class Percent:
    """A share of the desired replicas, 0 to 100."""

    value: int

    def __str__(self) -> str:
        return f"{self.value}%"


DEFAULT_MAX_UNAVAILABLE: Final = Percent(25)  # as a Deployment's
DEFAULT_PROGRESS_DEADLINE_S: Final = 600  # likewise


@attrs.frozen
class ServiceStrategy:
    """The module Service: which port it shows and which port of the base it leads to."""

    port: int
    target_port: int | str


@attrs.frozen(kw_only=True)
class Strategy:
    """operationStrategy."""

    batch_count: int = 1
    use_beta: bool = False
    need_confirm: bool = False
    gray_time_s: int = 0
    upgrade_policy: UpgradePolicy = UpgradePolicy.INSTALL_THEN_UNINSTALL
    drain_s: int = 0
    on_failure: OnFailure = OnFailure.PAUSE
    failure_threshold: int = 0
    batch_scaling: bool = False
    service: ServiceStrategy | None = None


@attrs.frozen(kw_only=True)
class Template:
    """The module and the metadata of its Modules; two equal templates are one revision."""

    module: ModuleSource
    labels: Mapping[str, str] = attrs.field(factory=dict)
    annotations: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class DeploymentSpec:
    """ModuleDeployment.spec.

    replicas is PEER or the number of different bases; max_unavailable is a number of replicas or a percentage.
    """

    base_deployment: str
    replicas: int = 1
    template: Template
    pause: bool | None = None
    max_unavailable: int | Percent = DEFAULT_MAX_UNAVAILABLE
    min_ready_s: int = 0
    progress_deadline_s: int = DEFAULT_PROGRESS_DEADLINE_S
    revision_history_limit: int = 10
    confirm_batch_num: int | None = None
    strategy: Strategy = Strategy()
    scheduling: SchedulingPolicy = SchedulingPolicy.SCATTER

    @property
    def is_peer(self) -> bool:
        """One replica on every base."""
        return self.replicas == PEER


@attrs.frozen(kw_only=True)
class ReplicaSetSpec:
    """ModuleReplicaSet.spec."""

    base_deployment: str
    replicas: int = 1
    template: Template
    min_ready_s: int = 0
    scheduling: SchedulingPolicy = SchedulingPolicy.SCATTER
