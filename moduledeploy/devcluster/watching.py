"""WATCH: every way to begin, selectors, bookmarks, the end.

Follows apiserver's storage/cacher (cacher.go, cache_watcher.go, watch_cache.go).
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs

from moduledeploy.devcluster.errors import ApiError, Object, expired, too_large_version
from moduledeploy.devcluster.gotypes import Type, zero
from moduledeploy.devcluster.listing import BLOCK_S, Selection, parse_version
from moduledeploy.devcluster.storage import Change, Cursor, Event, HistoryLostError, encode
from moduledeploy.devcluster.views import view, view_bytes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from moduledeploy.devcluster.requests import Query
    from moduledeploy.devcluster.resources import Resource
    from moduledeploy.devcluster.storage import Record, Store, Table

BOOKMARK_S: Final = 60.0  # cacher.go defaultBookmarkFrequency
_BEFORE_END_S: Final = 2.0  # cache_watcher.go: the last bookmark comes this long before the deadline
_SHORT_S: Final = 10.0
_LONGEST_S: Final = (1800.0, 3600.0)  # minRequestTimeout and its double, where the client sets no timeout
_BATCH: Final = 500
_NO_PROGRESS: Final = "the storage below supports no progress requests, which a watch with initial events needs"
INITIAL_END: Final = "k8s.io/initial-events-end"


class Shaper(Protocol):
    """Turns objects into the form that the client asked for."""

    @property
    def tag(self) -> str:
        """Names the form among the cached lines."""

    def shape(self, resource: Resource, obj: Object) -> Object:
        """The object in that form."""


@attrs.frozen(kw_only=True)
class WatchOptions:
    """What a watch request says."""

    version: str
    version_number: int
    bookmarks: bool
    initial_events: bool | None
    timeout_s: float

    @property
    def replays(self) -> bool:
        """Whether the watch begins with the state: asked to, or without a version and not asked otherwise."""
        if self.initial_events is None:
            return self.version_number == 0
        return self.initial_events

    @classmethod
    def of(cls, query: Query) -> WatchOptions:
        """From a request; raises ApiError 400 and 422."""
        query.check_list(watch=True)
        timeout = query.number("timeoutSeconds")
        return cls(
            version=query.text("resourceVersion"),
            version_number=parse_version(query.text("resourceVersion")),
            bookmarks=query.flag("allowWatchBookmarks"),
            initial_events=query.switch("sendInitialEvents"),
            timeout_s=float(timeout) if timeout else random.uniform(*_LONGEST_S),  # noqa: S311 - spreads reconnects
        )


@attrs.define(eq=False, kw_only=True)
class Watch:
    """One open watch; `lines` yields what to send until the timeout."""

    store: Store
    selection: Selection
    options: WatchOptions
    shaper: Shaper | None = None
    progress: bool = True  # False: the store below tells nobody that time has passed (etcd before 3.4.25)
    clock: Callable[[], float] = lambda: asyncio.get_running_loop().time()
    _deadline: float = 0.0

    async def lines(self) -> AsyncIterator[bytes]:
        """Complete lines, several in one piece when several events are there."""
        self._deadline = self.clock() + self.options.timeout_s
        asked = self.options.version_number
        table = self.store.open(self.selection.resource.table)
        try:
            await self._wait_fresh(table, asked)
        except ApiError as error:
            yield encode({"type": "ERROR", "object": error.status()}) + b"\n"
            return
        async for piece in self._stream(table, asked):
            yield piece

    async def _stream(self, table: Table, asked: int) -> AsyncIterator[bytes]:
        replay = self.options.replays
        reached = self._reached(table)
        with Cursor(table, self.store.version if asked == 0 or replay else asked) as cursor:
            if replay:
                records = [r for r in table.in_order(self.selection.namespace) if self.selection.selects(r.obj)]
                for start in range(0, len(records), _BATCH):
                    yield b"".join(self._record_line("ADDED", record) for record in records[start : start + _BATCH])
                    await asyncio.sleep(0)
            if replay and self.options.bookmarks:
                yield self._bookmark(reached, {INITIAL_END: "true"})
            async for piece in self._follow(table, cursor):
                yield piece

    async def _follow(self, table: Table, cursor: Cursor) -> AsyncIterator[bytes]:
        bookmark_at = self._next_bookmark()
        while True:
            try:
                events = cursor.read(_BATCH)
            except HistoryLostError as lost:
                gone = expired(f"too old resource version: {cursor.version} ({lost.oldest})")
                yield encode({"type": "ERROR", "object": gone.status()}) + b"\n"
                return
            if events:
                piece = b"".join(line for event in events if (line := self._line(event)))
                if piece:
                    yield piece
                continue
            now = self.clock()
            if now >= self._deadline:
                return
            if self.options.bookmarks and now >= bookmark_at:
                yield self._bookmark(self._reached(table), None)
                bookmark_at = self._next_bookmark()
            await self._wait(cursor, min(bookmark_at if self.options.bookmarks else self._deadline, self._deadline))

    async def _wait(self, cursor: Cursor, until: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, until - self.clock())):
                await cursor.wake.wait()
        except TimeoutError:
            pass

    def _next_bookmark(self) -> float:
        now, beat = self.clock(), self.clock() + BOOKMARK_S
        before_end = self._deadline - _BEFORE_END_S
        # Bookmarks are due by whole seconds and sent by a timer of about one: those of short watches come too late.
        if self.options.timeout_s < _SHORT_S:
            return self._deadline
        return before_end if now < before_end < beat else beat

    async def _wait_fresh(self, table: Table, asked: int) -> None:
        """A watch that begins with the state waits until the cache has reached the version asked for.

        A server whose store reports no progress refuses them at once if they want bookmarks, and clients fall back to a
        list and a plain watch; without bookmarks and a version they wait for a change of this very resource.
        """
        if not self.options.replays:
            return
        if not self.progress and self.options.bookmarks:
            raise ApiError(500, "InternalError", _NO_PROGRESS)
        wanted = asked if self.options.version else self.store.version
        give_up = min(self.clock() + BLOCK_S, self._deadline)
        while self._reached(table) < wanted:
            if self.clock() >= give_up:
                raise too_large_version(wanted, self._reached(table))
            with Cursor(table, self._reached(table)) as cursor:
                await self._wait(cursor, min(give_up, self.clock() + 0.1))

    def _line(self, event: Event) -> bytes | None:
        """What this watcher is sent of an event: a change of selection is an ADDED or a DELETED to it."""
        selection = self.selection
        if not selection.holds(event.record.key):
            return None
        if selection.is_everything():
            return self._cached(event, event.change)
        now = event.change != "DELETED" and selection.selects(event.record.obj)
        before = event.previous is not None and selection.selects(event.previous.obj)
        if now:
            return self._cached(event, "MODIFIED" if before else "ADDED")
        if not before:
            return None
        if event.change == "DELETED":
            return self._cached(event, "DELETED")
        return self._cached(event, "DELETED", left=True)

    def _cached(self, event: Event, change: Change, *, left: bool = False) -> bytes:
        """`left`: the object is still there but selected no more; its last selected state goes out."""
        resource = self.selection.resource
        tag = (resource.api_version, change, left, self.shaper.tag if self.shaper else "")
        line = event.lines.get(tag)
        if line is None:
            if left and event.previous is not None:
                meta = {**event.previous.obj["metadata"], "resourceVersion": str(event.version)}
                line = self._object_line(change, {**view(resource, event.previous), "metadata": meta})
            else:
                line = self._record_line(change, event.record)
            event.lines[tag] = line
        return line

    def _record_line(self, change: str, record: Record) -> bytes:
        if self.shaper is not None:
            return self._object_line(change, view(self.selection.resource, record))
        body = view_bytes(self.selection.resource, record)
        return b'{"type":"' + change.encode() + b'","object":' + body + b"}\n"

    def _object_line(self, change: str, obj: Object) -> bytes:
        shaped = self.shaper.shape(self.selection.resource, obj) if self.shaper else obj
        return encode({"type": change, "object": shaped}) + b"\n"

    def _reached(self, table: Table) -> int:
        """The version up to which the cache of this resource is known to be complete."""
        return self.store.version if self.progress else table.latest()

    def _bookmark(self, version: int, annotations: Object | None) -> bytes:
        resource = self.selection.resource
        meta: Object = {"resourceVersion": str(version)}
        if annotations:
            meta["annotations"] = annotations
        schema: Any = resource.strategy.schema()
        empty = zero(schema) if isinstance(schema, Type) else {}
        body = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta, **empty}
        if self.shaper is not None and self.shaper.tag == "partial":
            body = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": meta}
        return encode({"type": "BOOKMARK", "object": body}) + b"\n"
