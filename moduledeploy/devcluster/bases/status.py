"""Status of a pod as its kubelet reports it: plain functions from what runs to what is written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from moduledeploy.devcluster.bases.pods import Pod


def timestamp(epoch_s: float) -> str:
    """An instant as the API writes it: UTC, whole seconds."""
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@attrs.frozen(kw_only=True)
class Run:
    """One run of a pod's containers; a restart is a new run with the last one's end in it."""

    container_id: str
    started_at: str
    restarts: int = 0
    last_terminated: dict[str, Any] | None = None


@attrs.frozen(kw_only=True)
class Report:
    """What a kubelet tells of a running pod."""

    address: str
    run: Run
    is_ready: bool
    unready_reason: str = "ContainersNotReady"


def terminated(run: Run, *, at: str, reason: str, exit_code: int) -> dict[str, Any]:
    """The end of a run."""
    return {
        "containerID": run.container_id,
        "exitCode": exit_code,
        "reason": reason,
        "startedAt": run.started_at,
        "finishedAt": at,
    }


def running_status(pod: Pod, report: Report, *, now: str) -> dict[str, Any]:
    """The status of a pod whose containers run, ready or not; conditions that stay as they are keep their time."""
    return {
        "phase": "Running",
        "hostIP": "127.0.0.1",
        "hostIPs": [{"ip": "127.0.0.1"}],
        "podIP": report.address,
        "podIPs": [{"ip": report.address}],
        "startTime": pod.status.startTime or now,
        "conditions": _conditions(pod, report, now),
        "containerStatuses": [
            {
                "name": container.name,
                "image": container.image,
                "imageID": f"simulated://{container.image}",
                "containerID": report.run.container_id,
                "ready": report.is_ready,
                "started": True,
                "restartCount": report.run.restarts,
                "state": {"running": {"startedAt": report.run.started_at}},
                "lastState": {"terminated": report.run.last_terminated} if report.run.last_terminated else {},
            }
            for container in pod.spec.containers
        ],
    }


def evicted_status(pod: Pod, *, now: str) -> dict[str, Any]:
    """The status of a pod that its node threw out: nothing is known of its containers any more."""
    unready = {"status": "False", "reason": "PodFailed", "lastTransitionTime": now}
    conditions = [
        {**condition, **unready} if condition["type"] in {"Ready", "ContainersReady"} else condition
        for condition in pod.status.conditions
    ]
    return {
        "phase": "Failed",
        "reason": "Evicted",
        "message": "The node was low on resource: memory.",
        "conditions": conditions,
        "containerStatuses": [],
    }


def _conditions(pod: Pod, report: Report, now: str) -> list[dict[str, Any]]:
    reason = "" if report.is_ready else report.unready_reason
    wanted = {
        "PodReadyToStartContainers": ("True", ""),
        "Initialized": ("True", ""),
        "Ready": ("True" if report.is_ready else "False", reason),
        "ContainersReady": ("True" if report.is_ready else "False", reason),
        "PodScheduled": ("True", ""),
    }
    before = {condition["type"]: condition for condition in pod.status.conditions}
    others = [condition for kind, condition in before.items() if kind not in wanted]
    return others + [_condition(kind, *wanted[kind], before.get(kind), now) for kind in wanted]


def _condition(kind: str, status: str, reason: str, before: dict[str, Any] | None, now: str) -> dict[str, Any]:
    changed_at = before.get("lastTransitionTime") if before and before.get("status") == status else None
    condition = {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": changed_at or now}
    return {**condition, "reason": reason} if reason else condition
