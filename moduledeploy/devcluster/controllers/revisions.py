"""Revisions of a Deployment: the hash of its template, which ReplicaSet is whose, and their numbers.

Follows pkg/controller/deployment/util and k8s.io/apimachinery/pkg/util/rand (the alphabet of hashes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from moduledeploy.devcluster.controllers.ownership import controller_reference
from moduledeploy.devcluster.controllers.rolling import DESIRED, MAXIMUM, Limits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moduledeploy.devcluster.storage import Object

HASH: Final = "pod-template-hash"
REVISION: Final = "deployment.kubernetes.io/revision"
_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
_FNV_BASIS: Final = 0x811C9DC5
_FNV_PRIME: Final = 0x01000193
_HISTORY: Final = "deployment.kubernetes.io/revision-history"
_NOT_COPIED: Final = frozenset(
    {"kubectl.kubernetes.io/last-applied-configuration", REVISION, _HISTORY, DESIRED, MAXIMUM}
)


def template_hash(template: Object, collisions: int) -> str:
    """A short name of a template; a collision count makes another one of it."""
    value = _FNV_BASIS
    for byte in msgspec.json.encode(template, order="deterministic") + (b"%d" % collisions if collisions else b""):
        value = ((value ^ byte) * _FNV_PRIME) & 0xFFFFFFFF
    return "".join(_ALPHABET[ord(digit) % len(_ALPHABET)] for digit in str(value))


def is_of_template(replica_set: Object, template: Object) -> bool:
    """Whether a ReplicaSet was made from this template."""
    own = replica_set["spec"]["template"]
    labels = {name: value for name, value in (own["metadata"].get("labels") or {}).items() if name != HASH}
    return {**own, "metadata": {**own["metadata"], "labels": labels}} == template


def find_new(replica_sets: Iterable[Object], template: Object) -> Object | None:
    """The oldest ReplicaSet of the template."""
    found = [obj for obj in replica_sets if is_of_template(obj, template)]
    return min(found, key=lambda obj: (obj["metadata"]["creationTimestamp"], obj["metadata"]["name"]), default=None)


def revision_of(obj: Object) -> int:
    """The revision number that an object carries, 0 for none."""
    text = (obj["metadata"].get("annotations") or {}).get(REVISION, "0")
    return int(text) if text.isdigit() else 0


def wanted_annotations(deployment: Object, revision: int, limits: Limits) -> dict[str, str]:
    """What the Deployment writes on a ReplicaSet."""
    copied = {
        name: value
        for name, value in (deployment["metadata"].get("annotations") or {}).items()
        if name not in _NOT_COPIED
    }
    return {**copied, REVISION: str(revision), **size_annotations(limits)}


def renumbered(deployment: Object, replica_set: Object, revision: int, limits: Limits) -> dict[str, str]:
    """The annotations of a ReplicaSet that is in use, perhaps again: then its former numbers are kept as history."""
    held = replica_set["metadata"].get("annotations") or {}
    wanted = wanted_annotations(deployment, revision, limits)
    if 0 < (former := revision_of(replica_set)) < revision:
        wanted[_HISTORY] = ",".join([*filter(None, [held.get(_HISTORY)]), str(former)])
    return wanted


def size_annotations(limits: Limits) -> dict[str, str]:
    """The sizes a ReplicaSet was last scaled by."""
    return {DESIRED: str(limits.desired), MAXIMUM: str(limits.maximum)}


def new_replica_set(deployment: Object, *, revision: int, replicas: int, limits: Limits, collisions: int) -> Object:
    """The ReplicaSet of the Deployment's present template."""
    meta, spec = deployment["metadata"], deployment["spec"]
    template = spec["template"]
    digest = template_hash(template, collisions)
    labels = {**(template["metadata"].get("labels") or {}), HASH: digest}
    selector = spec["selector"]
    body: dict[str, Any] = {
        "replicas": replicas,
        "selector": {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), HASH: digest}},
        "template": {**template, "metadata": {**template["metadata"], "labels": labels}},
    }
    if spec.get("minReadySeconds"):
        body["minReadySeconds"] = spec["minReadySeconds"]
    return {
        "metadata": {
            "name": f"{meta['name']}-{digest}",
            "namespace": meta["namespace"],
            "labels": labels,
            "annotations": wanted_annotations(deployment, revision, limits),
            "ownerReferences": [controller_reference(deployment)],
        },
        "spec": body,
    }
