"""What handlers are told, and how the informer behaves on connections that are slow, silent or dead."""

from __future__ import annotations

from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

import anyio
import attrs
import pytest
from structlog.testing import capture_logs

from moduledeploy.kube.informer import Change, Informer
from moduledeploy.kube.phases import Means
from moduledeploy.runtime.metrics import Metrics
from tests.clock import ManualClock, settle
from tests.kube.server import Answer, Reply, ScriptedServer, Stream, Then, failure, status
from tests.kube.things import Thing, added, bookmark, deleted, error, key, make_informer, modified, page, stored, thing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@attrs.define
class Rig:
    """A server, an informer of it and what its handler heard."""

    server: ScriptedServer
    clock: ManualClock
    metrics: Metrics
    informer: Informer[Thing]
    changes: list[Change[Thing]]

    def told(self) -> list[str]:
        """The changes in short: name, uid and version before and after."""
        return [f"{change.key.name}: {_short(change.old)} -> {_short(change.new)}" for change in self.changes]


def _short(obj: Thing | None) -> str:
    return "-" if obj is None else f"{obj.metadata.uid}@{obj.metadata.resourceVersion}"


@asynccontextmanager
async def rig(*script: Answer, initial: Means = Means.STREAM) -> AsyncIterator[Rig]:
    clock, metrics = ManualClock(), Metrics()
    server = ScriptedServer(*script)
    async with server.running(), server.transport(clock, metrics) as transport, anyio.create_task_group() as group:
        informer = make_informer(transport, clock, metrics, initial)
        it = Rig(server, clock, metrics, informer, [])
        informer.add_handler(it.changes.append, name="test")
        group.start_soon(informer.run)
        yield it
        group.cancel_scope.cancel()


def synced(*lines: bytes, then: Then = Then.HANG) -> Stream:
    return Stream([added("a", 3), added("b", 4), bookmark(10, ends_initial=True), *lines], then)


async def test_the_first_list_is_told_as_initial_additions_and_later_ones_are_not() -> None:
    async with rig(synced(added("c", 11))) as it:
        await it.clock.run_until(lambda: len(it.changes) == 3, at_most_s=0)

        assert [(change.key.name, change.is_initial) for change in it.changes] == [
            ("a", True),
            ("b", True),
            ("c", False),
        ]


async def test_run_reports_started_only_once_the_store_is_complete() -> None:
    server, clock, metrics = ScriptedServer(Stream([added("a", 3)])), ManualClock(), Metrics()
    async with server.running(), server.transport(clock, metrics) as transport, anyio.create_task_group() as group:
        informer = make_informer(transport, clock, metrics)
        started = anyio.Event()

        async def start() -> None:
            await group.start(informer.run)
            started.set()

        group.start_soon(start)
        await settle()
        assert not started.is_set()
        assert len(informer.store) == 0, "half a list is nothing"

        await server.open_streams[0].write(bookmark(10, ends_initial=True))
        await clock.run_until(started.is_set, at_most_s=0)

        assert stored(informer) == {"a": 3}
        group.cancel_scope.cancel()


async def test_the_store_is_changed_before_a_handler_hears_of_it() -> None:
    async with rig(synced(modified("a", 11))) as it:
        seen: list[object] = []
        it.informer.add_handler(lambda change: seen.append(it.informer.store.get(change.key) is change.new))

        await it.clock.run_until(lambda: len(seen) == 3, at_most_s=0)

        assert all(seen)


async def test_a_late_handler_hears_of_everything_there_is_first() -> None:
    async with rig(synced()) as it:
        await it.clock.run_until(lambda: it.informer.has_synced, at_most_s=0)
        late: list[Change[Thing]] = []

        it.informer.add_handler(late.append)

        assert [(change.key.name, change.old, change.is_initial) for change in late] == [
            ("a", None, True),
            ("b", None, True),
        ]


async def test_9_a_missed_deletion_is_told_before_what_is_new() -> None:
    """Number 9 of the list: a relist gives tombstones, and these come first."""
    relist = Stream([added("b", 4), added("c", 15), bookmark(20, ends_initial=True)])
    async with rig(synced(then=Then.END), failure(410, "Expired"), relist) as it:
        await it.clock.run_until(lambda: len(it.changes) == 4)

        assert it.told()[2:] == ["a: uid-a@3 -> -", "c: - -> uid-c@15"]


async def test_9_a_namesake_found_by_a_list_is_a_deletion_and_an_addition() -> None:
    relist = Stream([added("a", 15, uid="new"), added("b", 4), bookmark(20, ends_initial=True)])
    async with rig(synced(then=Then.END), failure(410, "Expired"), relist) as it:
        await it.clock.run_until(lambda: len(it.changes) == 4)

        assert it.told()[2:] == ["a: uid-a@3 -> -", "a: - -> new@15"]


async def test_9_a_namesake_in_a_watch_is_a_deletion_and_an_addition() -> None:
    async with rig(synced(modified("a", 11, uid="new"))) as it:
        await it.clock.run_until(lambda: len(it.changes) == 4, at_most_s=0)

        assert it.told()[2:] == ["a: uid-a@3 -> -", "a: - -> new@11"]


async def test_an_event_that_changes_nothing_is_not_told() -> None:
    async with rig(synced(added("a", 3), modified("b", 11))) as it:
        await it.clock.run_until(lambda: it.informer.store.last_rv == "11", at_most_s=0)

        assert it.told()[2:] == ["b: uid-b@4 -> uid-b@11"]


async def test_10_a_history_that_went_back_is_said_aloud() -> None:
    relist = Stream([added("b", 2), bookmark(5, ends_initial=True)])
    with capture_logs() as logs:
        async with rig(synced(then=Then.END), failure(410, "Expired"), relist) as it:
            await it.clock.run_until(lambda: it.informer.store.last_rv == "5")

    assert {"event": "the server's history went back", "seen": "10", "now": "5"}.items() <= next(
        entry.items() for entry in logs if entry["log_level"] == "error"
    )


async def test_11_an_undecodable_object_is_counted_logged_and_told_as_gone() -> None:
    with capture_logs() as logs:
        async with rig(synced(modified("a", 11, size="much"))) as it:
            await it.clock.run_until(lambda: it.informer.store.last_rv == "11", at_most_s=0)

            assert it.told()[2:] == ["a: uid-a@3 -> -"]
            assert it.informer.store.get(key("a")) is None
            assert it.metrics.informer.dropped.labels("things", "undecodable")._value.get() == 1
    assert any(entry["event"] == "object left out" and entry["key"] == "default/a" for entry in logs)


async def test_32_a_handler_that_raises_is_counted_and_the_others_hear_of_the_change() -> None:
    def fail(change: Change[Thing]) -> None:
        raise RuntimeError("broken handler")

    server, clock, metrics = ScriptedServer(synced(deleted("a", 11))), ManualClock(), Metrics()
    async with server.running(), server.transport(clock, metrics) as transport, anyio.create_task_group() as group:
        informer = make_informer(transport, clock, metrics)
        heard: list[Change[Thing]] = []
        informer.add_handler(fail, name="broken")
        informer.add_handler(heard.append)
        group.start_soon(informer.run)

        await clock.run_until(lambda: len(heard) == 3, at_most_s=0)

        assert metrics.informer.handler_errors.labels("things", "broken")._value.get() == 3
        assert informer.has_synced
        group.cancel_scope.cancel()


@pytest.mark.parametrize("initial", [Means.STREAM, Means.PAGES])
async def test_6_an_object_of_5_mb_on_one_line_is_an_object(initial: Means) -> None:
    big = thing("big", 11)
    big["status"] = {"blob": "x" * 5_000_000}
    stream = Stream(
        [
            added("a", 3),
            bookmark(10, ends_initial=True),
            added("big", 11)[:-1].replace(b'"unused"', b'"blob": "' + b"x" * 5_000_000 + b'", "unused"') + b"\n",
        ]
    )
    script: list[Answer] = [stream]
    if initial is Means.PAGES:
        script = [Reply(page(10, thing("a", 3), big))]
    async with rig(*script, initial=initial) as it:
        await it.clock.run_until(lambda: stored(it.informer) == {"a": 3, "big": 11}, at_most_s=0)


async def test_7_a_half_open_connection_is_given_up_within_90_seconds() -> None:
    async with rig(synced(bookmark(12)), Stream([modified("a", 13)])) as it:
        await it.clock.run_until(lambda: it.informer.store.last_rv == "12", at_most_s=0)

        await it.clock.run_for(75)  # a bookmark of a busy server may be late
        assert len(it.server.requests) == 1
        await it.clock.run_until(lambda: it.informer.store.last_rv == "13", at_most_s=10)

        assert it.server.requests[1].query["resourceVersion"] == "12"
        assert it.metrics.informer.restarts.labels("things", "idle")._value.get() == 1


@pytest.mark.parametrize("initial", [Means.PAGES, Means.STREAM])
async def test_7_a_watch_that_dies_before_its_first_bookmark_is_given_up_as_soon(initial: Means) -> None:
    listed = [Reply(page(10, thing("a", 3))), Stream()] if initial is Means.PAGES else [synced(then=Then.END), Stream()]
    async with rig(*listed, Reply(page(12)), Stream([modified("a", 11)]), initial=initial) as it:
        await it.clock.run_until(lambda: len(it.server.requests) == 2)

        await it.clock.run_until(lambda: it.informer.store.last_rv == "11", at_most_s=90)


@pytest.mark.parametrize("first", [Stream(), Stream([bookmark(10)])])
async def test_7_silence_may_be_nothing_else_and_is_no_fault(first: Stream) -> None:
    """A server whose storage reports no progress sends no second bookmark to kinds in which nothing happens."""
    listed, far = Reply(page(10, thing("a", 3))), Reply(page(12, thing("a", 3)))
    script = [listed, first, far, Stream(), far, Stream([modified("a", 11)])]
    with capture_logs() as logs:
        async with rig(*script, initial=Means.PAGES) as it:
            await it.clock.run_until(lambda: it.informer.store.last_rv == "11", at_most_s=180)

            assert [request.query.get("resourceVersion") for request in it.server.requests[1:]] == ["10", None] * 2 + [
                "10"
            ]
            assert it.informer.last_error == ""
    assert [entry["event"] for entry in logs if entry["log_level"] != "debug"] == ["cache filled"]


async def test_10_a_watch_that_is_silent_because_the_history_went_back_is_found_out() -> None:
    """A restored storage takes a watch at a version that it will reach much later (kubernetes #107457)."""
    restored = Stream([added("b", 2), bookmark(5, ends_initial=True)])
    with capture_logs() as logs:
        async with rig(synced(then=Then.END), Stream(), Reply(page(4, thing("b", 2))), restored) as it:
            await it.clock.run_until(lambda: stored(it.informer) == {"b": 2}, at_most_s=90)

            assert it.told()[2:] == ["a: uid-a@3 -> -", "b: uid-b@4 -> uid-b@2"]
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["the server's history went back"]


async def test_4_a_slow_stream_that_still_says_something_is_waited_for() -> None:
    async with rig(Stream([added("a", 3)])) as it:
        for number in range(12):
            await it.clock.run_for(9)
            await it.server.open_streams[0].write(added(f"n{number}", 100 + number))
        assert len(it.server.requests) == 1

        await it.server.open_streams[0].write(bookmark(200, ends_initial=True))
        await it.clock.run_until(lambda: it.informer.has_synced, at_most_s=0)

        assert len(it.informer.store) == 13


async def test_13_a_watch_waits_as_long_as_the_server_asked_for() -> None:
    async with rig(synced(then=Then.END), failure(429, "TooManyRequests", retry_after=7), synced()) as it:
        await it.clock.run_until(lambda: len(it.server.requests) == 2)

        await it.clock.run_for(6.5)
        assert len(it.server.requests) == 2
        await it.clock.run_for(1)
        assert len(it.server.requests) == 3


async def test_13_a_watch_that_is_told_to_come_back_tomorrow_comes_back_in_a_minute() -> None:
    later = failure(503, "ServiceUnavailable", retry_after=86_400)
    async with rig(synced(then=Then.END), later, Stream([modified("a", 11)])) as it:
        await it.clock.run_until(lambda: it.informer.store.last_rv == "11", at_most_s=70)


async def test_8_the_pauses_between_empty_watches_grow() -> None:
    async with rig(synced(then=Then.END), *[Stream([], Then.END)] * 4) as it:
        times: list[float] = []
        for count in range(1, 6):
            await it.clock.run_until(lambda count=count: len(it.server.requests) == count)  # type: ignore[misc]
            times.append(it.clock.now)

        assert [round(later - before, 3) for before, later in pairwise(times)] == [
            0.8,
            1.6,
            3.2,
            6.4,
        ]


async def test_2_lists_that_are_too_old_as_soon_as_they_are_read_come_rarer_and_rarer() -> None:
    script = [answer for _ in range(5) for answer in (Reply(page(10, thing("a", 3))), failure(410, "Expired"))]
    async with rig(*script, initial=Means.PAGES) as it:
        times: list[float] = []
        for count in range(1, 10, 2):
            await it.clock.run_until(lambda count=count: len(it.server.requests) >= count)  # type: ignore[misc]
            times.append(it.clock.now)

        assert [round(later - before, 3) for before, later in pairwise(times)] == [0.8, 1.6, 3.2, 6.4]


async def test_a_kind_that_is_refused_after_the_start_is_named_until_it_is_served_again() -> None:
    script = [synced(then=Then.END), failure(403, "Forbidden"), failure(503, "ServiceUnavailable"), Stream()]
    async with rig(*script) as it:
        await it.clock.run_until(lambda: len(it.server.requests) == 2)
        await it.clock.run_until(lambda: it.informer.refused, at_most_s=0)
        assert "Forbidden" in it.informer.refused

        await it.clock.run_until(lambda: not it.informer.refused)
        assert len(it.server.requests) == 3  # in trouble, which is no refusal


async def test_a_server_that_stays_away_is_asked_less_than_twice_a_second() -> None:
    async with rig(synced(then=Then.END), *[failure(503, "ServiceUnavailable")] * 100) as it:
        await it.clock.run_until(lambda: it.informer.has_synced)

        await it.clock.run_for(60)

        assert len(it.server.requests) < 20


async def test_what_went_wrong_can_be_read_until_it_goes_well_again() -> None:
    async with rig(failure(403, "Forbidden"), synced()) as it:
        await it.clock.run_until(lambda: it.informer.last_error, at_most_s=0)
        assert it.informer.last_error == "GET /apis/example.com/v1/things: Forbidden"

        await it.clock.run_until(lambda: it.informer.has_synced)

        assert it.informer.last_error == ""


async def test_indexes_follow_the_objects() -> None:
    lines = [modified("a", 11, size=7), modified("b", 12, size=7), modified("a", 13, size=8), deleted("b", 14)]
    async with rig(synced(*lines[:2])) as it:
        await it.clock.run_until(lambda: it.informer.store.last_rv == "12", at_most_s=0)
        assert [obj.metadata.name for obj in it.informer.store.by_index("size", "7")] == ["a", "b"]

        for line in lines[2:]:
            await it.server.open_streams[0].write(line)
        await it.clock.run_until(lambda: it.informer.store.last_rv == "14", at_most_s=0)

        assert it.informer.store.by_index("size", "7") == []
        assert [obj.metadata.name for obj in it.informer.store.by_index("size", "8")] == ["a"]
        it.informer.store.check_invariants()


async def test_selectors_and_namespaces_are_asked_for() -> None:
    server, clock, metrics = ScriptedServer(), ManualClock(), Metrics()
    async with server.running(), server.transport(clock, metrics) as transport, anyio.create_task_group() as group:
        informer = Informer(
            resource=make_informer(transport, clock, metrics).resource,
            object_type=Thing,
            transport=transport,
            metrics=metrics.informer,
            namespace="prod",
            label_selector="app=x,tier in (a,b)",
            clock=clock,
        )
        group.start_soon(informer.run)
        await clock.run_until(lambda: server.requests, at_most_s=0)

        assert server.requests[0].path == "/apis/example.com/v1/namespaces/prod/things"
        assert server.requests[0].query["labelSelector"] == "app=x,tier in (a,b)"
        group.cancel_scope.cancel()


async def test_a_watch_that_is_resumed_has_nothing_wrong_with_it_any_more() -> None:
    with capture_logs() as logs:
        async with rig(synced(then=Then.CUT), Stream([modified("a", 11)])) as it:
            await it.clock.run_until(lambda: it.informer.last_error)
            await it.clock.run_until(lambda: it.informer.store.last_rv == "11")

            assert it.informer.last_error == ""
    told = [entry["event"] for entry in logs if entry["log_level"] != "debug"]
    assert told == ["cache filled", "watch failed", "in contact again"]


async def test_a_version_that_was_forgotten_during_an_outage_is_no_fault_of_its_own() -> None:
    gone, relist = error(status(410, "Expired")), Stream([added("b", 15), bookmark(20, ends_initial=True)])
    with capture_logs() as logs:
        async with rig(synced(then=Then.END), failure(500, "InternalError"), Stream([gone]), relist) as it:
            await it.clock.run_until(lambda: it.informer.store.last_rv == "20")

            assert it.informer.last_error == ""
    told = [entry["event"] for entry in logs if entry["log_level"] != "debug"]
    assert told == ["cache filled", "watch failed", "in contact again", "version forgotten, reading anew"]


async def test_pages_in_the_place_of_a_stream_are_no_fault() -> None:
    with capture_logs() as logs:
        async with rig(failure(400, "BadRequest"), Reply(page(10, thing("a", 3)))) as it:
            await it.clock.run_until(lambda: it.informer.has_synced, at_most_s=0)

            value = it.metrics.registry.get_sample_value
            assert it.informer.last_error == ""
            for mode, result in (("watchlist", "error"), ("list", "success")):
                assert value("moduledeploy_lists_total", {"kind": "things", "mode": mode, "result": result}) == 1
    assert [(entry["log_level"], entry["event"]) for entry in logs] == [
        ("info", "no streamed list, reading pages"),
        ("info", "cache filled"),
    ]


async def test_an_informer_is_stuck_when_it_tries_nothing_and_not_when_nobody_answers() -> None:
    async with rig(synced(then=Then.END), *[failure(503, "ServiceUnavailable")] * 300) as it:
        await it.clock.run_until(lambda: it.informer.has_synced)
        await it.clock.run_for(1500)
        assert it.informer.stuck() is None

    it.clock.advance(1300)
    assert "things: nothing tried for" in str(it.informer.stuck())


async def test_metrics_tell_what_the_cache_holds() -> None:
    async with rig(synced()) as it:
        await it.clock.run_until(lambda: it.informer.has_synced, at_most_s=0)

        value = it.metrics.registry.get_sample_value
        kind = {"kind": "things"}
        names = {"name": "things", "group": "example.com", "version": "v1", "resource": "things"}
        assert value("moduledeploy_cache_objects", kind) == 2
        assert value("moduledeploy_cache_synced", kind) == 1
        assert value("moduledeploy_watches_total", kind) == 1
        assert value("moduledeploy_watch_events_total", kind | {"type": "ADDED"}) == 2
        assert value("moduledeploy_watch_last_activity_timestamp_seconds", kind) == it.clock.wall()
        assert value("moduledeploy_list_duration_seconds_count", kind) == 1
        assert value("informer_store_resource_version", names) == 10
        assert value("informer_processing_latency_seconds_count", names) == 0  # a complete read is no change


async def test_metrics_tell_how_long_a_change_took() -> None:
    async with rig(synced(added("c", 11), modified("c", 12))) as it:
        await it.clock.run_until(lambda: len(it.changes) == 4, at_most_s=0)

        names = {"name": "things", "group": "example.com", "version": "v1", "resource": "things"}
        value = it.metrics.registry.get_sample_value
        assert value("informer_processing_latency_seconds_count", names) == 2
