"""Garbage collection: dependents follow their owners, by the three ways of deletion.

Follows pkg/controller/garbagecollector/garbagecollector.go (attemptToDeleteItem, orphanDependents).
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from moduledeploy.devcluster.controllers.feeds import Feeds, key_of
from moduledeploy.devcluster.controllers.podstate import is_terminating
from moduledeploy.devcluster.errors import ApiError
from moduledeploy.devcluster.local import Seen
from moduledeploy.kube.worker import Done

if TYPE_CHECKING:
    from collections.abc import Callable

    from moduledeploy.devcluster.local import LocalApi, Propagation
    from moduledeploy.devcluster.resources import Resource
    from moduledeploy.devcluster.storage import Key, Object
    from moduledeploy.kube.queue import Queue

_DEFINITIONS: Final = "customresourcedefinitions.apiextensions.k8s.io"
_IGNORED: Final = frozenset({"events"})  # as the real one: too many, and nobody owns them
_REMEMBERED: Final = 500  # owners that have gone: the kind may go with its last object
_FOREGROUND: Final = "foregroundDeletion"
_ORPHAN: Final = "orphan"
_OwnerState = Literal["solid", "waiting", "dangling"]


class Item(NamedTuple):
    """An object that may have to go."""

    resource: str
    key: Key


class Garbage:
    """Deletes what lost its last owner, and holds owners that wait for their dependents."""

    def __init__(self, *, api: LocalApi, feeds: Feeds, queue: Queue[Item]) -> None:
        self._api: Final = api
        self._feeds: Final = feeds
        self._queue: Final = queue
        self._alive: Final[dict[str, Item]] = {}
        self._dependents: Final[defaultdict[str, set[Item]]] = defaultdict(set)
        self._followed: Final[set[str]] = set()
        self._gone: Final[deque[tuple[str, ...]]] = deque(maxlen=_REMEMBERED)
        self._follow_all()
        feeds.get(_DEFINITIONS).add_handler(lambda _: self._follow_all())

    def _follow_all(self) -> None:
        """Follow every resource that is served now, and those no longer which have gone with their definition."""
        served = {
            resource.table
            for resource in self._api.writes.register
            if {"list", "delete"} <= set(resource.verbs) and resource.table not in _IGNORED
        }
        for resource in sorted(served | self._followed):
            if resource in served and resource in self._followed and self._feeds.is_current(resource):
                continue
            see = self._seer(resource)
            if resource in self._followed:
                self._followed.remove(resource)
                for obj in self._feeds.drop(resource):
                    see(Seen("DELETED", obj, obj))
            if resource in served:
                self._followed.add(resource)
                self._feeds.get(resource).add_handler(see)

    def _seer(self, resource: str) -> Callable[[Seen], None]:
        return lambda event: self._see(resource, event)

    def _see(self, resource: str, event: Seen) -> None:
        item, meta = Item(resource, key_of(event.obj)), event.obj["metadata"]
        before, after = _owner_uids(event.old), _owner_uids(event.obj if event.change != "DELETED" else None)
        for uid in before - after:
            self._dependents[uid].discard(item)
            self._look_at_owner(uid)
        for uid in after - before:
            self._dependents[uid].add(item)
        if event.change == "DELETED":
            self._alive.pop(meta["uid"], None)
            if meta["uid"] in self._dependents:
                self._gone.append(_coordinates(event.obj, meta))
            for dependent in self._dependents.pop(meta["uid"], ()):
                self._queue.add(dependent)
            return
        self._alive[meta["uid"]] = item
        if _is_held(event.obj) or not all(
            self._is_kept_by(reference, item)
            for reference in meta.get("ownerReferences") or []
            if reference["uid"] not in before
        ):
            self._queue.add(item)

    def _is_kept_by(self, reference: Object, item: Item) -> bool:
        """Whether an owner is there to stay, as most are: then its dependent needs no look before the owner changes."""
        found = self._owner(reference, item.key[0])
        return found is not None and not is_terminating(found)

    def _owner(self, reference: Object, namespace: str) -> Object | None:
        """What a reference names, if it has the UID, too; one to another namespace or of another kind names nothing."""
        owner, served = self._alive.get(reference["uid"]), self._named_by(reference)
        if owner is None or served is None:
            return None
        named = Item(served.table, (namespace if served.namespaced else "", reference["name"]))
        return self._find(owner) if owner == named else None

    def _named_by(self, reference: Object) -> Resource | None:
        return self._api.writes.register.by_kind(reference["apiVersion"], reference["kind"])

    def _look_at_owner(self, uid: str) -> None:
        if (owner := self._alive.get(uid)) is not None:
            self._queue.add(owner)

    async def sync(self, item: Item) -> Done:
        """Do with one object what its owners and its own deletion ask for."""
        self._feeds.pump()
        obj = self._api.find(item.resource, item.key[1], item.key[0])
        if obj is None:
            return Done()
        try:
            if is_terminating(obj):
                self._release(item, obj)
            if not is_terminating(obj) or not _is_held(obj):
                self._collect(item, obj)
        except ApiError as error:
            if error.code not in {404, 409}:  # gone, or another object by now: its own change comes
                raise
        return Done()

    def _release(self, item: Item, obj: Object) -> None:
        """Let go of an owner that was deleted with its dependents in mind, once they have gone or been orphaned."""
        finalizers, uid = obj["metadata"].get("finalizers") or [], obj["metadata"]["uid"]
        dependents = sorted(self._dependents.get(uid, ()))
        if _ORPHAN in finalizers:
            for dependent in dependents:
                if (found := self._find(dependent)) is not None:
                    self._drop_owners(dependent, found, {uid})
            self._drop_finalizer(item, finalizers, _ORPHAN)
        elif _FOREGROUND in finalizers:
            held_by = [dependent for dependent in dependents if self._blocks(dependent, uid)]
            if not held_by:
                self._drop_finalizer(item, finalizers, _FOREGROUND)
            for dependent in dependents:
                self._queue.add(dependent)

    def _blocks(self, dependent: Item, uid: str) -> bool:
        found = self._find(dependent)
        references = found["metadata"].get("ownerReferences") or [] if found else []
        return any(reference["uid"] == uid and reference.get("blockOwnerDeletion") for reference in references)

    def _collect(self, item: Item, obj: Object) -> None:
        """Delete an object none of whose owners is there to stay."""
        references = obj["metadata"].get("ownerReferences") or []
        if not references or is_terminating(obj):
            return
        if any(self._named_by(owner) is None and _coordinates(owner, owner) not in self._gone for owner in references):
            return  # of a kind that isn't served nobody can say that it has gone
        states = {reference["uid"]: self._state(obj, reference) for reference in references}
        if "solid" in states.values():
            self._drop_owners(item, obj, {uid for uid, state in states.items() if state != "solid"})
            return
        finalizers = obj["metadata"].get("finalizers") or []
        dependents = self._dependents.get(obj["metadata"]["uid"], set())
        policy: Propagation = "Background"
        if _ORPHAN in finalizers:
            policy = "Orphan"
        elif _FOREGROUND in finalizers or ("waiting" in states.values() and dependents):
            policy = "Foreground"
            if any((found := self._find(dependent)) and _is_held(found) for dependent in dependents):
                # A circle: each would wait for the other.
                self._patch(item, {"ownerReferences": [{**owner, "blockOwnerDeletion": False} for owner in references]})
        self._api.delete(
            item.resource, item.key[1], namespace=item.key[0], propagation=policy, uid=obj["metadata"]["uid"]
        )

    def _state(self, obj: Object, reference: dict[str, Any]) -> _OwnerState:
        found = self._owner(reference, obj["metadata"].get("namespace", ""))
        if found is None:
            return "dangling"
        is_waiting = is_terminating(found) and _FOREGROUND in (found["metadata"].get("finalizers") or [])
        return "waiting" if is_waiting else "solid"

    def _drop_owners(self, item: Item, obj: Object, uids: set[str]) -> None:
        if uids:
            kept = [owner for owner in obj["metadata"].get("ownerReferences") or [] if owner["uid"] not in uids]
            self._patch(item, {"ownerReferences": kept or None})

    def _drop_finalizer(self, item: Item, finalizers: list[str], name: str) -> None:
        self._patch(item, {"finalizers": [finalizer for finalizer in finalizers if finalizer != name] or None})

    def _patch(self, item: Item, metadata: dict[str, Any]) -> None:
        self._api.patch(item.resource, item.key[1], {"metadata": metadata}, namespace=item.key[0])

    def _find(self, item: Item) -> Object | None:
        return self._api.find(item.resource, item.key[1], item.key[0])


def _coordinates(typed: Object, named: Object) -> tuple[str, ...]:
    return typed["apiVersion"], typed["kind"], named["name"], named["uid"]


def _owner_uids(obj: Object | None) -> set[str]:
    return {owner["uid"] for owner in obj["metadata"].get("ownerReferences") or []} if obj else set()


def _is_held(obj: Object) -> bool:
    return is_terminating(obj) and not {_FOREGROUND, _ORPHAN}.isdisjoint(obj["metadata"].get("finalizers") or [])
