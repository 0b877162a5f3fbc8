"""Nodes for the pods: objects without a machine, so that whatever looks for a pod's node finds one."""

from __future__ import annotations

from typing import Any, Final

_CAPACITY: Final = {"cpu": "64", "memory": "256Gi", "pods": "10000"}


def node_names(count: int) -> list[str]:
    """The names of the nodes that pods without one are spread over."""
    return [f"simulated-{number}" for number in range(1, count + 1)]


def node_object(name: str) -> dict[str, Any]:
    """A new node."""
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "type": "simulated"}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


def node_status(*, is_lost: bool, now: str) -> dict[str, Any]:
    """The status of a node; a lost one is Unknown, as the node life cycle controller marks it."""
    status, reason = ("Unknown", "NodeStatusUnknown") if is_lost else ("True", "KubeletReady")
    ready = {"type": "Ready", "status": status, "reason": reason, "lastHeartbeatTime": now, "lastTransitionTime": now}
    return {
        "conditions": [ready],
        "capacity": _CAPACITY,
        "allocatable": _CAPACITY,
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "nodeInfo": {
            "kubeletVersion": "v1.36.2-simulated",
            "operatingSystem": "linux",
            "architecture": "amd64",
            "containerRuntimeVersion": "simulated://1",
            "osImage": "simulated",
            "kernelVersion": "simulated",
            "kubeProxyVersion": "",
            "machineID": "",
            "systemUUID": "",
            "bootID": "",
        },
    }
