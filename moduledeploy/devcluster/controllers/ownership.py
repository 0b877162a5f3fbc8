"""Who controls what: an index of objects by their controller, and the claim on objects that have none."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from moduledeploy.devcluster.controllers.feeds import key_of
from moduledeploy.devcluster.selectors import matches_label_selector

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moduledeploy.devcluster.controllers.feeds import Feed
    from moduledeploy.devcluster.local import LocalApi, Seen
    from moduledeploy.devcluster.storage import Key, Object


def controller_of(obj: Object) -> dict[str, Any] | None:
    """The owner reference that controls an object."""
    return next((owner for owner in obj["metadata"].get("ownerReferences") or [] if owner.get("controller")), None)


def controller_reference(owner: Object) -> dict[str, Any]:
    """The reference by which `owner` controls."""
    meta = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


class Controlled:
    """Objects of one resource by the UID of their controller, and by namespace those without one."""

    def __init__(self) -> None:
        self._by_owner: Final[defaultdict[str, dict[Key, Object]]] = defaultdict(dict)
        self._orphans: Final[defaultdict[str, dict[Key, Object]]] = defaultdict(dict)

    def apply(self, event: Seen) -> None:
        """Take in a change; give it to `Feed.add_handler`."""
        key = key_of(event.obj)
        if event.old is not None:
            self._place(event.old).pop(key, None)
        if event.change != "DELETED":
            self._place(event.obj)[key] = event.obj

    def of(self, uid: str) -> dict[Key, Object]:
        """What the owner controls; not to be changed."""
        return self._by_owner.get(uid, {})

    def orphans(self, namespace: str) -> dict[Key, Object]:
        """What nobody controls."""
        return self._orphans.get(namespace, {})

    def _place(self, obj: Object) -> dict[Key, Object]:
        owner = controller_of(obj)
        return self._by_owner[owner["uid"]] if owner else self._orphans[obj["metadata"].get("namespace", "")]


def settle(api: LocalApi, resource: str, obj: Object, owners: Iterable[Object]) -> None:
    """Give an object that nobody controls to the owner that selects it, or release it from one that doesn't any more.

    `owners` are those of the object's namespace; what is being deleted takes nothing and gives nothing away.
    """
    controller, meta = controller_of(obj), obj["metadata"]
    if meta.get("deletionTimestamp"):
        return
    references = meta.get("ownerReferences") or []
    for owner in owners:
        if owner["metadata"].get("deletionTimestamp"):
            continue
        is_selected = matches_label_selector(owner["spec"]["selector"], meta.get("labels") or {})
        if controller is None and is_selected:
            references = [*references, controller_reference(owner)]
        elif controller is not None and controller["uid"] == owner["metadata"]["uid"] and not is_selected:
            references = [reference for reference in references if reference["uid"] != controller["uid"]]
        else:
            continue
        patch = {"metadata": {"ownerReferences": references or None}}
        api.patch(resource, meta["name"], patch, namespace=meta["namespace"])
        return


class Unsettled:
    """Objects that may have to change hands: new ones and relabelled ones, and orphans when a new owner comes.

    Give `apply` to the objects' feed, and `apply_owner` to the owners'.
    """

    def __init__(self, api: LocalApi, objects: Feed, owners: Feed, index: Controlled) -> None:
        self._api: Final = api
        self._objects: Final = objects
        self._owners: Final = owners
        self._index: Final = index
        self._keys: Final[set[Key]] = set()

    def apply(self, event: Seen) -> bool:
        """Take in a change of an object; whether it has to be looked at."""
        if event.change == "DELETED" or (event.old is not None and _identity(event.old) == _identity(event.obj)):
            return False
        self._keys.add(key_of(event.obj))
        return True

    def apply_owner(self, event: Seen) -> None:
        """Take in a change of an owner."""
        if event.old is None:
            self._keys.update(self._index.orphans(event.obj["metadata"]["namespace"]))

    def settle(self) -> None:
        """Look at all that were noted; feeds must be pumped before and after."""
        while self._keys:
            obj = self._objects.objects.get(self._keys.pop())
            if obj is not None:
                namespace, controller = obj["metadata"]["namespace"], controller_of(obj)
                named = self._owners.objects.get((namespace, controller["name"])) if controller else None
                everyone = (owner for key, owner in self._owners.objects.items() if key[0] == namespace)
                settle(self._api, self._objects.resource, obj, [named] if named else [] if controller else everyone)


def _identity(obj: Object) -> tuple[object, object]:
    return obj["metadata"].get("labels"), obj["metadata"].get("ownerReferences")
