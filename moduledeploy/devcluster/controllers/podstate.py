"""What controllers read off a pod."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moduledeploy.devcluster.storage import Object


def condition(obj: Object, kind: str) -> dict[str, Any] | None:
    """The condition of that type."""
    return next((c for c in obj.get("status", {}).get("conditions") or [] if c["type"] == kind), None)


def is_ready(pod: Object) -> bool:
    """Whether its Ready condition is True."""
    ready = condition(pod, "Ready")
    return ready is not None and ready["status"] == "True"


def is_terminating(obj: Object) -> bool:
    """Whether it is marked for deletion."""
    return bool(obj["metadata"].get("deletionTimestamp"))


def has_ended(pod: Object) -> bool:
    """Whether its containers have stopped for good."""
    return pod.get("status", {}).get("phase") in {"Failed", "Succeeded"}


def is_active(pod: Object) -> bool:
    """Whether it counts as a replica."""
    return not has_ended(pod) and not is_terminating(pod)


def seconds_until_available(pod: Object, min_ready_s: int, now: float) -> float | None:
    """How long a ready pod has to stay so until it counts as available, 0 if it does; None for one that isn't ready."""
    if not is_ready(pod):
        return None
    ready = condition(pod, "Ready")
    since = ready.get("lastTransitionTime") if ready else None
    if min_ready_s == 0:
        return 0.0
    return max(0.0, min_ready_s - (now - epoch_s(since))) if since else float(min_ready_s)


def epoch_s(stamp: str) -> float:
    """Seconds since the epoch of a timestamp of whole seconds."""
    return datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()


def deletion_rank(pod: Object) -> tuple[object, ...]:
    """Order in which pods go when there are too many: the least useful first.

    As client-go's controller utilities rank them: without a node, not running, not ready, cheaper to delete, ready for a
    shorter time, restarted more often, younger.
    """
    meta, status = pod["metadata"], pod.get("status", {})
    ready = condition(pod, "Ready")
    restarts = max((c.get("restartCount", 0) for c in status.get("containerStatuses") or []), default=0)
    cost = (meta.get("annotations") or {}).get("controller.kubernetes.io/pod-deletion-cost", "0")
    return (
        bool(pod["spec"].get("nodeName")),
        {"Pending": 0, "Unknown": 1}.get(status.get("phase", "Pending"), 2),
        is_ready(pod),
        int(cost) if cost.removeprefix("-").isdigit() else 0,
        _reverse(ready.get("lastTransitionTime") or "" if ready else ""),
        -restarts,
        _reverse(meta["creationTimestamp"]),
    )


def _reverse(stamp: str) -> tuple[int, ...]:
    return tuple(-ord(letter) for letter in stamp)
