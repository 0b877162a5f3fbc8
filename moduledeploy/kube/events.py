"""Kubernetes Events (events.k8s.io/v1): told once, counted as a series after that, never in anybody's way."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Final, Literal, Protocol

import attrs
import structlog

from moduledeploy.kube.errors import AlreadyExists, ApiError, Forbidden, Invalid, KubeError, NotFound, NotLeading
from moduledeploy.kube.resources import ObjectKey, Resource
from moduledeploy.kube.times import micro_time
from moduledeploy.runtime.clock import Clock, SystemClock, move_on_after
from moduledeploy.runtime.text import one_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from moduledeploy.kube.writer import Written
    from moduledeploy.runtime.metrics import EventMetrics

_log: Final = structlog.get_logger()

EVENTS: Final = Resource("events.k8s.io", "v1", "events", "Event")
EventType = Literal["Normal", "Warning"]

# Limits of the API (events.k8s.io/v1).
_NOTE_BYTES: Final = 1024
_WORD_CHARS: Final = 128
# client-go, tools/events and tools/record.
_QUEUE_LENGTH: Final = 1000
_TRIES: Final = 12
_RETRY_S: Final = 10.0
_RETRY_JITTER: Final = 0.25
_SERIES_QUIET_S: Final = 360.0
_SERIES_REFRESH_S: Final = 1800.0
_SERIES_KEPT: Final = 4096  # ours: client-go keeps all that there were in the last six minutes
_SPAM_BURST: Final = 25.0
_SPAM_REFILL_PER_S: Final = 1 / 300
_SPAM_SOURCES: Final = 4096
_TIDY_EVERY_S: Final = 60.0


@attrs.frozen(kw_only=True)
class Reference:
    """The object that an event is about."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str = ""

    def as_body(self) -> dict[str, str]:
        """As the API writes it."""
        body = {"apiVersion": self.api_version, "kind": self.kind, "name": self.name}
        if self.namespace:
            body["namespace"] = self.namespace
        if self.uid:
            body["uid"] = self.uid
        return body


class EventWriter(Protocol):
    """Where events go; `Writer` is one."""

    async def create(self, resource: Resource, namespace: str, body: Mapping[str, object]) -> Written:
        """Create an object."""

    async def patch(self, resource: Resource, key: ObjectKey, body: object) -> Written:
        """Merge into an object."""


@attrs.frozen(kw_only=True)
class _Occurrence:
    """What happened; without its note it is what makes two of them the same (`key`)."""

    regarding: Reference
    type: EventType
    reason: str
    action: str
    note: str = attrs.field(eq=False)
    at: float = attrs.field(eq=False)


@attrs.define
class _Series:
    """One event object and how often it happened again."""

    key: ObjectKey
    body: dict[str, object]
    last_at: float
    count: int = 1
    written_count: int = 1
    written_at: float = 0.0


@attrs.define
class _Bucket:
    tokens: float
    at: float


@attrs.define(kw_only=True)
class Recorder:
    """Takes events at any time, writes them in `run`; a full queue, a chatty object or a refusing server cost events only.

    The same event (all but its note) within six minutes becomes a series: the second updates the first one's object,
    further ones are counted and written every half hour and at the end. Per object, type and reason 25 at once, then one in
    five minutes: chatter never hides a warning, nor the batches of a rollout its end.
    """

    writer: EventWriter
    controller: str
    instance: str
    metrics: EventMetrics
    clock: Clock = attrs.field(factory=SystemClock)
    draw: Callable[[], float] = random.random
    _queue: deque[_Occurrence] = attrs.field(factory=deque, init=False)
    _series: OrderedDict[_Occurrence, _Series] = attrs.field(factory=OrderedDict, init=False)
    _buckets: OrderedDict[tuple[Reference, EventType, str], _Bucket] = attrs.field(factory=OrderedDict, init=False)
    _wake: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _idle: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _closing: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)

    def event(
        self,
        *,
        regarding: Reference,
        type: EventType,  # noqa: A002  # the API's word
        reason: str,
        action: str,
        note: str,
    ) -> None:
        """Note that something happened; returns at once and never raises. `note` alone may vary between occurrences."""
        if len(self._queue) >= _QUEUE_LENGTH:
            self.metrics.dropped.labels("full").inc()
            return
        self._queue.append(
            _Occurrence(
                regarding=regarding,
                type=type,
                reason=reason[:_WORD_CHARS],
                action=action[:_WORD_CHARS],
                note=one_line(note, _NOTE_BYTES),
                at=self.clock.wall(),
            )
        )
        self._wake.set()

    async def run(self) -> None:
        """Write events until cancelled."""
        tidied_at = self.clock.monotonic()
        while True:
            if not self._queue:
                self._idle.set()
                self._wake.clear()
                with move_on_after(self.clock, _TIDY_EVERY_S):
                    await self._wake.wait()
            self._idle.clear()
            if self._queue:
                await self._record(self._queue.popleft())
            if self.clock.monotonic() - tidied_at >= _TIDY_EVERY_S:
                tidied_at = self.clock.monotonic()
                await self._tidy()

    async def flush(self, timeout_s: float) -> bool:
        """Stop retrying and wait until what is queued has been tried; False when `timeout_s` was too short."""
        self._closing.set()
        with move_on_after(self.clock, timeout_s) as scope:
            while self._queue or not self._idle.is_set():
                self._idle.clear()
                self._wake.set()
                await self._idle.wait()
        return not scope.cancelled_caught

    async def _record(self, occurrence: _Occurrence) -> None:
        series = self._series.get(occurrence)
        if series is not None:
            series.count += 1
            series.last_at = occurrence.at
            self._series.move_to_end(occurrence)
            if series.count == 2 and self._has_token(occurrence):
                await self._update(occurrence, series)
            return
        if not self._has_token(occurrence):
            self.metrics.dropped.labels("spam").inc()
            return
        series = self._begin(occurrence)
        if await self._write(lambda: self.writer.create(EVENTS, series.key.namespace, series.body)):
            self._series[occurrence] = series
            if len(self._series) > _SERIES_KEPT:
                self._series.popitem(last=False)
            self.metrics.written.labels(occurrence.type).inc()

    async def _update(self, occurrence: _Occurrence, series: _Series) -> None:
        """Write the series' count; when the object has expired meanwhile, create it anew."""
        count = series.count
        change = {"series": {"count": count, "lastObservedTime": micro_time(series.last_at)}}

        async def patch() -> Written:
            try:
                return await self.writer.patch(EVENTS, series.key, change)
            except NotFound:
                return await self.writer.create(EVENTS, series.key.namespace, series.body | change)

        if await self._write(patch):
            series.written_count = count
            series.written_at = self.clock.wall()
            self.metrics.written.labels(occurrence.type).inc()

    async def _tidy(self) -> None:
        """Write the counts of long series, and let go of those that have ended."""
        now = self.clock.wall()
        for occurrence, series in list(self._series.items()):
            has_ended = now - series.last_at >= _SERIES_QUIET_S
            is_unwritten = series.count > series.written_count
            if is_unwritten and (has_ended or now - series.written_at >= _SERIES_REFRESH_S):
                await self._update(occurrence, series)
            if has_ended:
                self._series.pop(occurrence, None)

    async def _write(self, attempt: Callable[[], Awaitable[object]]) -> bool:
        for number in range(_TRIES):
            try:
                await attempt()
                return True
            except AlreadyExists:
                return True  # an earlier try arrived after all
            except (NotLeading, Invalid, Forbidden, NotFound) as error:
                _log.warning("event given up", error=str(error))
                break
            except KubeError as error:
                if self._closing.is_set() or number + 1 == _TRIES:
                    _log.warning("event given up", error=str(error))
                    break
                hint = error.retry_after_s if isinstance(error, ApiError) else None
                with move_on_after(self.clock, max(hint or 0.0, _RETRY_S * (1 + _RETRY_JITTER * self.draw()))):
                    await self._closing.wait()
        self.metrics.dropped.labels("failed").inc()
        return False

    def _begin(self, occurrence: _Occurrence) -> _Series:
        namespace = occurrence.regarding.namespace or "default"
        # Names of events are free; the object's own name in front is what people see in lists.
        name = f"{occurrence.regarding.name[:200]}.{uuid.uuid4().hex[:16]}"
        body: dict[str, object] = {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {"name": name, "namespace": namespace},
            "eventTime": micro_time(occurrence.at),
            "reportingController": self.controller,
            "reportingInstance": self.instance[:_WORD_CHARS],
            "type": occurrence.type,
            "reason": occurrence.reason,
            "action": occurrence.action,
            "note": occurrence.note,
            "regarding": occurrence.regarding.as_body(),
        }
        return _Series(ObjectKey(namespace, name), body, occurrence.at)

    def _has_token(self, occurrence: _Occurrence) -> bool:
        now = self.clock.monotonic()
        source = (occurrence.regarding, occurrence.type, occurrence.reason)
        bucket = self._buckets.pop(source, None) or _Bucket(_SPAM_BURST, now)
        bucket.tokens = min(_SPAM_BURST, bucket.tokens + (now - bucket.at) * _SPAM_REFILL_PER_S)
        bucket.at = now
        self._buckets[source] = bucket
        if len(self._buckets) > _SPAM_SOURCES:
            self._buckets.popitem(last=False)
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True
