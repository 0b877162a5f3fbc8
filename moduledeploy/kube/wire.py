"""Lists and watch events as they come over the wire, decoded in one pass into the caller's own slim classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import attrs
import msgspec

from moduledeploy.kube.errors import Status
from moduledeploy.kube.resources import ObjectKey
from moduledeploy.kube.store import Object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T", bound=Object)
_Any = TypeVar("_Any")

INITIAL_EVENTS_END: Final = "k8s.io/initial-events-end"


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str | None = msgspec.field(default=None, name="continue")


class _List(msgspec.Struct, Generic[_Any]):
    kind: str
    metadata: _ListMeta
    items: list[_Any] | None = None  # null when there are none


class _Added(msgspec.Struct, Generic[_Any], tag_field="type", tag="ADDED"):
    object: _Any


class _Modified(msgspec.Struct, Generic[_Any], tag_field="type", tag="MODIFIED"):
    object: _Any


class _Deleted(msgspec.Struct, Generic[_Any], tag_field="type", tag="DELETED"):
    object: _Any


class _BookmarkMeta(msgspec.Struct, rename="camel"):
    resource_version: str
    annotations: dict[str, str] | None = None


class _BookmarkObject(msgspec.Struct):
    metadata: _BookmarkMeta


class _Bookmark(msgspec.Struct, tag_field="type", tag="BOOKMARK"):
    object: _BookmarkObject


class _Error(msgspec.Struct, tag_field="type", tag="ERROR"):
    object: Status


class _BareMeta(msgspec.Struct, rename="camel"):
    name: str
    resource_version: str
    namespace: str = ""


class _Bare(msgspec.Struct):
    metadata: _BareMeta


@attrs.frozen
class Put(Generic[T]):
    """The object of that key is now this."""

    key: ObjectKey
    obj: T
    is_added: bool


@attrs.frozen
class Removed:
    """The object of that key is gone; its last state is not needed."""

    key: ObjectKey
    rv: str


@attrs.frozen
class Bookmark:
    """Nothing has changed up to `rv`; `ends_initial` closes the initial events of a streamed list."""

    rv: str
    ends_initial: bool


@attrs.frozen
class Failed:
    """The server ends this watch and says why."""

    status: Status


@attrs.frozen
class Poisoned:
    """An object that exists but doesn't decode; whatever was known under its key is out of date."""

    key: ObjectKey
    rv: str
    why: str


@attrs.frozen
class Garbage:
    """A line that is no event; nobody knows of what."""

    why: str


Event = Put[T] | Removed | Bookmark | Poisoned | Garbage


@attrs.frozen
class Page(Generic[T]):
    """One page of a list: `objects` and the keys of those that don't decode."""

    rv: str
    continue_token: str
    objects: list[T]
    poisoned: list[Poisoned]


# Nesting is no error of msgspec's own.
_UNREADABLE: Final = (msgspec.MsgspecError, RecursionError)


class UndecodableList(Exception):
    """Raised when an answer is no list at all."""


class Decoder(Generic[T]):
    """Decodes answers about one kind into `object_type`, an attrs class that names only the fields in use.

    `transform` sees each object once, before anybody else: there a kind can drop and share what would fill the memory.
    """

    def __init__(self, object_type: type[T], transform: Callable[[T], T] | None = None) -> None:
        self._transform: Final = transform
        # Subscripting with a runtime value is what msgspec wants and what no type checker can follow.
        kind: Any = object_type
        self._page: Final = msgspec.json.Decoder(_List[kind])
        self._raw_page: Final = msgspec.json.Decoder(_List[msgspec.Raw])
        self._object: Final[msgspec.json.Decoder[T]] = msgspec.json.Decoder(kind)
        self._bare: Final = msgspec.json.Decoder(_Bare)
        self._event: Final = msgspec.json.Decoder(_Added[kind] | _Modified[kind] | _Deleted[_Bare] | _Bookmark | _Error)
        self._bare_event: Final = msgspec.json.Decoder(_Added[_Bare] | _Modified[_Bare])

    def decode_page(self, body: bytes) -> Page[T]:
        """Decode a list; raises UndecodableList. One bad object costs a second, slower pass and nothing else."""
        try:
            page = self._page.decode(body)
        except _UNREADABLE:
            return self._decode_page_one_by_one(body)
        return self._page_of(page, page.items or [], [])

    def _decode_page_one_by_one(self, body: bytes) -> Page[T]:
        try:
            page = self._raw_page.decode(body)
        except _UNREADABLE as error:
            raise UndecodableList(str(error)) from error
        objects: list[T] = []
        poisoned: list[Poisoned] = []
        for raw in page.items or []:
            try:
                objects.append(self._object.decode(raw))
            except _UNREADABLE as error:
                poisoned.append(self._poisoned(raw, error))
        return self._page_of(page, objects, poisoned)

    def _page_of(self, page: _List[Any], objects: list[T], poisoned: list[Poisoned]) -> Page[T]:
        if not page.kind.endswith("List"):
            raise UndecodableList(f"a {page.kind} where a list was asked for")
        if self._transform is not None:
            objects = [self._transform(obj) for obj in objects]
        return Page(page.metadata.resource_version, page.metadata.continue_ or "", objects, poisoned)

    def _poisoned(self, raw: msgspec.Raw, error: Exception) -> Poisoned:
        try:
            meta = self._bare.decode(raw).metadata
        except _UNREADABLE:
            return Poisoned(ObjectKey("", ""), "", str(error))
        return Poisoned(ObjectKey(meta.namespace, meta.name), meta.resource_version, str(error))

    def decode_event(self, line: bytes | memoryview) -> Event[T] | Failed:
        """Decode one line of a watch; never raises."""
        try:
            event = self._event.decode(line)
        except _UNREADABLE as error:
            return self._decode_bad_event(line, error)
        match event:
            case _Added(object=obj) | _Modified(object=obj):
                meta = obj.metadata
                if not meta.resourceVersion or not meta.name:
                    return Garbage("an object without a name or version")
                if self._transform is not None:
                    obj = self._transform(obj)
                    meta = obj.metadata
                return Put(ObjectKey(meta.namespace, meta.name), obj, type(event) is _Added)
            case _Deleted(object=bare):
                return Removed(ObjectKey(bare.metadata.namespace, bare.metadata.name), bare.metadata.resource_version)
            case _Bookmark(object=mark):
                annotations = mark.metadata.annotations or {}
                return Bookmark(mark.metadata.resource_version, annotations.get(INITIAL_EVENTS_END) == "true")
            case _Error(object=status):
                return Failed(status)
        raise AssertionError(f"no such event: {event}")

    def _decode_bad_event(self, line: bytes | memoryview, error: Exception) -> Poisoned | Garbage:
        try:
            meta = self._bare_event.decode(line).object.metadata
        except _UNREADABLE:
            return Garbage(str(error))
        return Poisoned(ObjectKey(meta.namespace, meta.name), meta.resource_version, str(error))


def keyed(objects: list[T]) -> Iterator[tuple[ObjectKey, T]]:
    """Pair objects with their names."""
    for obj in objects:
        meta = obj.metadata
        yield ObjectKey(meta.namespace, meta.name), obj
