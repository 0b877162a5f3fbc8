"""Pods of nodes that exist no more are deleted, as the pod garbage collector does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from moduledeploy.devcluster.controllers.feeds import Feed
    from moduledeploy.devcluster.local import LocalApi, Seen


class LostNodes:
    """Acts within the feed of nodes: a node that goes takes its pods with it, without grace."""

    def __init__(self, *, api: LocalApi, nodes: Feed, pods: Feed) -> None:
        self._api: Final = api
        self._pods: Final = pods
        nodes.add_handler(self._see_node)

    def _see_node(self, event: Seen) -> None:
        if event.change != "DELETED":
            return
        self._pods.pump()
        name = event.obj["metadata"]["name"]
        for (namespace, pod_name), pod in list(self._pods.objects.items()):
            if pod["spec"].get("nodeName") == name:
                self._api.delete("pods", pod_name, namespace=namespace, grace_s=0, uid=pod["metadata"]["uid"])
