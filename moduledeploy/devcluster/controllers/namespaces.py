"""Namespaces: a default service account in each, and the end of one with everything in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from moduledeploy.devcluster.controllers.feeds import Feed, key_of
from moduledeploy.devcluster.controllers.podstate import is_terminating
from moduledeploy.devcluster.errors import ApiError
from moduledeploy.devcluster.subresources import finalize
from moduledeploy.devcluster.writes import WriteOptions
from moduledeploy.kube.worker import Done, RequeueAfter

if TYPE_CHECKING:
    from moduledeploy.devcluster.local import LocalApi, Seen
    from moduledeploy.devcluster.storage import Key, Object
    from moduledeploy.kube.queue import Queue

_FINALIZER: Final = "kubernetes"
_LOOK_AGAIN_S: Final = 0.2  # while pods shut down and finalizers are worked off


class Namespaces:
    """Equips new namespaces, empties and removes deleted ones."""

    def __init__(self, *, api: LocalApi, namespaces: Feed, accounts: Feed, queue: Queue[Key]) -> None:
        self._api: Final = api
        self._namespaces: Final = namespaces
        self._queue: Final = queue
        namespaces.add_handler(lambda event: queue.add(key_of(event.obj)))
        accounts.add_handler(self._see_account)

    def _see_account(self, event: Seen) -> None:
        if event.change == "DELETED" and event.obj["metadata"]["name"] == "default":
            self._queue.add(("", event.obj["metadata"]["namespace"]))

    async def sync(self, key: Key) -> Done | RequeueAfter:
        """Bring one namespace to where it should be."""
        self._namespaces.pump()
        namespace = self._namespaces.objects.get(key)
        if namespace is None:
            return Done()
        if not is_terminating(namespace):
            self._equip(key[1])
            return Done()
        if _FINALIZER not in namespace["spec"].get("finalizers", []):
            return Done()
        if left := self._empty(key[1]):
            self._tell_left(namespace, left)
            return RequeueAfter(_LOOK_AGAIN_S)
        finalizers = [name for name in namespace["spec"]["finalizers"] if name != _FINALIZER]
        finalized = {**namespace, "spec": {**namespace["spec"], "finalizers": finalizers}}
        options = WriteOptions(manager=self._api.manager)
        finalize(self._api.writes, self._api.resource("namespaces"), key[1], finalized, options)
        return Done()

    def _equip(self, name: str) -> None:
        if self._api.find("serviceaccounts", "default", name) is None:
            self._api.create("serviceaccounts", {"metadata": {"name": "default", "namespace": name}})

    def _empty(self, name: str) -> dict[str, int]:
        """Delete what is in the namespace; how many objects of which resource are still there."""
        left: dict[str, int] = {}
        resources = {r.table for r in self._api.writes.register if r.namespaced and {"list", "delete"} <= set(r.verbs)}
        for resource in sorted(resources):
            for obj in self._api.list(resource, name):
                if not is_terminating(obj):
                    self._delete(resource, obj)
            if count := len(self._api.list(resource, name)):
                left[resource] = count
        return left

    def _delete(self, resource: str, obj: Object) -> None:
        meta = obj["metadata"]
        try:
            self._api.delete(resource, meta["name"], namespace=meta["namespace"], propagation="Background")
        except ApiError as error:
            if error.code != 409:
                raise

    def _tell_left(self, namespace: Object, left: dict[str, int]) -> None:
        text = ", ".join(f"{resource} has {count} resource instances" for resource, count in left.items())
        held = namespace.get("status", {}).get("conditions") or []
        wanted: dict[str, Any] = {
            "type": "NamespaceContentRemaining",
            "status": "True",
            "reason": "SomeResourcesRemain",
            "message": f"Some resources are remaining: {text}",
        }
        if any(wanted.items() <= condition.items() for condition in held):
            return
        now = self._api.writes.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        others = [condition for condition in held if condition["type"] != wanted["type"]]
        status = {"conditions": [*others, {**wanted, "lastTransitionTime": now}]}
        self._api.patch("namespaces", namespace["metadata"]["name"], {"status": status}, subresource="status")
