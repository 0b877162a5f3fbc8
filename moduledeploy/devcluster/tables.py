"""Objects as tables: the columns of each kind, and the cells that `kubectl get` prints."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from moduledeploy.devcluster.resources import Resource
    from moduledeploy.devcluster.storage import Object

_STEP: Final = re.compile(
    r"\.([A-Za-z_][-\w/\0]*)|\[\?\(@\.(\w+)\s*==\s*[\"']([^\"']*)[\"']\)\]|\[['\"]([^'\"]+)['\"]\]|\[(\d+|\*)\]|\\(.)"
)


@attrs.frozen(kw_only=True)
class Column:
    """One column; its cell is made by `cell`."""

    name: str
    cell: Callable[[Object, datetime], Any]
    type: str = "string"
    format: str = ""
    priority: int = 0
    description: str = ""

    @classmethod
    def of(cls, raw: Object) -> Column:
        """From a definition's additionalPrinterColumns."""
        path, kind = raw["jsonPath"], raw["type"]

        def cell(obj: Object, now: datetime) -> Any:
            found = find(obj, path)
            if not found:
                return None
            if kind == "date":
                return age(found[0], now) if isinstance(found[0], str) else "<unknown>"
            if kind == "string" and len(found) > 1:
                return ",".join(str(item) for item in found)
            return _fit(found[0], kind)

        return cls(name=raw["name"], type=kind, format=raw.get("format", ""), priority=raw.get("priority", 0),
                   description=raw.get("description", f"Custom resource definition column (in JSONPath format): {path}"),
                   cell=cell)  # fmt: skip


def _fit(value: Any, kind: str) -> Any:
    match kind:
        case "integer":
            return (
                value
                if isinstance(value, int) and not isinstance(value, bool)
                else int(value)
                if isinstance(value, float)
                else None
            )
        case "number":
            return value if isinstance(value, (int, float)) else None
        case "boolean":
            return value if isinstance(value, bool) else None
        case _:
            return (
                value
                if isinstance(value, str)
                else "true"
                if value is True
                else "false"
                if value is False
                else str(value)
            )


def find(obj: Any, path: str) -> list[Any]:
    """The values at a JSONPath of the simple kinds that columns use."""
    found = [obj]
    for step in _STEP.finditer(path.replace("\\.", "\0")):
        name, key, wanted, quoted, index, _ = step.groups()
        following: list[Any] = []
        for value in found:
            if index is not None:
                if isinstance(value, list):
                    following += value if index == "*" else value[int(index) : int(index) + 1]
            elif key is not None:
                following += [item for item in value or [] if isinstance(item, dict) and item.get(key) == wanted]
            elif isinstance(value, dict):
                item = value.get((quoted or name).replace("\0", "."))
                if item is not None:
                    following.append(item)
        found = following
    return found


def age(stamp: str, now: datetime) -> str:
    """How long ago, in kubectl's two most telling units."""
    try:
        then = datetime.fromisoformat(stamp)
    except ValueError:
        return "<invalid>"
    seconds = int((now - then.replace(tzinfo=then.tzinfo or UTC)).total_seconds())
    if seconds < 0:
        return "<invalid>" if seconds < -1 else "0s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    if days < 730:
        return f"{days}d"
    years = days // 365
    return f"{years}y{days % 365}d" if years < 8 and days % 365 else f"{years}y"


def _name(obj: Object, _: datetime) -> Any:
    return obj["metadata"]["name"]


def _age(obj: Object, now: datetime) -> Any:
    return age(obj["metadata"]["creationTimestamp"], now)


NAME: Final = Column(
    name="Name", format="name", cell=_name, description="Name of the object, unique within its namespace."
)
AGE: Final = Column(name="Age", cell=_age, description="Time since the object was created.")


_DATED_AGE: Final = attrs.evolve(AGE, type="date")


def columns_of(resource: Resource) -> tuple[Column, ...]:
    """All columns of a kind, the name first; events have theirs last."""
    own: tuple[Column, ...] = resource.columns or ((AGE,) if resource.strategy.typed else (_DATED_AGE,))
    return own if any(column.name == "Name" for column in own) else (NAME, *own)


def table(
    resource: Resource, objects: Iterable[Object], now: datetime, meta: Object, include: str, version: str = "v1"
) -> Object:
    """A meta.k8s.io Table; `include` is Metadata, Object or None."""
    columns = columns_of(resource)
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": meta,
        "columnDefinitions": [
            {"name": c.name, "type": c.type, "format": c.format, "description": c.description, "priority": c.priority}
            for c in columns
        ],
        "rows": [row(columns, obj, now, include, version) for obj in objects],
    }


def row(columns: Iterable[Column], obj: Object, now: datetime, include: str, version: str = "v1") -> Object:
    """One row."""
    cells = {"cells": [column.cell(obj, now) for column in columns]}
    if include == "None":
        return {**cells, "object": None}
    return {**cells, "object": obj if include == "Object" else partial(obj, version)}


def partial(obj: Object, version: str = "v1") -> Object:
    """The PartialObjectMetadata of an object."""
    return {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{version}", "metadata": obj["metadata"]}
