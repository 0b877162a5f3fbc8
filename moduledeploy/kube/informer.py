"""A synced cache of one kind that tells handlers what changed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import anyio
import attrs
import structlog

from moduledeploy.kube.reflector import Reflector, WatchRules
from moduledeploy.kube.store import Object, Store
from moduledeploy.kube.versions import is_at_least, is_comparable
from moduledeploy.kube.wire import Bookmark, Decoder, Event, Page, Poisoned, Put, Removed, keyed
from moduledeploy.runtime.clock import Clock, SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from anyio.abc import TaskStatus

    from moduledeploy.kube.resources import ObjectKey, Resource
    from moduledeploy.kube.transport import Transport
    from moduledeploy.runtime.metrics import InformerMetrics

_log: Final = structlog.get_logger()
T = TypeVar("T", bound=Object)
# Changes told to the handlers before other tasks get their turn.
_CHANGES_PER_TURN: Final = 200


@attrs.frozen
class Change(Generic[T]):
    """One object's step from `old` to `new`: None before it was there, None after it is gone.

    Both present means the same object, same UID, changed. `is_initial` marks what was there when the handler came.
    """

    key: ObjectKey
    old: T | None
    new: T | None
    is_initial: bool = False


class Informer(Generic[T]):
    """Holds everything the server has of one kind in `store` and calls the handlers for every change, in order.

    The store is changed before any handler hears of it. A complete read is told as its difference: deletions first, then
    the rest; an object that was replaced by a namesake is a deletion and an addition. Handlers are plain functions that
    enqueue keys and never wait; one that raises is counted and logged, and the others still hear of the change.
    """

    def __init__(
        self,
        *,
        resource: Resource,
        object_type: type[T],
        transport: Transport,
        metrics: InformerMetrics,
        namespace: str | None = None,
        label_selector: str = "",
        indexes: Mapping[str, Callable[[T], Iterable[str]]] | None = None,
        transform: Callable[[T], T] | None = None,
        clock: Clock | None = None,
        rules: WatchRules | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.resource: Final = resource
        self.store: Final[Store[T]] = Store(indexes)
        self._indexes: Final = indexes
        self._side: Store[T] = Store(indexes)
        self._metrics: Final = metrics
        self._handlers: Final[list[tuple[str, Callable[[Change[T]], object]]]] = []
        self._synced: Final = anyio.Event()
        self._clock: Final = clock or SystemClock()
        self._reflector: Final = Reflector(
            resource=resource,
            decoder=Decoder(object_type, transform),
            sink=self,
            transport=transport,
            clock=self._clock,
            metrics=metrics,
            namespace=namespace,
            label_selector=label_selector,
            rules=rules or WatchRules(),
            draw=draw,
        )
        labels = (resource.plural, resource.group, resource.version, resource.plural)
        self._latency: Final = metrics.latency.labels(*labels)
        metrics.synced.labels(resource.plural).set(0)
        metrics.objects.labels(resource.plural).set_function(self.store.__len__)
        metrics.version.labels(*labels).set_function(
            lambda: float(self.store.last_rv) if is_comparable(self.store.last_rv) else 0.0
        )

    @property
    def has_synced(self) -> bool:
        """Whether the store was complete once and every handler has heard of all that was in it."""
        return self._synced.is_set()

    @property
    def last_error(self) -> str:
        """Why the last exchange with the server failed; empty while all is well."""
        return self._reflector.last_error

    @property
    def refused(self) -> str:
        """What the server said if it refuses this kind at present (401, 403, 404); a person has to help."""
        return self._reflector.refused

    def stuck(self) -> str | None:
        """Why this informer can't be alive any more, for a liveness check; None while it still tries to do its work.

        A server that can't be reached is no reason: a restart wouldn't help.
        """
        silent_s = self._reflector.silent_s()
        limit_s = 2 * self._reflector.rules.max_watch_s
        return f"{self.resource.plural}: nothing tried for {silent_s:.0f} s" if silent_s > limit_s else None

    def add_handler(self, handler: Callable[[Change[T]], object], *, name: str = "") -> None:
        """Have `handler` called for every change from now on, after an initial addition for each object there is."""
        title = name or getattr(handler, "__qualname__", type(handler).__qualname__)
        self._handlers.append((title, handler))
        for key in list(self.store.keys()):
            self._tell_one(title, handler, Change(key, None, self.store.get(key), is_initial=True))

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Fill the store and keep it filled until cancelled; calls `started()` once synced."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._reflector.run)
            await self._synced.wait()
            task_status.started()

    # What follows is the reflector's side of the informer (its Sink).

    def begin(self) -> None:
        """Start collecting a complete state beside the one in use."""
        self._side = Store(self._indexes)

    def collect(self, event: Event[T]) -> None:
        """Apply an event to the state being collected."""
        match event:
            case Put(key=key, obj=obj):
                self._side.put(key, obj)
            case Removed(key=key) | Poisoned(key=key):
                self._side.remove(key)
            case _:
                pass

    def collect_page(self, page: Page[T]) -> None:
        """Add a page to the state being collected."""
        for key, obj in keyed(page.objects):
            self._side.put(key, obj)

    async def complete(self, rv: str) -> None:
        """Put the collected state in the place of the old one, at once, then tell the difference."""
        before = self.store.last_rv
        if is_comparable(before) and is_comparable(rv) and not is_at_least(rv, before):
            _log.error("the server's history went back", resource=str(self.resource), seen=before, now=rv)
        old = self.store.adopt(self._side, rv)
        self._side = Store(self._indexes)
        is_initial = not self.has_synced
        for count, change in enumerate(_differences(old, self.store, is_initial=is_initial), 1):
            self._tell(change)
            if count % _CHANGES_PER_TURN == 0:
                await anyio.lowlevel.checkpoint()
        if is_initial:
            self._synced.set()
            self._metrics.synced.labels(self.resource.plural).set(1)
            _log.info("cache filled", resource=str(self.resource), objects=len(self.store), version=rv)

    def apply(self, event: Event[T]) -> None:
        """Bring one change into the store, then tell it."""
        began_at = self._clock.monotonic()
        self._bring(event)
        self._latency.observe(self._clock.monotonic() - began_at)

    def _bring(self, event: Event[T]) -> None:
        match event:
            case Put(key=key, obj=obj):
                old = self.store.put(key, obj)
                self.store.advance(obj.metadata.resourceVersion)
                self._tell_step(key, old, obj)
            case Removed(key=key, rv=rv) | Poisoned(key=key, rv=rv):
                old = self.store.remove(key)
                if rv:
                    self.store.advance(rv)
                if old is not None:
                    self._tell(Change(key, old, None))
            case Bookmark(rv=rv):
                self.store.advance(rv)
            case _:
                pass

    def _tell_step(self, key: ObjectKey, old: T | None, new: T) -> None:
        if old is not None:
            if old.metadata.uid != new.metadata.uid:
                self._tell(Change(key, old, None))
                old = None
            elif old.metadata.resourceVersion == new.metadata.resourceVersion:
                return
        self._tell(Change(key, old, new))

    def _tell(self, change: Change[T]) -> None:
        for title, handler in self._handlers:
            self._tell_one(title, handler, change)

    def _tell_one(self, title: str, handler: Callable[[Change[T]], object], change: Change[T]) -> None:
        try:
            handler(change)
        except Exception:
            self._metrics.handler_errors.labels(self.resource.plural, title).inc()
            _log.exception("handler failed", handler=title, resource=str(self.resource), key=str(change.key))


def _differences(old: Mapping[ObjectKey, T], new: Store[T], *, is_initial: bool) -> list[Change[T]]:
    if not old:
        return [Change(key, None, obj, is_initial) for key, obj in new.items()]
    gone: list[Change[T]] = []
    for key, obj in old.items():
        now = new.get(key)
        if now is None or now.metadata.uid != obj.metadata.uid:
            gone.append(Change(key, obj, None))
    there: list[Change[T]] = []
    for key, obj in new.items():
        before = old.get(key)
        if before is not None and before.metadata.uid != obj.metadata.uid:
            before = None
        if before is None or before.metadata.resourceVersion != obj.metadata.resourceVersion:
            there.append(Change(key, before, obj, is_initial))
    return gone + there
