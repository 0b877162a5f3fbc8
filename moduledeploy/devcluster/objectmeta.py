"""The rules for `metadata`, the same for every kind.

Follows k8s.io/apimachinery api/validation (objectmeta.go) and the generic registry's BeforeCreate and BeforeUpdate.
"""

from __future__ import annotations

import random
import uuid
from typing import TYPE_CHECKING, Any, Final

import attrs

from moduledeploy.devcluster.builtin_types import NOTATION
from moduledeploy.devcluster.errors import (
    FORBIDDEN,
    INVALID,
    REQUIRED,
    TOO_LONG,
    FieldError,
    bad_request,
)
from moduledeploy.devcluster.gotypes import Field, Types
from moduledeploy.devcluster.names import NAME_RULES, label_value_problem, qualified_name_problem

if TYPE_CHECKING:
    from datetime import datetime

    from moduledeploy.devcluster.gotypes import Reading, Type
    from moduledeploy.devcluster.resources import Resource
    from moduledeploy.devcluster.storage import Object

_SUFFIX_LETTERS: Final = "bcdfghjklmnpqrstvwxz2456789"  # apiserver names.go: no vowels, nothing that looks alike
_MAX_GENERATED: Final = 63
_MAX_ANNOTATIONS: Final = 256 * 1024
_IMMUTABLE: Final = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")
_ORDER: Final = (
    "name", "generateName", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp",
    "deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations", "ownerReferences", "finalizers",
    "managedFields",
)  # fmt: skip
_TYPE: Final = Types.parse(NOTATION).structs["ObjectMeta"]
OWN_FINALIZERS: Final = ("kubernetes", "orphan", "foregroundDeletion")
_DUPLICATE_OWNERS: Final = (
    ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, "
    "and may reject such requests as early as 1.24; please fix your requests;"
)


def timestamp(now: datetime) -> str:
    """An instant as metadata writes it: UTC, whole seconds."""
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def generate_name(prefix: str) -> str:
    """The prefix with five random letters, cut to fit 63 characters."""
    suffix = "".join(random.choices(_SUFFIX_LETTERS, k=5))  # noqa: S311 - a name, no secret
    return prefix[: _MAX_GENERATED - 5] + suffix


def check_name(given: str | None, wanted: str) -> None:
    """Raises ApiError 400 unless a body names the object that the path names."""
    if not given:
        raise bad_request(f"the name of the object ({wanted} based on URL) was undeterminable: name must be provided")
    if given != wanted:
        raise bad_request(f"the name of the object ({given}) does not match the name on the URL ({wanted})")


def wipe(meta: Object) -> None:
    """What a POST can't bring; other ways of creation let it pass."""
    for field in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
        meta.pop(field, None)


def fill_new(meta: Object, now: datetime) -> None:
    """What the system sets at creation; whatever the client sent of it is lost."""
    meta["creationTimestamp"] = timestamp(now)
    meta["uid"] = str(uuid.uuid4())
    if meta.get("generateName") and not meta.get("name"):
        meta["name"] = generate_name(meta["generateName"])


def carry_over(new: Object, old: Object) -> None:
    """What an update may leave out and can't change by leaving it out, and what it can't change at all."""
    for field in ("uid", "namespace", "deletionGracePeriodSeconds"):
        if field in old and not new.get(field):
            new[field] = old[field]
    if "deletionTimestamp" in old:
        new["deletionTimestamp"] = old["deletionTimestamp"]
    new["creationTimestamp"] = old["creationTimestamp"]
    if "generation" in old:
        new["generation"] = old["generation"]
    else:
        new.pop("generation", None)
    new.pop("selfLink", None)


def tidy(meta: Object) -> Object:
    """The metadata as a real server writes it: fields in Go's order, without empty ones."""
    return {field: meta[field] for field in _ORDER if meta.get(field) not in (None, "", {}, [])}


def check_types(meta: Any, reading: Reading) -> Object:
    """`metadata` with known fields only, in Go's form; raises ApiError 400 where a field has the wrong type."""
    if meta is None:
        return {}
    if not isinstance(meta, dict):
        raise bad_request("metadata: expected an object")
    return reading.struct(meta, _TYPE, "metadata.")


def with_metadata(struct: Type) -> Type:
    """The type of a whole object, from the type of what it has besides its metadata."""
    metadata = Field(name="metadata", type=_TYPE, pointer=False, always=True)
    return attrs.evolve(struct, fields={**struct.fields, "metadata": metadata})


def dedup_owners(meta: Object) -> tuple[str, ...]:
    """Take out references that stand twice, in place; the warning for it."""
    owners = meta.get("ownerReferences") or []
    unique: list[Object] = []
    repeated: list[str] = []
    for owner in owners:
        if owner in unique:
            repeated.append(owner["uid"])
        else:
            unique.append(owner)
    if not repeated:
        return ()
    meta["ownerReferences"] = unique
    return (f"{_DUPLICATE_OWNERS} duplicate UID(s) observed: {', '.join(dict.fromkeys(repeated))}",)


def validate_new(meta: Object, resource: Resource) -> list[FieldError]:
    """Problems of the metadata of an object to be created."""
    problems: list[FieldError] = []
    rule = NAME_RULES[resource.name_rule]
    prefix = meta.get("generateName", "")
    # A trailing hyphen is what the suffix follows: with the letter before it, it counts as a letter.
    masked = prefix[:-2] + "a" if len(prefix) > 1 and prefix.endswith("-") else prefix
    if prefix and (problem := rule(masked)):
        problems.append(FieldError(INVALID, "metadata.generateName", prefix, problem))
    name = meta.get("name", "")
    if not name:
        problems.append(FieldError(REQUIRED, "metadata.name", None, "name or generateName is required"))
    elif problem := rule(name):
        problems.append(FieldError(INVALID, "metadata.name", name, problem))
    if resource.namespaced and not meta.get("namespace"):
        problems.append(FieldError(REQUIRED, "metadata.namespace"))
    if not resource.namespaced and meta.get("namespace"):
        problems.append(FieldError(FORBIDDEN, "metadata.namespace", None, "not allowed on this type"))
    return problems + validate_common(meta)


def validate_common(meta: Object) -> list[FieldError]:
    """Labels, annotations, owner references and finalizers."""
    problems = label_problems(meta.get("labels") or {}, "metadata.labels")
    problems += _annotation_problems(meta.get("annotations") or {}) + annotations_too_long(meta)
    problems += _owner_problems(meta.get("ownerReferences") or [])
    finalizers = meta.get("finalizers") or []
    for finalizer in finalizers:
        if problem := qualified_name_problem(finalizer):
            problems.append(FieldError(INVALID, "metadata.finalizers", finalizer, problem))
    if {"orphan", "foregroundDeletion"} <= set(finalizers):
        detail = "finalizer orphan and foregroundDeletion cannot be both set"
        problems.append(FieldError(INVALID, "metadata.finalizers", finalizers, detail))
    return problems


def unqualified_finalizers(meta: Object) -> list[FieldError]:
    """Finalizers of a built-in kind that are neither Kubernetes' own nor somebody's by name."""
    detail = "name is neither a standard finalizer name nor is it fully qualified"
    return [
        FieldError(INVALID, f"metadata.finalizers[{index}]", finalizer, detail)
        for index, finalizer in enumerate(meta.get("finalizers") or [])
        if "/" not in finalizer and finalizer not in OWN_FINALIZERS
    ]


def label_problems(labels: Object, path: str) -> list[FieldError]:
    """Keys and values that can't be labels, all under one path as a real server reports them."""
    problems = []
    for key, value in labels.items():
        if problem := qualified_name_problem(key):
            problems.append(FieldError(INVALID, path, key, problem))
        if problem := label_value_problem(value or ""):
            problems.append(FieldError(INVALID, path, value, problem))
    return problems


def _annotation_problems(annotations: Object) -> list[FieldError]:
    return [
        FieldError(INVALID, "metadata.annotations", key, problem)
        for key in annotations
        if (problem := qualified_name_problem(key.lower()))
    ]


def annotations_too_long(meta: Object) -> list[FieldError]:
    """The problem of annotations that are too much together."""
    size = sum(
        len(key.encode()) + len((value or "").encode()) for key, value in (meta.get("annotations") or {}).items()
    )
    if size <= _MAX_ANNOTATIONS:
        return []
    return [FieldError(TOO_LONG, "metadata.annotations", None, f"may not be more than {_MAX_ANNOTATIONS} bytes")]


def _owner_problems(owners: list[Any]) -> list[FieldError]:
    problems = []
    controllers = 0
    for owner in owners:
        if owner.get("apiVersion", "").count("/") > 1:
            detail = "must be a group and a version"
            problems.append(FieldError(INVALID, "metadata.ownerReferences.apiVersion", owner["apiVersion"], detail))
        problems += [
            FieldError(INVALID, f"metadata.ownerReferences.{field}", owner.get(field), "must not be empty")
            for field in ("apiVersion", "kind", "name", "uid")
            if not owner.get(field)
        ]
        if owner.get("apiVersion") == "v1" and owner.get("kind") == "Event":
            problems.append(FieldError(INVALID, "metadata.ownerReferences", owner, "an Event can't own anything"))
        controllers += bool(owner.get("controller"))
    if controllers > 1:
        detail = "only one reference can have controller set to true"
        problems.append(FieldError(INVALID, "metadata.ownerReferences", owners, detail))
    return problems


def validate_changed(new: Object, old: Object) -> list[FieldError]:
    """Problems of updated metadata: what may not change, and no new finalizers on what is being deleted."""
    problems = []
    if old.get("deletionTimestamp"):
        added = [f for f in new.get("finalizers") or [] if f not in (old.get("finalizers") or [])]
        if added:
            detail = f"no new finalizers can be added if the object is being deleted, found new finalizers {added}"
            problems.append(FieldError(FORBIDDEN, "metadata.finalizers", None, detail))
    if not new.get("resourceVersion"):
        problems.append(FieldError(INVALID, "metadata.resourceVersion", "", "must be specified for an update"))
    problems += [
        FieldError(INVALID, f"metadata.{field}", new.get(field), "field is immutable")
        for field in _IMMUTABLE
        if new.get(field) != old.get(field)
    ]
    return problems + validate_common(new)
