"""What one base's kubelet does beyond the ordinary, asked for by annotations on the pod.

`devcluster.koupleless.alipay.com/<switch>`:

    start-delay   seconds from its start until a container is Ready (else what the cluster was started with)
    stop-delay    seconds from deletion until the pod is gone, its grace period at most
    restart       any value; whenever it changes the container is restarted: new containerID, modules lost
    not-ready     true: the readiness probe fails, though Arklet answers
    evict         true: the pod is evicted: Failed, to be replaced by its ReplicaSet

On a Node `lost: "true"` cuts off all its pods: NotReady, no answer from Arklet, deletions not carried out.
The switches of the simulated Arklet are listed in `moduledeploy.devcluster.arklet.behaviour`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from moduledeploy.devcluster.arklet.behaviour import (
    PREFIX,
    AnnotationError,
    Behaviour,
    behaviour_from_annotations,
    read_flag,
    read_seconds,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Switches:
    """The switches of one pod."""

    start_delay_s: float | None = None
    stop_delay_s: float | None = None
    restart: str = ""
    not_ready: bool = False
    evict: bool = False
    behaviour: Behaviour = attrs.field(factory=Behaviour)


def switches_from_annotations(annotations: Mapping[str, str]) -> Switches:
    """The switches that a pod's annotations ask for; raises `AnnotationError` for a value that can't be."""
    return Switches(
        start_delay_s=_read(annotations, "start-delay", read_seconds),
        stop_delay_s=_read(annotations, "stop-delay", read_seconds),
        restart=annotations.get(PREFIX + "restart", ""),
        not_ready=_read(annotations, "not-ready", read_flag) or False,
        evict=_read(annotations, "evict", read_flag) or False,
        behaviour=behaviour_from_annotations(annotations),
    )


def _read(annotations: Mapping[str, str], switch: str, read: Callable[[str], T]) -> T | None:
    if (text := annotations.get(PREFIX + switch)) is None:
        return None
    try:
        return read(text)
    except ValueError as error:
        raise AnnotationError(f"annotation {PREFIX}{switch}: {text!r} is not {error}") from error
