from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from moduledeploy.kube.consistency import WrittenVersions
from moduledeploy.kube.queue import Queue
from moduledeploy.kube.store import Store
from moduledeploy.kube.worker import Done, RequeueAfter, run_workers
from moduledeploy.kube.writer import OpenGate, Writer
from moduledeploy.runtime.metrics import Metrics
from tests.clock import ManualClock
from tests.kube.server import Reply, ScriptedServer, Stream
from tests.kube.things import THINGS, Thing, added, bookmark, make_informer, thing

if TYPE_CHECKING:
    from moduledeploy.kube.resources import Resource


@pytest.fixture
def written() -> WrittenVersions[str]:
    return WrittenVersions(metrics=Metrics().informer)


def store_at(version: str) -> dict[Resource, Store[Thing]]:
    store: Store[Thing] = Store()
    store.advance(version)
    return {THINGS: store}


def test_an_owner_that_wrote_nothing_is_ready(written: WrittenVersions[str]) -> None:
    assert written.is_ready("a", store_at("1"))


@pytest.mark.parametrize(("store", "expected"), [("9", False), ("10", True), ("11", True), ("100", True)])
def test_an_owner_is_ready_once_the_store_is_at_its_write_or_beyond(
    written: WrittenVersions[str], store: str, expected: bool
) -> None:
    written.wrote("a", THINGS, "10")

    assert written.is_ready("a", store_at(store)) is expected


def test_of_several_writes_the_newest_counts(written: WrittenVersions[str]) -> None:
    written.wrote("a", THINGS, "12")
    written.wrote("a", THINGS, "9")

    assert not written.is_ready("a", store_at("11"))


def test_a_write_that_never_shows_up_is_waited_for_for_five_minutes() -> None:
    """A storage that was restored from a backup has lost it, and its versions begin again below."""
    clock = ManualClock()
    written: WrittenVersions[str] = WrittenVersions(metrics=Metrics().informer, clock=clock)
    written.wrote("a", THINGS, "1000")

    clock.advance(299)
    assert not written.is_ready("a", store_at("12"))
    clock.advance(2)

    assert written.is_ready("a", store_at("12"))
    assert len(written) == 0


def test_owners_dont_wait_for_each_other(written: WrittenVersions[str]) -> None:
    written.wrote("a", THINGS, "12")

    assert written.is_ready("b", store_at("5"))


def test_a_write_without_a_version_is_not_waited_for(written: WrittenVersions[str]) -> None:
    written.wrote("a", THINGS, "")

    assert written.is_ready("a", store_at("1"))


def test_what_was_seen_and_who_is_gone_is_forgotten(written: WrittenVersions[str]) -> None:
    written.wrote("a", THINGS, "12")
    written.wrote("b", THINGS, "12")
    written.is_ready("a", store_at("20"))
    written.forget("b")

    assert len(written) == 0
    assert written.is_ready("a", store_at("5"))


async def test_22_a_pass_before_the_event_of_the_own_creation_creates_no_second_child() -> None:
    clock, metrics = ManualClock(), Metrics()
    server = ScriptedServer(Stream([bookmark(10, ends_initial=True)]), Reply(thing("child", 11), status=201))
    queue: Queue[str] = Queue(name="test", metrics=metrics.queue, clock=clock)
    written = WrittenVersions[str](metrics=metrics.informer)
    passes: list[str] = []
    async with server.running(), server.transport(clock, metrics) as transport, anyio.create_task_group() as group:
        informer = make_informer(transport, clock, metrics)
        writer = Writer(transport=transport, gate=OpenGate())
        await group.start(informer.run)

        async def reconcile(key: str) -> Done | RequeueAfter:
            if not written.is_ready(key, {THINGS: informer.store}):
                passes.append("stale")
                return RequeueAfter(0.1)
            if len(informer.store) == 0:
                passes.append("creates")
                answer = await writer.create(THINGS, "default", thing("child", 0))
                written.wrote(key, THINGS, answer.resource_version)
                return RequeueAfter(0.01)
            passes.append("content")
            return Done()

        group.start_soon(
            lambda: run_workers(queue, reconcile, count=2, timeout_s=9, metrics=metrics.reconcile, clock=clock)
        )
        queue.add("owner")
        await clock.run_until(lambda: passes[-1:] == ["stale"], at_most_s=5)
        await server.open_streams[0].write(added("child", 11))
        await clock.run_until(lambda: passes[-1:] == ["content"], at_most_s=5)

        assert passes.count("creates") == 1
        assert metrics.informer.stale_skips.labels("things")._value.get() >= 1
        group.cancel_scope.cancel()
