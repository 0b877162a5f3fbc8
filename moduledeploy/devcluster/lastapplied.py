"""The annotation of client-side apply, as server-side apply by the manager `kubectl` heeds and renews it.

Follows k8s.io/apimachinery pkg/util/managedfields/internal (lastappliedmanager.go, lastappliedupdater.go).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from moduledeploy.devcluster.merging import compare, owned_paths
from moduledeploy.devcluster.storage import encode_sorted

if TYPE_CHECKING:
    from moduledeploy.devcluster.fieldpaths import Path
    from moduledeploy.devcluster.levels import Schema
    from moduledeploy.devcluster.storage import Object

MANAGER: Final = "kubectl"
_ANNOTATION: Final = "kubectl.kubernetes.io/last-applied-configuration"


def taken_over(schema: Schema, live: Object) -> set[Path]:
    """The fields that client-side apply set and nobody changed since: `kubectl` may take them without force."""
    try:
        applied = json.loads((live["metadata"].get("annotations") or {}).get(_ANNOTATION, ""))
    except ValueError:
        return set()
    if not isinstance(applied, dict):
        return set()
    difference = compare(schema, live, applied)
    return owned_paths(schema, applied) - difference.added - difference.modified - difference.removed


def renew(obj: Object, intent: Object) -> None:
    """Where the annotation stands it says what was applied last, from whichever side."""
    annotations = obj["metadata"].get("annotations") or {}
    if _ANNOTATION not in annotations:
        return
    meta = dict(intent["metadata"])
    if "annotations" in meta:
        meta["annotations"] = {name: value for name, value in meta["annotations"].items() if name != _ANNOTATION}
    body = {**intent, "metadata": meta}
    obj["metadata"]["annotations"] = {**annotations, _ANNOTATION: encode_sorted(body).decode() + "\n"}
