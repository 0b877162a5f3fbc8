"""The API without HTTP, for the controllers that live in the same process.

Everything goes through the same admission, validation, defaulting, finalizer and history code as an HTTP request.
Calls are plain functions: they take effect before they return, so between two awaits a controller sees a world that
stands still.  Resources are named as `kubectl` would with the group: `"pods"`, `"deployments.apps"`,
`"modules.koupleless.alipay.com"`.

    with api.subscribe("pods") as pods:              # from now on; `pods.initial` is what is there already
        for pod in pods.initial: ...
        while True:
            for event in await pods.wait_events():   # never empty; in order, every change once
                event.change, event.obj, event.old   # "ADDED" | "MODIFIED" | "DELETED", new and former state
    api.create("pods", {...metadata.namespace...})   # -> the stored object
    api.patch("pods", "p1", {"status": {"phase": "Running"}}, namespace="ns", subresource="status")
    api.delete("pods", "p1", namespace="ns", grace_s=0)

Objects that come out are shared with the store and every other reader: NEVER change them.  Build new dicts, or start
from `copy_object(obj)`.  What goes in is copied first.  Refusals are `ApiError`s: `.code` 404, 409 (`.reason`
AlreadyExists or Conflict), 422.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

from moduledeploy.devcluster.deletion import DeleteOptions
from moduledeploy.devcluster.errors import ApiError, not_found
from moduledeploy.devcluster.storage import Change, Cursor, HistoryLostError, Object, Store, copy_object
from moduledeploy.devcluster.writes import WriteOptions, Writes

if TYPE_CHECKING:
    from collections.abc import Callable

    from moduledeploy.devcluster.resources import Resource

Propagation = Literal["Background", "Foreground", "Orphan"]


@attrs.frozen
class Seen:
    """One change as a controller sees it; `old` is None for ADDED, `obj` is the last state for DELETED."""

    change: Change
    obj: Object
    old: Object | None


@attrs.define(eq=False)
class Subscription:
    """Changes of one resource since the subscription began; `initial` is the state at that moment."""

    initial: list[Object]
    _cursor: Cursor
    _namespace: str | None

    def __enter__(self) -> Subscription:
        self._cursor.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._cursor.__exit__()

    def events_nowait(self) -> list[Seen]:
        """What happened since the last call, maybe nothing; raises HistoryLostError after 20 000 unread changes."""
        return [
            Seen(event.change, event.record.obj, event.previous.obj if event.previous else None)
            for event in self._cursor.read()
            if self._namespace is None or event.record.key[0] == self._namespace
        ]

    async def wait_events(self) -> list[Seen]:
        """The next changes, at least one."""
        while True:
            events = self.events_nowait()
            if events:
                return events
            await self._cursor.wake.wait()


@attrs.define(eq=False)
class LocalApi:
    """Reads and writes as a controller inside the cluster would, in the name of `manager`."""

    store: Store
    writes: Writes
    manager: str = "kube-controller-manager"

    def acting_as(self, manager: str) -> LocalApi:
        """The same API under another field manager's name (`kubelet`)."""
        return attrs.evolve(self, manager=manager)

    def resource(self, name: str) -> Resource:
        """The served resource of that name; raises ApiError 404."""
        resource = self.writes.register.by_table(name)
        if resource is None:
            raise not_found(name, "", "")
        return resource

    def find(self, resource: str, name: str, namespace: str = "") -> Object | None:
        """The object, or None."""
        record = self.store.get(resource, (namespace, name))
        return record.obj if record else None

    def get(self, resource: str, name: str, namespace: str = "") -> Object:
        """The object; raises ApiError 404."""
        served = self.resource(resource)
        found = self.find(resource, name, namespace)
        if found is None:
            raise not_found(served.plural, served.group, name)
        return found

    def list(
        self, resource: str, namespace: str | None = None, where: Callable[[Object], bool] | None = None
    ) -> list[Object]:
        """Objects sorted by namespace and name; all namespaces where none is given."""
        records = self.store.open(resource).in_order(namespace)
        return [record.obj for record in records if where is None or where(record.obj)]

    def create(self, resource: str, obj: Object) -> Object:
        """Create in `metadata.namespace`; `metadata.generateName` works too."""
        served = self.resource(resource)
        namespace = obj.get("metadata", {}).get("namespace", "")
        return self.writes.create(served, namespace, self._typed(served, obj), self._options())

    def update(self, resource: str, obj: Object, *, subresource: str = "") -> Object:
        """Replace; `metadata.resourceVersion` in `obj` is the precondition, without it the update always wins."""
        served = self.resource(resource)
        meta = obj["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        body = self._typed(served, obj)
        if not body["metadata"].get("resourceVersion"):
            body["metadata"]["resourceVersion"] = self.get(resource, key[1], key[0])["metadata"]["resourceVersion"]
        return self.writes.replace(served, key, body, self._options(subresource)).obj

    def update_status(self, resource: str, obj: Object) -> Object:
        """Replace the status subresource."""
        return self.update(resource, obj, subresource="status")

    def patch(self, resource: str, name: str, patch: Object, *, namespace: str = "", subresource: str = "") -> Object:
        """JSON merge patch; a patch that changes nothing writes nothing."""
        served = self.resource(resource)
        return self.writes.merge(served, (namespace, name), patch, self._options(subresource)).obj

    def delete(
        self,
        resource: str,
        name: str,
        *,
        namespace: str = "",
        propagation: Propagation | None = None,
        grace_s: int | None = None,
        uid: str | None = None,
    ) -> None:
        """Delete as `kubectl delete` would; a missing object is no error.

        With finalizers, or seconds of grace, the object is only marked.  `uid` is a precondition (ApiError 409).
        """
        served = self.resource(resource)
        options = DeleteOptions(grace_s=grace_s, propagation=propagation, uid=uid)
        try:
            self.writes.delete(served, (namespace, name), options)
        except ApiError as error:
            if error.code != 404:
                raise

    def subscribe(self, resource: str, namespace: str | None = None) -> Subscription:
        """Follow one resource; enter it at once, events count from this call."""
        table = self.store.open(resource)
        initial = [record.obj for record in table.in_order(namespace)]
        return Subscription(initial, Cursor(table, self.store.version), namespace)

    def _typed(self, served: Resource, obj: Object) -> Object:
        return {"apiVersion": served.api_version, "kind": served.kind, **copy_object(obj)}

    def _options(self, subresource: str = "") -> WriteOptions:
        return WriteOptions(manager=self.manager, subresource=subresource)


__all__ = ["ApiError", "HistoryLostError", "LocalApi", "Propagation", "Seen", "Subscription", "copy_object"]
