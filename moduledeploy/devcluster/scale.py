"""The scale subresource: where an object keeps its replicas, and the autoscaling/v1 Scale made of it."""

from __future__ import annotations

from types import NoneType
from typing import TYPE_CHECKING, Any

import attrs

from moduledeploy.devcluster.errors import INVALID, FieldError

if TYPE_CHECKING:
    from moduledeploy.devcluster.storage import Object

Path = tuple[str, ...]
_MAX_INT32 = 2**31 - 1


@attrs.frozen(kw_only=True)
class ScalePaths:
    """Where replicas stand in spec and status, and the selector as text; None: built-in kinds derive it, (): there is none."""

    spec: Path
    status: Path
    selector: Path | None

    @classmethod
    def of(cls, subresource: Object) -> ScalePaths:
        """From a definition's `subresources.scale`."""
        selector = subresource.get("labelSelectorPath")
        return cls(
            spec=_path(subresource["specReplicasPath"]),
            status=_path(subresource["statusReplicasPath"]),
            selector=_path(selector) if selector else (),
        )


def _path(text: str) -> Path:
    return tuple(text.lstrip(".").split("."))


def dig(obj: Any, path: Path) -> Any:
    """The value at a path, or None."""
    for name in path:
        if not isinstance(obj, dict):
            return None
        obj = obj.get(name)
    return obj


def selector_text(selector: Object) -> str:
    """A LabelSelector object as a query's text."""
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for item in selector.get("matchExpressions") or []:
        match item["operator"]:
            case "Exists":
                parts.append(item["key"])
            case "DoesNotExist":
                parts.append(f"!{item['key']}")
            case operator:
                parts.append(f"{item['key']} {operator.lower()} ({','.join(sorted(item.get('values') or []))})")
    return ",".join(parts)


def to_scale(obj: Object, paths: ScalePaths) -> Object:
    """The Scale of an object."""
    meta = {
        field: obj["metadata"][field]
        for field in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
        if field in obj["metadata"]
    }
    replicas = dig(obj, paths.spec)
    status: Object = {"replicas": dig(obj, paths.status) or 0}
    if paths.selector is None:
        text = selector_text(obj["spec"].get("selector") or {})
    else:
        text = dig(obj, paths.selector) if paths.selector else ""
    if text:
        status["selector"] = text
    spec = {"replicas": replicas} if replicas else {}
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": meta, "spec": spec, "status": status}


def with_replicas(obj: Object, paths: ScalePaths, replicas: int) -> Object:
    """The object with other replicas; `obj` is a private copy and changed in place."""
    target = obj
    for name in paths.spec[:-1]:
        target = target.setdefault(name, {})
    target[paths.spec[-1]] = replicas
    return obj


def spec_problems(obj: Object, paths: ScalePaths | None) -> list[FieldError]:
    """A custom resource whose replicas no Scale could show."""
    return _count_problems(obj, paths.spec) if paths else []


def status_problems(obj: Object, paths: ScalePaths | None) -> list[FieldError]:
    """A custom resource whose status no Scale could show."""
    if not paths:
        return []
    problems = _count_problems(obj, paths.status)
    if paths.selector:
        text, parent = dig(obj, paths.selector), dig(obj, paths.selector[:-1])
        if not isinstance(parent, (dict, NoneType)) or (text is not None and not isinstance(text, str)):
            problems.append(
                FieldError(INVALID, "." + ".".join(paths.selector), text, "accessor error: expected string")
            )
    return problems


def _count_problems(obj: Object, path: Path) -> list[FieldError]:
    value, where = dig(obj, path), "." + ".".join(path)
    parent = dig(obj, path[:-1])
    if value is None and (parent is None or isinstance(parent, dict)):
        return []
    if type(value) is not int:
        return [FieldError(INVALID, where, value, f"accessor error: {value!r} is no int64")]
    if value < 0:
        return [FieldError(INVALID, where, value, "should be a non-negative integer")]
    if value > _MAX_INT32:
        return [FieldError(INVALID, where, value, f"should be less than or equal to {_MAX_INT32}")]
    return []
