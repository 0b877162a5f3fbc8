"""Status of a pod as its kubelet reports it: plain functions from what runs to what is written."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from moduledeploy.devcluster.bases.pods import Container, Pod


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
    first_started_at: str
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
    host = report.address if pod.spec.hostNetwork else "127.0.0.1"
    return {
        "phase": "Running",
        "hostIP": host,
        "hostIPs": [{"ip": host}],
        "podIP": report.address,
        "podIPs": [{"ip": report.address}],
        "startTime": pod.status.startTime or now,
        "conditions": _conditions(pod, report, now),
        "initContainerStatuses": [_init_status(pod, container, report) for container in pod.spec.initContainers],
        "containerStatuses": [_container_status(pod, container, report) for container in pod.spec.containers],
    }


def _container_status(pod: Pod, container: Container, report: Report) -> dict[str, Any]:
    """Of the containers the base alone is restarted and takes its time to be ready; those beside it just run."""
    is_base = container.name == pod.spec.base_container
    last_end = report.run.last_terminated if is_base else None
    return {
        **_named(pod, container),
        **({"containerID": report.run.container_id} if is_base else {}),
        "ready": report.is_ready or not is_base,
        "started": True,
        "restartCount": report.run.restarts if is_base else 0,
        "state": {"running": {"startedAt": report.run.started_at if is_base else report.first_started_at}},
        "lastState": {"terminated": last_end} if last_end else {},
    }


def _init_status(pod: Pod, container: Container, report: Report) -> dict[str, Any]:
    began, is_sidecar = report.first_started_at, container.restartPolicy == "Always"
    ended = {"exitCode": 0, "reason": "Completed", "startedAt": began, "finishedAt": began}
    named = _named(pod, container)
    return {
        **named,
        "ready": True,
        "started": is_sidecar,
        "restartCount": 0,
        "state": {"running": {"startedAt": began}}
        if is_sidecar
        else {"terminated": {**ended, "containerID": named["containerID"]}},
        "lastState": {},
    }


def _named(pod: Pod, container: Container) -> dict[str, Any]:
    return {
        "name": container.name,
        "image": container.image,
        "imageID": f"simulated://{container.image}",
        "containerID": f"simulated://{uuid.uuid5(uuid.UUID(int=0), pod.metadata.uid + container.name).hex}",
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
