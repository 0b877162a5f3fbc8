"""An API server as a plain value: the operations that the controllers use, and a history that a test delivers when it likes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import attrs

from moduledeploy.api.names import MODULE, MODULE_DEPLOYMENT, MODULE_REPLICA_SET, ORPHAN_FINALIZER
from moduledeploy.kube.errors import AlreadyExists, ApiError, Conflict, Invalid, NotFound
from moduledeploy.kube.resources import JSON_PATCH, MERGE_PATCH, ObjectKey, Resource
from moduledeploy.kube.writer import Written

Body = dict[str, Any]
_WITH_STATUS = frozenset({MODULE, MODULE_DEPLOYMENT, MODULE_REPLICA_SET, "Pod"})


@attrs.frozen
class Event:
    """One step of one object's life; bodies are never changed after they are here."""

    version: int
    resource: Resource
    key: ObjectKey
    old: Body | None
    new: Body | None


def merge(target: Any, patch: Any) -> Any:
    """JSON merge patch (RFC 7386) into a new value."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


@attrs.define
class MemoryApi:
    """Objects with versions, UIDs, generations, finalizers, deletion, the status subresource and collection of what lost its owner.

    Every method is plain and takes effect before it returns; `writer.py`'s coroutines stand in `InMemoryWriter`.
    """

    wall: Callable[[], float]
    objects: dict[Resource, dict[ObjectKey, Body]] = attrs.field(factory=dict)
    history: list[Event] = attrs.field(factory=list)
    version: int = 100
    _uids: Iterator[int] = attrs.field(factory=lambda: itertools.count(1))

    def find(self, resource: Resource, name: str, namespace: str = "default") -> Body | None:
        return self.objects.get(resource, {}).get(ObjectKey(namespace, name))

    def get(self, resource: Resource, name: str, namespace: str = "default") -> Body:
        return self._get(resource, ObjectKey(namespace, name))

    def list(self, resource: Resource) -> list[Body]:
        return [body for _, body in sorted(self.objects.get(resource, {}).items())]

    def create(self, resource: Resource, namespace: str, body: Mapping[str, Any]) -> Body:
        key = ObjectKey(namespace, body["metadata"]["name"])
        if key in self.objects.get(resource, {}):
            raise AlreadyExists(f"{resource} {key} already exists", status=409, reason="AlreadyExists")
        number = next(self._uids)
        meta = {
            **body["metadata"],
            "namespace": namespace,
            "uid": f"{number:08x}-0000-4000-8000-000000000000",
            "generation": 1,
            "creationTimestamp": self._second(),
        }
        made = {**body, "apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta}
        if resource.kind in _WITH_STATUS - {"Pod"}:
            made.pop("status", None)
        return self._put(resource, key, made)

    def patch(self, resource: Resource, key: ObjectKey, body: Mapping[str, Any], subresource: str = "") -> Body:
        old = self._get(resource, key)
        meta = dict(body.get("metadata", {}))
        if subresource:
            meta.pop("uid", None)  # overlooked, as for any custom resource with a status
        self._check(old, meta, Invalid)
        return self._change(resource, key, merge(old, body), subresource)

    def _change(self, resource: Resource, key: ObjectKey, merged: Body, subresource: str) -> Body:
        old = self._get(resource, key)
        if resource.kind in _WITH_STATUS:
            merged = _part(old, merged, is_status=subresource == "status")
        kept = ("name", "namespace", "uid", "generation", "creationTimestamp", "deletionTimestamp", "resourceVersion")
        meta = {**merged["metadata"], **{name: old["metadata"][name] for name in kept if name in old["metadata"]}}
        merged = {**merged, "metadata": meta}
        if merged == old:
            return old
        if merged.get("spec") != old.get("spec"):
            merged["metadata"] = {**meta, "generation": meta["generation"] + 1}
        if meta.get("deletionTimestamp") and not meta.get("finalizers"):
            self._remove(resource, key)
            return merged
        return self._put(resource, key, merged)

    def patch_tested(self, resource: Resource, key: ObjectKey, operations: list[Body], subresource: str) -> Body:
        """A JSON patch of tests in metadata and of whole fields."""
        old = self._get(resource, key)
        fields: Body = {}
        for operation in operations:
            parent, _, name = operation["path"].removeprefix("/").rpartition("/")
            if operation["op"] == "test":
                if old[parent].get(name) != operation["value"]:
                    raise Invalid("the server rejected our request due to an error in our request", status=422)
            else:
                fields[name] = operation["value"]
        return self._change(resource, key, {**old, **fields}, subresource)

    def delete(self, resource: Resource, key: ObjectKey, uid: str | None = None) -> Body | None:
        """The marked object where a finalizer holds it, else None: it is gone."""
        old = self._get(resource, key)
        self._check(old, {"uid": uid} if uid is not None else {}, Conflict)
        meta = old["metadata"]
        if not meta.get("finalizers"):
            self._remove(resource, key)
            return None
        if meta.get("deletionTimestamp"):
            return old
        marked = {**meta, "deletionTimestamp": self._second(), "generation": meta["generation"] + 1}
        return self._put(resource, key, {**old, "metadata": marked})

    def collect(self) -> None:
        """Delete what has owners of which none is left; take those that are gone, and those that let go, from the rest."""
        for resource, kind in list(self.objects.items()):
            for key, body in list(kind.items()):
                if body["metadata"].get("deletionTimestamp") and ORPHAN_FINALIZER in body["metadata"]["finalizers"]:
                    self._orphan(resource, key, body["metadata"])
        while lost := [
            (resource, key) for resource, kind in self.objects.items() for key, body in kind.items() if self._lost(body)
        ]:
            for resource, key in lost:
                self.delete(resource, key)
        there = {body["metadata"]["uid"] for kind in self.objects.values() for body in kind.values()}
        for resource, kind in self.objects.items():
            for key, body in list(kind.items()):
                owners = body["metadata"].get("ownerReferences", [])
                left = [reference for reference in owners if reference["uid"] in there]
                if left not in (owners, []):
                    self.patch(resource, key, {"metadata": {"ownerReferences": left}})

    def _orphan(self, resource: Resource, key: ObjectKey, owner: Body) -> None:
        for of_kind, kind in self.objects.items():
            for name, body in list(kind.items()):
                owners = body["metadata"].get("ownerReferences", [])
                left = [reference for reference in owners if reference["uid"] != owner["uid"]]
                if left != owners:
                    self.patch(of_kind, name, {"metadata": {"ownerReferences": left}})
        finalizers = [finalizer for finalizer in owner["finalizers"] if finalizer != ORPHAN_FINALIZER]
        self.patch(resource, key, {"metadata": {"finalizers": finalizers}})

    def copy(self, wall: Callable[[], float]) -> MemoryApi:
        """The same content with a history that begins here."""
        objects = {resource: dict(kind) for resource, kind in self.objects.items()}
        return MemoryApi(wall, objects, [], self.version, itertools.count(self.version + 1_000_000))

    def _lost(self, body: Body) -> bool:
        meta = body["metadata"]
        owners = [owner["uid"] for owner in meta.get("ownerReferences", [])]
        if not owners or meta.get("deletionTimestamp"):
            return False
        there = {other["metadata"]["uid"] for kind in self.objects.values() for other in kind.values()}
        return not there.intersection(owners)

    def _get(self, resource: Resource, key: ObjectKey) -> Body:
        found = self.objects.get(resource, {}).get(key)
        if found is None:
            raise NotFound(f"{resource} {key} not found", status=404, reason="NotFound")
        return found

    @staticmethod
    def _check(old: Body, asked: Mapping[str, Any], of_another: type[ApiError]) -> None:
        meta = old["metadata"]
        if asked.get("resourceVersion") not in (None, meta["resourceVersion"]):
            raise Conflict("the object has been modified", status=409, reason="Conflict")
        if asked.get("uid") not in (None, meta["uid"]):
            raise of_another(f'metadata.uid: Invalid value: "{asked["uid"]}": field is immutable')

    def _put(self, resource: Resource, key: ObjectKey, body: Body) -> Body:
        self.version += 1
        body = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}
        kind = self.objects.setdefault(resource, {})
        old, kind[key] = kind.get(key), body
        self.history.append(Event(self.version, resource, key, old, body))
        return body

    def _remove(self, resource: Resource, key: ObjectKey) -> None:
        self.version += 1
        old = self.objects[resource].pop(key)
        self.history.append(Event(self.version, resource, key, old, None))

    def _second(self) -> str:
        return datetime.fromtimestamp(int(self.wall()), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _part(old: Body, merged: Body, *, is_status: bool) -> Body:
    """What a request may change: the status through its subresource, everything else without."""
    kept, given = (old, merged) if is_status else (merged, old)
    changed = {name: value for name, value in kept.items() if name != "status"}
    return {**changed, "status": given["status"]} if "status" in given else changed


@attrs.frozen
class InMemoryWriter:
    """The controllers' Writer over the API; `around` is told before and after each request and may raise."""

    api: MemoryApi
    around: Callable[[str], None] = lambda point: None

    async def create(self, resource: Resource, namespace: str, body: Mapping[str, Any]) -> Written:
        return self._send(f"create {resource.kind}", lambda: self.api.create(resource, namespace, body))

    async def patch(
        self,
        resource: Resource,
        key: ObjectKey,
        body: Any,
        *,
        subresource: str = "",
        content_type: str = MERGE_PATCH,
    ) -> Written:
        what = f"patch {resource.kind}{' ' if subresource else ''}{subresource}"
        if content_type == JSON_PATCH:
            return self._send(what, lambda: self.api.patch_tested(resource, key, body, subresource))
        return self._send(what, lambda: self.api.patch(resource, key, body, subresource))

    async def delete(self, resource: Resource, key: ObjectKey, *, uid: str | None = None) -> Written:
        return self._send(f"delete {resource.kind}", lambda: self.api.delete(resource, key, uid))

    def _send(self, what: str, request: Callable[[], Body | None]) -> Written:
        self.around(f"before {what}")
        body = request()
        self.around(f"after {what}")
        if body is None:
            return Written("", "", "")
        meta = body["metadata"]
        return Written(meta["name"], meta["uid"], meta["resourceVersion"])
