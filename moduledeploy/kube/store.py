"""The cache of one kind: objects by key, secondary indexes, and how far in the server's history it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from moduledeploy.kube.resources import ObjectKey
from moduledeploy.kube.versions import is_at_least, is_comparable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, ItemsView, Iterable, Mapping, ValuesView


class Meta(Protocol):
    """The part of an object's metadata that this package reads; camelCase as on the wire."""

    @property
    def name(self) -> str: ...
    @property
    def namespace(self) -> str: ...
    @property
    def uid(self) -> str: ...
    @property
    def resourceVersion(self) -> str: ...  # noqa: N802  # as on the wire


class Object(Protocol):
    """Anything with such metadata; instances in a store are never changed."""

    @property
    def metadata(self) -> Meta: ...


T = TypeVar("T", bound=Object)
# Under each value the one key, or a dict as an ordered set of several: an index answers in the order in which objects came.
# Most values of an index by UID have one key only, and a dict for it would cost more than the rest of the entry.
_Index = dict[str, "ObjectKey | dict[ObjectKey, None]"]


def key_of(obj: Object) -> ObjectKey:
    """Name an object."""
    meta = obj.metadata
    return ObjectKey(meta.namespace, meta.name)


class Store(Generic[T]):
    """Read by everybody, written by one reflector; every method is plain, so each is atomic in the event loop.

    An index is a function from object to the values it is found under. `by_index` costs its hits, a write costs the
    object's own index values. Objects must not be changed after they went in: an index is taken back by computing its
    values from the old object again.
    """

    def __init__(self, indexes: Mapping[str, Callable[[T], Iterable[str]]] | None = None) -> None:
        self._objects: dict[ObjectKey, T] = {}
        self._functions: Final = dict(indexes or {})
        self._indexes: dict[str, _Index] = {name: {} for name in self._functions}
        self._last_rv = ""

    @property
    def last_rv(self) -> str:
        """The newest resourceVersion that this store is known to contain, bookmarks included; empty before the first."""
        return self._last_rv

    def has_seen(self, version: str) -> bool:
        """Tell whether a write that was answered with `version` is contained here.

        A version that is no number can't be waited for and counts as seen; before the first sync nothing is.
        """
        if not is_comparable(version):
            return True
        return is_comparable(self._last_rv) and is_at_least(self._last_rv, version)

    def get(self, key: ObjectKey) -> T | None:
        """Give the object of that name."""
        return self._objects.get(key)

    def __len__(self) -> int:
        return len(self._objects)

    def __contains__(self, key: ObjectKey) -> bool:
        return key in self._objects

    def keys(self) -> Collection[ObjectKey]:
        """All names, as a live view: copy it before awaiting anything."""
        return self._objects.keys()

    def values(self) -> ValuesView[T]:
        """All objects, as a live view: copy it before awaiting anything."""
        return self._objects.values()

    def by_index(self, name: str, value: str) -> list[T]:
        """Give the objects that index `name` holds under `value`, oldest entry first; KeyError for an unknown index."""
        found = self._indexes[name].get(value)
        if found is None:
            return []
        if isinstance(found, dict):
            return [self._objects[key] for key in found]
        return [self._objects[found]]

    def items(self) -> ItemsView[ObjectKey, T]:
        """All names with their objects, as a live view."""
        return self._objects.items()

    def adopt(self, other: Store[T], version: str) -> Mapping[ObjectKey, T]:
        """Take the whole content of `other`, at `version`, in one step; gives the content before. For the reflector alone.

        `other` must have the same indexes and must not be used any more.
        """
        before = self._objects
        self._objects = other._objects
        self._indexes = other._indexes
        self._last_rv = version
        return before

    def put(self, key: ObjectKey, obj: T) -> T | None:
        """Set the object of that name and give the one before; for the reflector alone."""
        old = self._objects.get(key)
        self._objects[key] = obj
        for name, function in self._functions.items():
            index = self._indexes[name]
            after = function(obj)
            if old is not None:
                before = function(old)
                if before == after:
                    continue
                after = set(after)
                for value in set(before) - after:
                    _unindex(index, value, key)
            for value in after:
                _index(index, value, key)
        return old

    def remove(self, key: ObjectKey) -> T | None:
        """Take the object of that name out and give it; for the reflector alone."""
        old = self._objects.pop(key, None)
        if old is not None:
            for name, function in self._functions.items():
                for value in set(function(old)):
                    _unindex(self._indexes[name], value, key)
        return old

    def advance(self, version: str) -> None:
        """Note that everything up to `version` is in; for the reflector alone."""
        self._last_rv = version

    def check_invariants(self) -> None:
        """Raise AssertionError unless every index is what its function gives for the objects there are."""
        for name, function in self._functions.items():
            expected: dict[str, set[ObjectKey]] = {}
            for key, obj in self._objects.items():
                for value in function(obj):
                    expected.setdefault(value, set()).add(key)
            actual = {
                value: set(found) if isinstance(found, dict) else {found}
                for value, found in self._indexes[name].items()
            }
            assert actual == expected, f"index {name}: {actual} != {expected}"


def _index(index: _Index, value: str, key: ObjectKey) -> None:
    found = index.setdefault(value, key)
    if found is key:
        return
    if isinstance(found, dict):
        found[key] = None
    elif found != key:
        index[value] = {found: None, key: None}


def _unindex(index: _Index, value: str, key: ObjectKey) -> None:
    found = index[value]
    if isinstance(found, dict):
        del found[key]
        if found:
            return
    del index[value]
