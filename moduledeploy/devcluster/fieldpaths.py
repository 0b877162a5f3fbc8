"""Field paths and sets of them, in memory as tuples and on the wire as FieldsV1.

An element of a path is what FieldsV1 writes: `f:name`, `k:{"name":"c"}`, `v:"x"`.  Follows
sigs.k8s.io/structured-merge-diff fieldpath.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from moduledeploy.devcluster.storage import encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from moduledeploy.devcluster.storage import Object

Path = tuple[str, ...]
_KINDS: Final = frozenset({"f:", "k:", "v:", "i:"})


def field(name: str) -> str:
    """The element of a named field."""
    return f"f:{name}"


def keyed(item: Object, keys: tuple[str, ...]) -> str:
    """The element of an item of a map-like list."""
    return "k:" + encode({key: item[key] for key in sorted(keys) if key in item}).decode()


def valued(item: Any) -> str:
    """The element of a set's item."""
    return "v:" + encode(item).decode()


def from_fields_v1(node: Object, prefix: Path = ()) -> Iterator[Path]:
    """The paths that a FieldsV1 holds."""
    for element, below in node.items():
        if element == ".":
            continue
        path = (*prefix, element)
        if not below or "." in below:
            yield path
        if below:
            yield from from_fields_v1(below, path)


def is_fields_v1(node: Any) -> bool:
    """Whether every key is an element of a path."""
    return isinstance(node, dict) and all(
        element == "." or (element[:2] in _KINDS and is_fields_v1(below)) for element, below in node.items()
    )


def to_fields_v1(paths: Iterable[Path]) -> Object:
    """Paths as FieldsV1."""
    root: Object = {}
    for path in sorted(paths):
        node = root
        for element in path[:-1]:
            below = node.setdefault(element, {})
            node = below
        node.setdefault(path[-1], {})
    members = set(paths)
    _mark(root, (), members)
    return root


def _mark(node: Object, prefix: Path, members: set[Path]) -> None:
    for element in list(node):
        below, path = node[element], (*prefix, element)
        if below:
            _mark(below, path, members)
            if path in members:
                node[element] = {".": {}, **below}


def with_parents(paths: Iterable[Path]) -> set[Path]:
    """The paths and all named fields above them."""
    out: set[Path] = set()
    for path in paths:
        out.add(path)
        for length in range(1, len(path)):
            if path[length - 1].startswith("f:"):
                out.add(path[:length])
    return out


def in_order(paths: Iterable[Path]) -> list[Path]:
    """As a set of fields is walked: at every level its own members first, then what lies deeper."""

    def place(path: Path) -> list[tuple[bool, str]]:
        return [(depth < len(path) - 1, element) for depth, element in enumerate(path)]

    return sorted(paths, key=place)


def shown(path: Path) -> str:
    """As conflicts name it: `.spec.containers[name="c"].image`."""
    parts = []
    for element in path:
        kind, _, rest = element.partition(":")
        if kind == "f":
            parts.append(f".{rest}")
        elif kind == "k":
            keys = json.loads(rest)
            parts.append("[" + ",".join(f"{key}={json.dumps(value)}" for key, value in keys.items()) + "]")
        else:
            parts.append(f"[={rest}]")
    return "".join(parts)
