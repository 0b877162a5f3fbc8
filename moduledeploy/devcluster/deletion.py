"""How objects go: grace, finalizers, propagation, preconditions.

Follows the generic registry's Delete and BeforeDelete (registry/generic/registry/store.go, registry/rest/delete.go).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import attrs

from moduledeploy.devcluster.errors import INVALID, NOT_SUPPORTED, FieldError, conflict, invalid, not_found
from moduledeploy.devcluster.objectmeta import timestamp
from moduledeploy.devcluster.storage import Key, Object, copy_object

if TYPE_CHECKING:
    from moduledeploy.devcluster.resources import Resource
    from moduledeploy.devcluster.writes import Writes

CLEANUP: Final = "customresourcecleanup.apiextensions.k8s.io"  # holds a definition until its instances are gone
_POLICIES: Final = ("Foreground", "Background", "Orphan")


@attrs.frozen(kw_only=True)
class DeleteOptions:
    """What a delete request says; None is "not said"."""

    grace_s: int | None = None
    propagation: str | None = None
    orphan_dependents: bool | None = None
    uid: str | None = None
    version: str | None = None
    dry_run: bool = False


@attrs.frozen
class Deleted:
    """The last state of the object, and whether it is gone; `now` False means that it is marked and still there."""

    obj: Object
    now: bool


def validate(options: DeleteOptions) -> None:
    """Raises ApiError 422 for options that contradict each other or name no policy."""
    problems = []
    if options.propagation is not None and options.propagation not in _POLICIES:
        detail = f"supported values: {', '.join(_POLICIES)}"
        problems.append(FieldError(NOT_SUPPORTED, "propagationPolicy", options.propagation, detail))
    if options.propagation is not None and options.orphan_dependents is not None:
        detail = "orphanDependents and deletionPropagation cannot be both set"
        problems.append(FieldError(INVALID, "propagationPolicy", options.propagation, detail))
    if problems:
        raise invalid("DeleteOptions", "meta.k8s.io", "", problems)


def is_finished(new: Object, old: Object, plural: str) -> bool:
    """Whether this update takes away the last thing that kept a deleted object."""
    if plural == "namespaces" and new.get("spec", {}).get("finalizers"):
        return False
    if new["metadata"].get("finalizers"):
        return False
    return bool(old["metadata"].get("deletionGracePeriodSeconds") == 0)


def delete(writes: Writes, resource: Resource, key: Key, options: DeleteOptions) -> Deleted:
    """Delete, or mark for deletion what still has finalizers or grace; raises ApiError 404, 409, 422."""
    validate(options)
    record = writes.store.get(resource.table, key)
    if record is None:
        raise not_found(resource.plural, resource.group, key[1])
    _check_preconditions(resource, record.obj, options)
    obj = copy_object(record.obj)
    meta = obj["metadata"]
    if resource.plural == "customresourcedefinitions" and CLEANUP not in (meta.get("finalizers") or []):
        meta["finalizers"] = [*(meta.get("finalizers") or []), CLEANUP]
    graceful = _mark_graceful(resource, obj, options, writes.now())
    if graceful is None:
        return Deleted(record.obj, now=False)
    _set_propagation(meta, options)
    held = bool(meta.get("finalizers")) or (resource.plural == "namespaces" and bool(obj["spec"].get("finalizers")))
    if held and not meta.get("deletionTimestamp"):
        _mark(meta, writes.now())
    if resource.plural == "customresourcedefinitions":
        meta.pop("deletionGracePeriodSeconds", None)
    elif held and not graceful:
        meta["deletionGracePeriodSeconds"] = 0
    if resource.plural == "namespaces" and held:
        obj.setdefault("status", {})["phase"] = "Terminating"
    stays = held or meta.get("deletionGracePeriodSeconds", 0) > 0
    if options.dry_run:
        return Deleted(obj, now=not stays)
    if (graceful or held) and obj != record.obj:
        record = writes.store.put(resource.table, key, obj)
    if stays:
        return Deleted(record.obj, now=False)
    return Deleted(writes.store.remove(resource.table, key).obj, now=True)


def _check_preconditions(resource: Resource, obj: Object, options: DeleteOptions) -> None:
    for name, field, wanted in (("UID", "uid", options.uid), ("ResourceVersion", "resourceVersion", options.version)):
        actual = obj["metadata"].get(field)
        if wanted is not None and wanted != actual:
            why = f"the {name} in the precondition ({wanted}) does not match the {name} in record ({actual})."
            # The kind stands where the resource would be: so does a real server in this place alone.
            raise conflict(obj["kind"], resource.group, obj["metadata"]["name"], why)


def _mark(meta: Object, now: datetime) -> None:
    meta["deletionTimestamp"] = timestamp(now)
    meta["deletionGracePeriodSeconds"] = 0
    if meta.get("generation"):
        meta["generation"] += 1


def _mark_graceful(resource: Resource, obj: Object, options: DeleteOptions, now: datetime) -> bool | None:
    """True: marked with its grace; False: the kind has none; None: a longer or equal grace is running already."""
    meta = obj["metadata"]
    if not meta.get("deletionTimestamp"):
        grace = resource.strategy.grace(obj, options.grace_s)
        if grace is None:
            return False
        _mark(meta, now + timedelta(seconds=grace))
        meta["deletionGracePeriodSeconds"] = grace
        return True
    running = meta.get("deletionGracePeriodSeconds")
    if running is None or resource.strategy.grace(obj, options.grace_s) is None:
        return False
    if options.grace_s is None or options.grace_s >= running:
        return None
    until = datetime.strptime(meta["deletionTimestamp"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    meta["deletionTimestamp"] = timestamp(until + timedelta(seconds=options.grace_s - running))
    meta["deletionGracePeriodSeconds"] = options.grace_s
    return True


def _set_propagation(meta: Object, options: DeleteOptions) -> None:
    finalizers = list(meta.get("finalizers") or [])
    policy = options.propagation
    if policy is None and options.orphan_dependents is not None:
        policy = "Orphan" if options.orphan_dependents else "Background"
    if policy is None:  # what an earlier delete asked for stays
        return
    wanted = {"Orphan": "orphan", "Foreground": "foregroundDeletion"}.get(policy)
    finalizers = [f for f in finalizers if f not in {"orphan", "foregroundDeletion"} or f == wanted]
    if wanted and wanted not in finalizers:
        finalizers.append(wanted)
    if finalizers:
        meta["finalizers"] = finalizers
    else:
        meta.pop("finalizers", None)
