"""Typed values compared, merged and pruned field by field.

Follows sigs.k8s.io/structured-merge-diff typed (merge.go, compare.go, remove.go, tofieldset.go).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

import attrs

from moduledeploy.devcluster.fieldpaths import field
from moduledeploy.devcluster.levels import Part, Schema, declares, divide, field_schema, parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from moduledeploy.devcluster.fieldpaths import Path

_ABSENT: Final = object()


@attrs.define
class Comparison:
    """What differs between two values."""

    added: set[Path] = attrs.field(factory=set)
    modified: set[Path] = attrs.field(factory=set)
    removed: set[Path] = attrs.field(factory=set)

    def changed(self) -> set[Path]:
        """What the newer value has that the older had not or had otherwise."""
        return self.added | self.modified

    def is_empty(self) -> bool:
        """Whether nothing differs."""
        return not (self.added or self.modified or self.removed)


def compare(schema: Schema, old: Any, new: Any) -> Comparison:
    """Compare two objects of one schema."""
    out = Comparison()
    _compare(schema, old, new, (), out, root=True)
    return out


def _compare(schema: Schema, old: Any, new: Any, path: Path, out: Comparison, *, root: bool = False) -> None:
    if old == new and type(old) is type(new):
        return
    form = parts(schema, new)
    if form == "whole" or form != parts(schema, old):
        out.modified.add(path)
        return
    if form == "fields":
        _compare_fields(schema, old, new, path, out, root=root)
        return
    before, after = _by_element(divide(schema, old)), _by_element(divide(schema, new))
    for element in dict.fromkeys((*after, *before)):
        _compare_items(before.get(element, ()), after.get(element, ()), (*path, element), out)


def _by_element(items: Iterable[Part]) -> dict[str, list[Part]]:
    """A list's items by what tells them apart; of a list that allows it several may be alike."""
    found: dict[str, list[Part]] = {}
    for part in items:
        found.setdefault(part.element, []).append(part)
    return found


def _compare_items(before: Sequence[Part], after: Sequence[Part], path: Path, out: Comparison) -> None:
    """Items of one element; where they are several they are one thing without parts."""
    if len(before) == len(after) == 1:
        _compare(after[0].schema, before[0].value, after[0].value, path, out)
    elif len(before) > 1 and len(after) > 1:
        if [part.value for part in before] != [part.value for part in after]:
            out.modified.add(path)
    else:
        out.removed.update(_paths_of(before, path))
        out.added.update(_paths_of(after, path))


def _paths_of(alike: Sequence[Part], path: Path) -> Iterator[Path]:
    if len(alike) > 1:
        yield path
    elif alike:
        yield from _all_paths(alike[0].schema, alike[0].value, path)


def _compare_fields(schema: Schema, old: Any, new: Any, path: Path, out: Comparison, *, root: bool) -> None:
    """The fields of two structs or maps; of most nothing is looked at but that they are equal."""
    for name, value in new.items():
        former = old.get(name, _ABSENT)
        if former is _ABSENT:
            out.added.update(_all_paths(field_schema(schema, name, root=root), value, (*path, field(name))))
        elif former != value or type(former) is not type(value):
            _compare(field_schema(schema, name, root=root), former, value, (*path, field(name)), out)
    for name in old.keys() - new.keys():
        out.removed.update(_all_paths(field_schema(schema, name, root=root), old[name], (*path, field(name))))


def _all_paths(schema: Schema, value: Any, path: Path) -> Iterator[Path]:
    """The path of a value and of everything in it."""
    yield path
    if parts(schema, value) != "whole":
        for element, alike in _by_element(divide(schema, value)).items():
            yield from _paths_of(alike, (*path, element))


def owned_paths(schema: Schema, value: Any) -> set[Path]:
    """The fields that an intent speaks of: its leaves, its list items, the keys of its maps and its empty maps."""
    return set(_owned(schema, value, (), root=True))


def _owned(schema: Schema, value: Any, path: Path, *, root: bool = False) -> Iterator[Path]:
    form = parts(schema, value)
    if form == "whole" or value == {}:
        yield path
        return
    for part in divide(schema, value, root=root):
        here = (*path, part.element)
        if form == "keyed" or (form == "fields" and not declares(schema, part.element[2:], root=root)):
            yield here
        yield from _owned(part.schema, part.value, here)


def merge(schema: Schema, live: Any, intent: Any, *, root: bool = False) -> Any:
    """The live value with the intent merged in; lists keep the live order where the intent doesn't say otherwise."""
    form = parts(schema, intent)
    if intent is None and live and parts(schema, live) != "whole":
        return live  # neither null nor empty takes away what others put in
    if form == "whole" or form != parts(schema, live):
        return intent
    if form == "fields":
        merged = dict(live)
        for name, value in intent.items():
            merged[name] = merge(field_schema(schema, name, root=root), live[name], value) if name in live else value
        return merged
    return _merge_list(list(divide(schema, live)), list(divide(schema, intent)))


def _merge_list(live: list[Part], intent: list[Part]) -> list[Any]:
    """Items of the intent in its order; others stay before the items that they precede in the live list."""
    wanted, merged = {part.element for part in intent}, set[str]()
    present = _by_element(live)
    shared = deque(part.element for part in intent if part.element in present)
    left, right, out = deque(live), deque(intent), list[Any]()
    while left or right:
        head = left[0].element if left else ""
        if left and head not in wanted:
            out.append(left.popleft().value)
            continue
        if left and right and head != right[0].element and shared and head != shared[0]:
            left.popleft()  # comes where the intent has it
            continue
        if left and (head in merged or (right and head == right[0].element)):
            left.popleft()
        if right:
            part = right.popleft()
            merged.add(part.element)
            if shared and shared[0] == part.element:
                shared.popleft()
            former = present.get(part.element, [])
            out.append(merge(part.schema, former[0].value, part.value) if len(former) == 1 else part.value)
    return out


def remove(schema: Schema, value: Any, paths: set[Path]) -> Any:
    """The value without the parts at these paths."""
    return _remove(schema, value, paths, (), root=True) if paths else value


def _remove(schema: Schema, value: Any, paths: set[Path], path: Path, *, root: bool = False) -> Any:
    form = parts(schema, value)
    if form == "whole":
        return value
    kept: list[Part] = []
    for part in divide(schema, value, root=root):
        here = (*path, part.element)
        if here not in paths:
            kept.append(attrs.evolve(part, value=_remove(part.schema, part.value, paths, here)))
    if form == "fields":
        return {part.element[2:]: part.value for part in kept}
    return [part.value for part in kept]
