"""Events: one store, seen as core/v1 and as events.k8s.io/v1.

Follows pkg/apis/core/validation/events.go; events are stored in their core form.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import attrs

from moduledeploy.devcluster.builtin import BuiltInStrategy
from moduledeploy.devcluster.errors import INVALID, REQUIRED, FieldError
from moduledeploy.devcluster.gotypes import Reading, Type, zero
from moduledeploy.devcluster.names import qualified_name_problem
from moduledeploy.devcluster.resources import Decoded

if TYPE_CHECKING:
    from moduledeploy.devcluster.resources import Resource
    from moduledeploy.devcluster.storage import Object

_MAX_REASON: Final = 128
_MAX_NOTE: Final = 1024
_NEW_TO_CORE: Final = {
    "regarding": "involvedObject", "note": "message", "reportingController": "reportingComponent",
    "deprecatedSource": "source", "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp", "deprecatedCount": "count",
}  # fmt: skip
_CORE_TO_NEW: Final = {core: new for new, core in _NEW_TO_CORE.items()}
_FROZEN: Final = (
    "involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp", "count", "type", "action",
    "related", "reportingComponent", "reportingInstance", "eventTime",
)  # fmt: skip


def to_core(event: Object) -> Object:
    """An events.k8s.io/v1 event in its core form."""
    return {"apiVersion": "v1", **{_NEW_TO_CORE.get(k, k): v for k, v in event.items() if k != "apiVersion"}}


def from_core(event: Object, struct: Type) -> Object:
    """A core event in its events.k8s.io/v1 form."""
    renamed = {_CORE_TO_NEW.get(k, k): v for k, v in event.items() if k != "apiVersion"}
    if renamed.get("deprecatedCount") == 0:
        del renamed["deprecatedCount"]
    filled = {field.name: zero(field.type) for field in struct.fields.values() if field.always}
    out = {"apiVersion": "events.k8s.io/v1", **filled, **{k: v for k, v in renamed.items() if v not in (None, "", {})}}
    out.setdefault("deprecatedSource", {})
    out.setdefault("regarding", {})
    return {**out, "deprecatedFirstTimestamp": renamed.get("deprecatedFirstTimestamp"),
            "deprecatedLastTimestamp": renamed.get("deprecatedLastTimestamp")}  # fmt: skip


@attrs.frozen(kw_only=True, eq=False)
class NewEventStrategy(BuiltInStrategy):
    """Events that came through events.k8s.io: stricter, and turned into their core form when read."""

    core: Type

    def decode(self, obj: Object, resource: Resource, *, keeps_nulls: bool = False) -> Decoded:
        if "involvedObject" in obj:  # a stored event on its way through a patch
            obj = from_core(obj, self.struct)
        decoded = BuiltInStrategy.decode(self, obj, resource, keeps_nulls=keeps_nulls)
        reading = Reading("Event", "v1")
        core = to_core(decoded.obj)
        rest = {k: v for k, v in core.items() if k not in {"apiVersion", "kind", "metadata"}}
        meta = {"kind": "Event", "apiVersion": "v1", "metadata": core["metadata"]}
        return Decoded({**meta, **reading.struct(rest, self.core, "")}, decoded.unknown)

    def validate_create(self, obj: Object) -> list[FieldError]:
        return _namespace_problems(obj) + _new_problems(obj)

    def validate_update(self, new: Object, old: Object, subresource: str) -> list[FieldError]:
        del subresource
        changed = [
            FieldError(INVALID, field, new.get(field), "field is immutable")
            for field in _FROZEN
            if new.get(field) != old.get(field)
        ]
        return _namespace_problems(new) + changed


def event_problems(obj: Object) -> list[FieldError]:
    """What an event that came through core/v1 can't be: the old, lenient rules unless it has an eventTime."""
    problems = _namespace_problems(obj)
    if obj.get("eventTime"):
        problems += _new_problems(obj)
    return problems


def _namespace_problems(obj: Object) -> list[FieldError]:
    about = obj["involvedObject"].get("namespace", "")
    namespace = obj["metadata"].get("namespace", "")
    if about == namespace or (not about and namespace == "default"):
        return []
    if not about and namespace == "kube-system":  # events of cluster-scoped objects were put there once
        return []
    detail = "does not match event.namespace"
    return [FieldError(INVALID, "involvedObject.namespace", about, detail)]


def _new_problems(obj: Object) -> list[FieldError]:
    problems = []
    if not obj.get("eventTime"):
        problems.append(FieldError(REQUIRED, "eventTime"))
    if not obj.get("reportingComponent"):
        problems.append(FieldError(REQUIRED, "reportingController"))
    elif problem := qualified_name_problem(obj["reportingComponent"]):
        problems.append(FieldError(INVALID, "reportingController", obj["reportingComponent"], problem))
    problems += [
        FieldError(REQUIRED, field) for field in ("reportingInstance", "action", "reason") if not obj.get(field)
    ]
    problems += [
        FieldError(INVALID, field, "", f"can have at most {_MAX_REASON} characters")
        for field in ("reportingInstance", "action", "reason")
        if len(obj.get(field) or "") > _MAX_REASON
    ]
    if len(obj.get("message") or "") > _MAX_NOTE:
        problems.append(FieldError(INVALID, "message", "", f"can have at most {_MAX_NOTE} characters"))
    if obj.get("type") not in ("Normal", "Warning"):
        problems.append(FieldError(INVALID, "type", obj.get("type", ""), "has to be Normal or Warning"))
    series = obj.get("series")
    if series is not None and not series.get("lastObservedTime"):
        problems.append(FieldError(REQUIRED, "series.lastObservedTime"))
    if series is not None and series.get("count", 0) < 2:
        problems.append(FieldError(INVALID, "series.count", json.dumps(series.get("count")), "should be at least 2"))
    return problems


def event_fields(obj: Object) -> dict[str, str]:
    """What events can be selected by."""
    about = obj.get("involvedObject", {})
    fields = {f"involvedObject.{name}": about.get(name, "") for name in _ABOUT}
    fields |= {f"regarding.{name}": about.get(name, "") for name in _ABOUT}
    source = (obj.get("source") or {}).get("component") or obj.get("reportingComponent", "")
    reporting = obj.get("reportingComponent", "")
    return fields | {
        "reason": obj.get("reason", ""),
        "type": obj.get("type", ""),
        "source": source,
        "reportingComponent": reporting,
        "reportingController": reporting,
    }


_ABOUT: Final = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_OTHERS: Final = ("reason", "type", "source", "reportingComponent", "reportingController")
EVENT_FIELDS: Final = frozenset(
    {f"{prefix}.{name}" for prefix in ("involvedObject", "regarding") for name in _ABOUT} | set(_OTHERS)
)
