"""Changes of the in-process API, told to handlers in order; `pump` brings them up to the present at once.

Calls on the API take effect before they return.  A controller that pumps its feeds before it decides therefore decides on
the present state, and needs no bookkeeping of what it expects to see.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import anyio

from moduledeploy.devcluster.local import HistoryLostError, LocalApi, Seen, Subscription

if TYPE_CHECKING:
    from collections.abc import Callable

    from moduledeploy.devcluster.storage import Key, Object

    Handler = Callable[[Seen], None]


def key_of(obj: Object) -> Key:
    """Namespace and name."""
    meta = obj["metadata"]
    return meta.get("namespace", ""), meta["name"]


class Feed:
    """One resource; every handler hears of every object that is there, then of every change, once and in order."""

    def __init__(self, api: LocalApi, resource: str) -> None:
        self._api: Final = api
        self.resource: Final = resource
        self.table: Final = api.store.open(resource)
        self._handlers: Final[list[Handler]] = []
        self.objects: Final[dict[Key, Object]] = {}
        self._subscription: Subscription = api.subscribe(resource)
        self._subscription.__enter__()
        for obj in self._subscription.initial:
            self.objects[key_of(obj)] = obj

    def close(self) -> None:
        """Hear of nothing more."""
        self._subscription.__exit__()

    def add_handler(self, handler: Handler) -> None:
        """Tell this handler too, beginning with what is there."""
        self._handlers.append(handler)
        for obj in list(self.objects.values()):
            handler(Seen("ADDED", obj, None))

    def pump(self) -> None:
        """Tell everything that was committed until now."""
        while events := self._read():
            for event in events:
                self._tell(event)

    async def run(self) -> None:
        """Tell changes as they come."""
        while True:
            try:
                events = await self._subscription.wait_events()
            except HistoryLostError:
                events = self._differences()
            for event in events:
                self._tell(event)

    def _read(self) -> list[Seen]:
        try:
            return self._subscription.events_nowait()
        except HistoryLostError:
            return self._differences()

    def _tell(self, event: Seen) -> None:
        if event.change == "DELETED":
            self.objects.pop(key_of(event.obj), None)
        else:
            self.objects[key_of(event.obj)] = event.obj
        for handler in self._handlers:
            handler(event)

    def _differences(self) -> list[Seen]:
        """Begin anew after falling behind the history: what has changed since, as changes."""
        self._subscription.__exit__()
        self._subscription = self._api.subscribe(self.resource)
        self._subscription.__enter__()
        now = {key_of(obj): obj for obj in self._subscription.initial}
        gone = [Seen("DELETED", obj, obj) for key, obj in self.objects.items() if key not in now]
        return gone + [
            Seen("MODIFIED" if key in self.objects else "ADDED", obj, self.objects.get(key))
            for key, obj in now.items()
            if self.objects.get(key) is not obj
        ]


class Feeds:
    """The feeds that the controllers of one cluster share; a resource is followed from when it is first asked for."""

    def __init__(self, api: LocalApi) -> None:
        self._api: Final = api
        self._feeds: Final[dict[str, Feed]] = {}
        self._started: Final[dict[str, anyio.CancelScope]] = {}
        self._changed: Final = asyncio.Event()

    def get(self, resource: str) -> Feed:
        """The feed of a resource, by `plural.group` or `plural`."""
        if (feed := self._feeds.get(resource)) is None:
            feed = self._feeds[resource] = Feed(self._api, resource)
            self._changed.set()
        return feed

    def is_current(self, resource: str) -> bool:
        """Whether the resource is followed, and is still the one that was: a definition can go and come back."""
        feed = self._feeds.get(resource)
        return feed is not None and self._api.store.tables.get(resource) is feed.table

    def drop(self, resource: str) -> list[Object]:
        """Follow a resource no longer; what was there."""
        feed = self._feeds.pop(resource, None)
        if scope := self._started.pop(resource, None):
            scope.cancel()
        if feed is None:
            return []
        feed.close()
        return list(feed.objects.values())

    def pump(self) -> None:
        """Bring every feed up to the present."""
        for feed in list(self._feeds.values()):
            feed.pump()

    async def run(self) -> None:
        """Tell changes of all resources as they come, those first asked for later included."""
        async with anyio.create_task_group() as tasks:
            while True:
                self._changed.clear()
                for resource, feed in self._feeds.items():
                    if resource not in self._started:
                        scope = self._started[resource] = anyio.CancelScope()
                        tasks.start_soon(_run_within, scope, feed)
                await self._changed.wait()


async def _run_within(scope: anyio.CancelScope, feed: Feed) -> None:
    with scope:
        await feed.run()
