"""Terse makers of a small cluster, as `kubectl get … -o yaml` would show it."""

from __future__ import annotations

from typing import Any

T0 = "2026-01-02T03:04:05Z"
GROUP = "koupleless.alipay.com"


def deployment(name: str = "orders", version: str = "1.0.0", *, replicas: int = 4, **spec: Any) -> dict[str, Any]:
    """A ModuleDeployment."""
    module = {"name": name, "version": version, "url": f"https://repo.example.com/{name}-{version}-ark-biz.jar"}
    return {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "ModuleDeployment",
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}", "creationTimestamp": T0},
        "spec": {
            "baseDeploymentName": "base",
            "replicas": replicas,
            "template": {"spec": {"module": module}},
            **spec,
        },
    }


def bases(count: int, *, cap: int | None = None, rolling: bool = False) -> list[dict[str, Any]]:
    """A base Deployment with its ReplicaSet and so many Ready pods b0, b1, …"""
    labels = {"app": "base"} | ({f"{GROUP}/max-module-count": str(cap)} if cap is not None else {})
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "base", "uid": "uid-base", "controller": True}
    of_set = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "base-1", "uid": "uid-base-1", "controller": True}
    status = {"observedGeneration": 1, "replicas": count, "updatedReplicas": count - 1 if rolling else count}
    found: list[dict[str, Any]] = [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "base", "namespace": "default", "uid": "uid-base", "generation": 1},
            "spec": {"replicas": count},
            "status": status,
        },
        {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": "base-1",
                "namespace": "default",
                "uid": "uid-base-1",
                "annotations": {"deployment.kubernetes.io/revision": "1"},
                "ownerReferences": [owner],
            },
            "spec": {},
        },
    ]
    return found + [_pod(f"b{number}", labels, of_set) for number in range(count)]


def _pod(name: str, labels: dict[str, str], owner: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": f"{name * 4}-uid",
            "labels": labels,
            "ownerReferences": [owner],
        },
        "spec": {"containers": [{"name": "base"}]},
        "status": {
            "phase": "Running",
            "podIP": "10.0.0.1",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": T0}],
        },
    }


def family(
    version: str = "1.0.0", *, on: int, name: str = "orders", number: int = 1, status: str = "Available", **fields: Any
) -> list[dict[str, Any]]:
    """A completed ModuleReplicaSet of a ModuleDeployment with a Module on each of the first bases."""
    mrs, template = f"{name}-r{number}", deployment(name, version)["spec"]["template"]
    labels = {f"{GROUP}/revision": str(number), f"{GROUP}/module-deployment": name}
    owner = {"kind": "ModuleDeployment", "name": name, "uid": f"uid-{name}", "controller": True}
    replica_set = {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "ModuleReplicaSet",
        "metadata": {
            "name": mrs,
            "namespace": "default",
            "uid": f"uid-{mrs}",
            "creationTimestamp": T0,
            "labels": labels,
            "ownerReferences": [owner],
        },
        "spec": {"baseDeploymentName": "base", "replicas": on, "template": template},
    }
    held = {"kind": "ModuleReplicaSet", "name": mrs, "uid": f"uid-{mrs}", "controller": True}
    modules = [
        {
            "apiVersion": f"{GROUP}/v1alpha1",
            "kind": "Module",
            "metadata": {
                "name": f"{mrs}-{base}",
                "namespace": "default",
                "uid": f"uid-{mrs}-{base}",
                "creationTimestamp": T0,
                "labels": labels,
                "annotations": {f"{GROUP}/batch": f"{number}/1"},
                "ownerReferences": [held],
            },
            "spec": {"module": template["spec"]["module"], "base": {"name": base, "uid": f"{base * 4}-uid"}},
            "status": {"status": status, "activeSince": T0, "slotActiveSince": T0, **fields},
        }
        for base in (f"b{at}" for at in range(on))
    ]
    return [replica_set, *modules]


def completed(name: str = "orders", number: int = 1, replicas: int = 4, **release: Any) -> dict[str, Any]:
    """The status of a rollout that completed."""
    return {
        "observedGeneration": 0,
        "replicas": replicas,
        "desiredReplicas": replicas,
        "updatedReplicas": replicas,
        "readyReplicas": replicas,
        "availableReplicas": replicas,
        "updatedAvailableReplicas": replicas,
        "releaseStatus": {
            "updateRevision": f"{name}-r{number}",
            "completedRevision": f"{name}-r{number}",
            "kind": "Deploy",
            "batches": [replicas],
            "currentBatch": 1,
            "progress": "Completed",
            "batchProgress": "Completed",
            "startedAt": T0,
            "lastTransitionTime": T0,
            **release,
        },
    }
