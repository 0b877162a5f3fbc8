"""What the pool is told of a base."""

from __future__ import annotations

from enum import StrEnum

import attrs


class Obstacle(StrEnum):
    """Why a base takes no new module now, whatever the module; the value is the reason in metrics and events."""

    NOT_RUNNING = "BaseNotRunning"
    NOT_READY = "BaseNotReady"
    TERMINATING = "BaseTerminating"
    NO_ADDRESS = "BaseWithoutAddress"
    BAD_CAP_LABEL = "BadCapLabel"


@attrs.frozen(kw_only=True)
class Base:
    """One base pod as placement sees it.

    `cap` is the number of distinct modules it may hold, None for no limit. `is_newest` says that the pod belongs to the
    newest ReplicaSet of its Deployment: such bases outlive a rollout of the Deployment, so they are taken before others.
    """

    uid: str
    name: str
    cap: int | None = None
    obstacle: Obstacle | None = None
    is_newest: bool = True
