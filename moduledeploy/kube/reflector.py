"""Keeps a sink equal to what the server has of one kind: reads everything, then watches, for as long as it runs."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

import anyio
import attrs
import structlog

from moduledeploy.kube.ahead import PagesAhead
from moduledeploy.kube.errors import ApiError, error_from_status
from moduledeploy.kube.phases import (
    SHORT_WATCH_S,
    Asked,
    Doubted,
    Empty,
    Ended,
    Failure,
    Listed,
    Means,
    Outcome,
    PageRead,
    Paging,
    Pause,
    State,
    advance,
    failure_of,
)
from moduledeploy.kube.store import Object
from moduledeploy.kube.wire import (
    Bookmark,
    Decoder,
    Event,
    Failed,
    Garbage,
    Page,
    Poisoned,
    Put,
    Removed,
    UndecodableList,
)
from moduledeploy.runtime.backoff import Backoff, BackoffCounter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from prometheus_client import Counter as MetricCounter

    from moduledeploy.kube.resources import Resource
    from moduledeploy.kube.transport import LineStream, Transport
    from moduledeploy.runtime.clock import Clock
    from moduledeploy.runtime.metrics import InformerMetrics

_log: Final = structlog.get_logger()
T = TypeVar("T", bound=Object)


class Sink(Protocol[T]):
    """What a reflector fills; every method but `complete` is plain and quick."""

    def begin(self) -> None:
        """Forget what was collected: a complete read starts."""

    def collect(self, event: Event[T]) -> None:
        """Take part of a complete read."""

    def collect_page(self, page: Page[T]) -> None:
        """Take a page of a complete read."""

    async def complete(self, rv: str) -> None:
        """Everything has been collected: this, at `rv`, is the state now."""

    def apply(self, event: Event[T]) -> None:
        """Take a change of the complete state."""


@attrs.frozen(kw_only=True)
class WatchRules:
    """Numbers of the protocol; all in seconds but `page_size`."""

    page_size: int = 500  # client-go, tools/pager
    page_timeout_s: float = 60.0
    answer_within_s: float = 30.0
    min_watch_s: float = 300.0  # client-go, tools/cache/reflector.go: 5 to 10 minutes, so that load spreads
    max_watch_s: float = 600.0
    # The server's watch cache sends a bookmark each minute: a third of one more without a line may be a dead connection. One that
    # was only slow, or a kind in which nothing happens on a storage that reports no progress, costs a request that resumes it.
    idle_s: float = 80.0
    # Beyond the end that the server was asked for.
    end_margin_s: float = 10.0
    marker_within_s: float = 60.0
    marker_silence_s: float = 10.0
    # Measured for 10 000 pods: a stream takes some 15 % more CPU than pages, but is consistent with the watch that it becomes,
    # and pages keep the loop for 10 ms and more each.
    initial: Means = Means.STREAM


# client-go's numbers but for the cap of 30 s: a server that is back must be noticed by every kind well within that.
_RELIST: Final = Backoff(base_s=0.8, cap_s=20.0)
# Lines handled before other tasks get their turn; at some 10 µs a line that is well under a millisecond.
_LINES_PER_TURN: Final = 50


@attrs.define
class _Watch:
    """What has come out of the open stream so far."""

    opened_at: float
    rv: str
    timeout_s: float
    is_synced: bool
    # One that begins at no version begins with what there is, in any order (client-go: propagateRVFromStart).
    is_in_order: bool
    events: int = 0


@attrs.define(kw_only=True)
class Reflector(Generic[T]):
    """Runs until cancelled; no fault of the server ends it. Not reentrant: one `run` at a time.

    `last_error` is why the last exchange failed; `refused` is the same where the server said no, and waiting alone won't help.
    """

    resource: Resource
    decoder: Decoder[T]
    sink: Sink[T]
    transport: Transport
    clock: Clock
    metrics: InformerMetrics
    namespace: str | None = None
    label_selector: str = ""
    rules: WatchRules = attrs.field(factory=WatchRules)
    draw: Callable[[], float] = random.random
    last_error: str = attrs.field(default="", init=False)
    refused: str = attrs.field(default="", init=False)
    _tried_at: float | None = attrs.field(default=None, init=False)
    _error: str = attrs.field(default="", init=False)
    _backoff: BackoffCounter = attrs.field(init=False)
    _retry_after_s: float = attrs.field(default=0.0, init=False)
    _read_began_at: float = attrs.field(default=0.0, init=False)
    _counters: dict[str, MetricCounter] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._backoff = BackoffCounter(policy=_RELIST, clock=self.clock, draw=self.draw)

    async def run(self) -> None:
        """Fill the sink and keep it filled; returns by cancellation only."""
        state: State = Empty(means=self.rules.initial, prefers=self.rules.initial)
        async with anyio.create_task_group() as group:
            pages = PagesAhead(group, self._fetch)
            while True:
                outcome = await self._exchange(state, pages)
                step = advance(state, outcome)
                self._note(state, outcome, step.state)
                state = step.state
                await self._pause(step.pause)

    def silent_s(self) -> float:
        """Seconds since the last request or line; 0 before the first."""
        return 0.0 if self._tried_at is None else self.clock.monotonic() - self._tried_at

    async def _exchange(self, state: State, pages: PagesAhead) -> Outcome:
        self._tried_at = self.clock.monotonic()
        self._error = ""
        match state:
            case Empty(means=Means.STREAM, rv=rv):
                self._begin()
                return await self._watch(rv, is_initial=True)
            case Empty(means=means):
                self._begin()
                return await self._page(pages.read("") if means is Means.PAGES else self._fetch("", limit=False))
            case Paging(token=token):
                return await self._page(pages.read(token))
            case Listed(rv=rv):
                return await self._watch(rv, is_initial=False)
            case Doubted():
                return await self._ask()

    def _begin(self) -> None:
        self._read_began_at = self.clock.monotonic()
        self.sink.begin()

    async def _fetch(self, token: str, *, limit: bool = True) -> bytes:
        query = self._selection()
        if limit:
            query["limit"] = str(self.rules.page_size)
        if token:
            query["continue"] = token
        return await self.transport.request(
            "GET", self.resource.path(self.namespace), query=query, timeout_s=self.rules.page_timeout_s
        )

    async def _page(self, reading: Awaitable[bytes]) -> Outcome:
        try:
            page = self.decoder.decode_page(await reading)
        except ApiError as error:
            return Ended(self._failed(error))
        except UndecodableList as error:
            self._error = f"undecodable list: {error}"
            return Ended(Failure.UNDECODABLE)
        self._contact()
        await anyio.lowlevel.checkpoint()  # decoding a page takes milliseconds, and so does what follows
        self.sink.collect_page(page)
        for poisoned in page.poisoned:
            self._drop("undecodable", poisoned)
        if not page.continue_token:
            await self._complete(page.rv, "list")
        return PageRead(page.rv, page.continue_token)

    async def _ask(self) -> Outcome:
        """How far the server is: the version of the smallest list there is."""
        path, query, rules = self.resource.path(self.namespace), {"limit": "1"}, self.rules
        try:
            answer = await self.transport.request(
                "GET", path, query=query, timeout_s=rules.answer_within_s, max_tries=1
            )
            return Asked(self.decoder.decode_page(answer).rv)
        except ApiError as error:
            return Ended(self._failed(error))
        except UndecodableList as error:
            self._error = f"undecodable list: {error}"
            return Ended(Failure.UNDECODABLE)

    async def _watch(self, rv: str, *, is_initial: bool) -> Ended:
        rules = self.rules
        timeout_s = rules.min_watch_s + (rules.max_watch_s - rules.min_watch_s) * self.draw()
        query = self._selection() | {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": rv,
            "timeoutSeconds": str(int(timeout_s)),
        }
        if is_initial:
            query |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
        watch = _Watch(self.clock.monotonic(), rv, timeout_s, is_synced=not is_initial, is_in_order=bool(rv))
        self.metrics.watches.labels(self.resource.plural).inc()
        try:
            async with self.transport.stream(
                self.resource.path(self.namespace), query=query, answer_within_s=rules.answer_within_s
            ) as stream:
                self._contact()
                if not is_initial:
                    self._recovered()
                why = await self._follow(stream, watch)
        except ApiError as error:
            why = self._failed(error)
        lived_s = self.clock.monotonic() - watch.opened_at
        if why is Failure.END and lived_s < SHORT_WATCH_S and watch.events == 0:
            why = Failure.SHORT
            self.metrics.short_watches.labels(self.resource.plural).inc()
        self.metrics.watch_duration.labels(self.resource.plural).observe(lived_s)
        return Ended(why, watch.rv, lived_s, watch.events, watch.is_synced)

    async def _follow(self, stream: LineStream, watch: _Watch) -> Failure:
        """Handle the stream's lines until it ends; raises ApiError when it breaks."""
        while True:
            try:
                lines = await stream.read_lines(self._idle_s(watch))
            except ApiError as error:
                if error.reason == "idle" and not watch.is_synced:
                    if self.clock.monotonic() - watch.opened_at < self.rules.marker_within_s:
                        continue  # a slow beginning, and nothing read so far is lost
                    self._error = f"no end of the initial events: {error.message}"
                    return Failure.NO_MARKER
                if error.reason == "idle":
                    return Failure.IDLE  # nothing may have happened: no fault that anybody should read of
                raise
            if lines is None:
                return Failure.END
            self._contact()
            for begin in range(0, len(lines), _LINES_PER_TURN):
                failed = await self._take_all(lines[begin : begin + _LINES_PER_TURN], watch)
                if failed is not None:
                    return failed
                await anyio.lowlevel.checkpoint()

    async def _take_all(self, lines: Sequence[bytes | memoryview], watch: _Watch) -> Failure | None:
        """Handle some lines; a failure where the server ends the watch with one."""
        counts = Counter[str]()
        try:
            for line in lines:
                event = self.decoder.decode_event(line)
                match event:
                    case Put(is_added=is_added):
                        counts["ADDED" if is_added else "MODIFIED"] += 1
                        self._take(event, event.obj.metadata.resourceVersion, watch)
                    case Removed(rv=rv):
                        counts["DELETED"] += 1
                        self._take(event, rv, watch)
                    case Bookmark():
                        counts["BOOKMARK"] += 1
                        await self._take_bookmark(event, watch)
                    case Poisoned(rv=rv):
                        self._drop("undecodable", event)
                        self._take(event, rv, watch)
                    case Failed(status=status):
                        raised = error_from_status(status, request=f"watch {self.resource}")
                        return self._failed(raised, is_in_stream=True)
                    case Garbage():
                        self._drop("garbage", event)
        finally:
            for type_, count in counts.items():
                self._counter(type_).inc(count)
        return None

    def _take(self, event: Event[T], rv: str, watch: _Watch) -> None:
        watch.events += 1
        if watch.is_synced:
            self.sink.apply(event)
            watch.is_in_order |= not (isinstance(event, Put) and event.is_added)
            if watch.is_in_order:
                watch.rv = rv or watch.rv
        else:
            # These are in no order of versions, so none of them says how far we are; the closing bookmark does.
            self.sink.collect(event)

    async def _take_bookmark(self, event: Bookmark, watch: _Watch) -> None:
        if watch.is_synced:
            self.sink.apply(event)
            watch.rv = event.rv
            watch.is_in_order = True
        elif event.ends_initial:
            await self._complete(event.rv, "watchlist")
            watch.rv = event.rv
            watch.is_synced = watch.is_in_order = True

    def _counter(self, type_: str) -> MetricCounter:
        counter = self._counters.get(type_)
        if counter is None:
            counter = self._counters[type_] = self.metrics.events.labels(self.resource.plural, type_)
        return counter

    def _idle_s(self, watch: _Watch) -> float:
        if not watch.is_synced:
            return self.rules.marker_silence_s
        remaining_s = watch.opened_at + watch.timeout_s - self.clock.monotonic()
        until_end_s = max(remaining_s, 0.0) + self.rules.end_margin_s
        return min(self.rules.idle_s, until_end_s)

    async def _complete(self, rv: str, mode: str) -> None:
        self._recovered()
        await self.sink.complete(rv)
        self.metrics.lists.labels(self.resource.plural, mode, "success").inc()
        self.metrics.list_duration.labels(self.resource.plural).observe(self.clock.monotonic() - self._read_began_at)

    def _selection(self) -> dict[str, str]:
        return {"labelSelector": self.label_selector} if self.label_selector else {}

    def _contact(self) -> None:
        self._tried_at = self.clock.monotonic()
        self.metrics.last_activity.labels(self.resource.plural).set(self.clock.wall())

    def _failed(self, error: ApiError, *, is_in_stream: bool = False) -> Failure:
        self._retry_after_s = error.retry_after_s or 0.0
        self._error = error.message
        return failure_of(error, is_in_stream=is_in_stream)

    def _recovered(self) -> None:
        if self.last_error:
            _log.info("in contact again", resource=str(self.resource))
        self.last_error = self.refused = ""

    def _drop(self, reason: str, event: Poisoned | Garbage) -> None:
        self.metrics.dropped.labels(self.resource.plural, reason).inc()
        key = str(event.key) if isinstance(event, Poisoned) else ""
        _log.warning("object left out", resource=str(self.resource), key=key, reason=reason, error=event.why)

    def _note(self, state: State, outcome: Outcome, following: State) -> None:
        """Count and tell what an exchange came to."""
        if not isinstance(outcome, Ended):
            return
        self.metrics.restarts.labels(self.resource.plural, outcome.why.value).inc()
        is_reading = isinstance(state, Empty | Paging) and not outcome.is_synced
        if is_reading:
            mode = "watchlist" if isinstance(state, Empty) and state.means is Means.STREAM else "list"
            self.metrics.lists.labels(self.resource.plural, mode, "error").inc()
            if mode == "watchlist" and isinstance(following, Empty) and following.means is Means.PAGES:
                _log.info("no streamed list, reading pages", resource=str(self.resource), why=self._error)
                return
        if outcome.why is Failure.EXPIRED and isinstance(state, Listed) and state.failures:
            _log.info("version forgotten, reading anew", resource=str(self.resource), why=self._error)
            return
        if self._error and self._error != self.last_error:
            _log.warning(
                "list failed" if is_reading else "watch failed", resource=str(self.resource), error=self._error
            )
        self.last_error = self._error
        self.refused = self._error if outcome.why is Failure.DENIED else ""

    async def _pause(self, pause: Pause) -> None:
        asked_s, self._retry_after_s = self._retry_after_s, 0.0
        if pause is Pause.NONE:
            return
        if pause is Pause.FRESH:
            self._backoff.reset()
        await self.clock.sleep(max(self._backoff.next_delay_s(), asked_s))
