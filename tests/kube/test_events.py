from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import attrs

from moduledeploy.kube.errors import AlreadyExists, Forbidden, NotFound, NotLeading, TooManyRequests, Unreachable
from moduledeploy.kube.events import EVENTS, EventType, Recorder, Reference
from moduledeploy.kube.writer import Written
from moduledeploy.runtime.metrics import Metrics
from tests.clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from moduledeploy.kube.resources import ObjectKey, Resource

POD = Reference(api_version="v1", kind="Pod", namespace="prod", name="p", uid="u")


@attrs.define
class Api:
    """Where events go; fails as often as it is told to."""

    created: list[dict[str, object]] = attrs.field(factory=list)
    patched: list[tuple[str, object]] = attrs.field(factory=list)
    failures: list[Exception] = attrs.field(factory=list)
    tries: int = 0

    async def create(self, resource: Resource, namespace: str, body: Mapping[str, object]) -> Written:
        self._try()
        assert resource is EVENTS
        assert body["metadata"]["namespace"] == namespace  # type: ignore[index]
        self.created.append(dict(body))
        return Written("e", "u", "1")

    async def patch(self, resource: Resource, key: ObjectKey, body: object) -> Written:
        self._try()
        self.patched.append((key.name, body))
        return Written("e", "u", "1")

    def _try(self) -> None:
        self.tries += 1
        if self.failures:
            raise self.failures.pop(0)


@attrs.define
class Rig:
    api: Api
    clock: ManualClock
    metrics: Metrics
    recorder: Recorder

    def say(
        self,
        note: str = "it did",
        reason: str = "Did",
        regarding: Reference = POD,
        action: str = "Doing",
        *,
        warning: bool = False,
    ) -> None:
        kind: EventType = "Warning" if warning else "Normal"
        self.recorder.event(regarding=regarding, type=kind, reason=reason, action=action, note=note)

    def dropped(self, why: str) -> float | None:
        return self.metrics.registry.get_sample_value("moduledeploy_events_dropped_total", {"reason": why})


def new_rig() -> Rig:
    api, clock, metrics = Api(), ManualClock(), Metrics()
    recorder = Recorder(
        writer=api,
        controller="example.com/ctl",
        instance="pod-1",
        metrics=metrics.events,
        clock=clock,
        draw=lambda: 0.0,
    )
    return Rig(api, clock, metrics, recorder)


@asynccontextmanager
async def recording() -> AsyncIterator[Rig]:
    rig = new_rig()
    async with anyio.create_task_group() as group:
        group.start_soon(rig.recorder.run)
        yield rig
        group.cancel_scope.cancel()


async def test_an_event_has_everything_the_api_demands() -> None:
    async with recording() as rig:
        rig.say("hello")
        await rig.clock.run_for(0)

    (body,) = rig.api.created
    metadata = body.pop("metadata")
    assert isinstance(metadata, dict)
    assert metadata["name"].startswith("p.")
    assert body == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "eventTime": "2023-11-14T22:13:20.000000Z",
        "reportingController": "example.com/ctl",
        "reportingInstance": "pod-1",
        "type": "Normal",
        "reason": "Did",
        "action": "Doing",
        "note": "hello",
        "regarding": {"apiVersion": "v1", "kind": "Pod", "namespace": "prod", "name": "p", "uid": "u"},
    }


async def test_an_event_about_a_cluster_wide_object_goes_to_default() -> None:
    async with recording() as rig:
        rig.say(regarding=Reference(api_version="v1", kind="Node", namespace="", name="n"))
        await rig.clock.run_for(0)

    assert rig.api.created[0]["metadata"]["namespace"] == "default"  # type: ignore[index]


async def test_words_that_are_too_long_are_shortened_to_what_the_api_takes() -> None:
    async with recording() as rig:
        rig.say(note="ü" * 2000, reason="r" * 200)
        await rig.clock.run_for(0)

    (body,) = rig.api.created
    assert len(str(body["note"]).encode()) <= 1024
    assert str(body["note"]).endswith("…")
    assert len(str(body["reason"])) == 128


async def test_a_note_is_one_line() -> None:
    async with recording() as rig:
        rig.say(note="no jar\r\n\x1b[2Jall is well")
        await rig.clock.run_for(0)

    (body,) = rig.api.created
    assert body["note"] == "no jar [2Jall is well"


async def test_the_second_occurrence_makes_a_series_and_further_ones_are_only_counted() -> None:
    async with recording() as rig:
        for number in range(5):
            rig.say(f"note {number}")
            await rig.clock.run_for(1)

    assert len(rig.api.created) == 1
    ((_, change),) = rig.api.patched
    assert change == {"series": {"count": 2, "lastObservedTime": "2023-11-14T22:13:21.000000Z"}}


async def test_a_series_that_ended_is_written_with_its_last_count_and_forgotten() -> None:
    async with recording() as rig:
        for _ in range(5):
            rig.say()
            await rig.clock.run_for(1)
        await rig.clock.run_for(500)
        assert rig.api.patched[-1][1] == {"series": {"count": 5, "lastObservedTime": "2023-11-14T22:13:24.000000Z"}}

        rig.say()
        await rig.clock.run_for(0)

    assert len(rig.api.created) == 2


async def test_a_series_that_goes_on_is_written_every_half_hour() -> None:
    async with recording() as rig:
        for _ in range(70):
            rig.say()
            await rig.clock.run_for(60)

    assert [change["series"]["count"] for _, change in rig.api.patched] == [2, 31, 61]  # type: ignore[index]


async def test_other_reasons_objects_and_types_are_other_events() -> None:
    async with recording() as rig:
        rig.say()
        rig.say(reason="Other")
        rig.say(regarding=attrs.evolve(POD, uid="other"))
        rig.say(warning=True)
        await rig.clock.run_for(0)

    assert len(rig.api.created) == 4


async def test_a_series_whose_object_expired_is_created_again() -> None:
    async with recording() as rig:
        rig.say()
        await rig.clock.run_for(0)
        rig.api.failures = [NotFound("gone")]
        rig.say()
        await rig.clock.run_for(0)

    assert rig.api.created[1]["series"] == {"count": 2, "lastObservedTime": "2023-11-14T22:13:20.000000Z"}


async def test_a_server_in_trouble_is_tried_again_in_ten_seconds() -> None:
    async with recording() as rig:
        rig.api.failures = [Unreachable("no", reason="refused"), TooManyRequests("slow down", retry_after_s=30)]
        rig.say()
        await rig.clock.run_for(9)
        assert rig.api.tries == 1
        await rig.clock.run_for(1)
        assert rig.api.tries == 2
        await rig.clock.run_for(29)
        assert rig.api.created == []
        await rig.clock.run_for(1)

        assert len(rig.api.created) == 1


async def test_an_event_is_given_up_after_twelve_tries() -> None:
    async with recording() as rig:
        rig.api.failures = [Unreachable("no", reason="refused")] * 20
        rig.say()
        await rig.clock.run_for(500)

        assert rig.api.tries == 12
        assert rig.dropped("failed") == 1


async def test_what_will_never_be_taken_is_given_up_at_once() -> None:
    async with recording() as rig:
        rig.api.failures = [Forbidden("may not"), NotLeading("no longer")]
        rig.say()
        rig.say(reason="Other")
        await rig.clock.run_for(0)

        assert rig.api.tries == 2
        assert rig.dropped("failed") == 2


async def test_a_creation_that_arrived_after_all_is_a_success() -> None:
    async with recording() as rig:
        rig.api.failures = [Unreachable("no", reason="timeout"), AlreadyExists("there")]
        rig.say()
        await rig.clock.run_for(20)

        assert rig.dropped("failed") == 0


async def test_a_chatty_object_is_cut_off_and_other_reasons_warnings_and_objects_are_not() -> None:
    async with recording() as rig:
        for number in range(40):
            rig.say(action=f"batch {number}")
        rig.say(reason="Completed")
        rig.say(warning=True)
        rig.say(regarding=attrs.evolve(POD, name="quiet"))
        await rig.clock.run_for(0)
        assert len(rig.api.created) == 28
        assert rig.dropped("spam") == 15

        await rig.clock.run_for(301)
        rig.say(action="later")
        rig.say(action="later still")
        await rig.clock.run_for(0)

    assert len(rig.api.created) == 29


async def test_of_very_many_events_the_oldest_are_forgotten() -> None:
    async with recording() as rig:
        for number in range(4097):
            rig.say(regarding=attrs.evolve(POD, uid=f"u{number}"))
            if number % 500 == 0:
                await rig.clock.run_for(0)
        rig.say(regarding=attrs.evolve(POD, uid="u4096"))
        rig.say(regarding=attrs.evolve(POD, uid="u0"))
        await rig.clock.run_for(0)

    assert len(rig.api.created) == 4098, "the first is told anew"
    assert len(rig.api.patched) == 1


async def test_a_full_queue_drops_and_never_waits() -> None:
    rig = new_rig()

    for number in range(1100):
        rig.say(reason=f"r{number}")

    assert rig.dropped("full") == 100


async def test_flushing_writes_what_is_queued() -> None:
    async with recording() as rig:
        for number in range(20):
            rig.say(reason=f"r{number}")

        assert await rig.recorder.flush(5)

    assert len(rig.api.created) == 20


async def test_flushing_doesnt_wait_for_a_server_that_is_gone() -> None:
    async with recording() as rig:
        rig.api.failures = [Unreachable("no", reason="refused")] * 100
        rig.say()
        rig.say(reason="other")
        await rig.clock.run_for(0)
        began_at = rig.clock.now

        assert await rig.recorder.flush(5)

    assert rig.clock.now == began_at
    assert rig.dropped("failed") == 2
