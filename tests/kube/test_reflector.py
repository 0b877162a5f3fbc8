"""What the server does, what the reflector asks then, and what is in the store at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import attrs
import pytest

from moduledeploy.kube.phases import Means
from moduledeploy.runtime.metrics import Metrics
from tests.clock import ManualClock
from tests.kube.server import Answer, Refuse, Reply, Request, ScriptedServer, Stream, Then, failure, status
from tests.kube.things import added, bookmark, deleted, error, make_informer, modified, page, stored, thing

if TYPE_CHECKING:
    from collections.abc import Sequence

READY = Stream([added("a", 3), bookmark(10, ends_initial=True)], Then.END)
"""A streamed list that ends as soon as it is complete: what follows is a watch at 10."""
GONE = status(410, "Expired")


def asked(request: Request) -> str:
    """One request in short."""
    query = request.query
    if "watch" not in query:
        parts = [
            "list",
            *(f"{name}={query[name]}" for name in ("limit", "continue", "resourceVersion") if name in query),
        ]
        return " ".join(parts)
    word = "stream" if "sendInitialEvents" in query else "watch"
    return f"{word} at {query['resourceVersion']}".rstrip()


@attrs.frozen(kw_only=True)
class Scenario:
    name: str
    script: Sequence[Answer]
    asked: Sequence[str]
    store: dict[str, int]
    restarts: dict[str, int] = attrs.field(factory=dict)
    at_most_s: float = 300.0
    initial: Means = Means.STREAM


SCENARIOS = [
    Scenario(
        name="a streamed list goes on as the watch",
        script=[Stream([added("a", 3), added("b", 4), bookmark(10, ends_initial=True), modified("a", 11)])],
        asked=["stream at"],
        store={"a": 11, "b": 4},
        at_most_s=0,
    ),
    Scenario(
        name="an empty streamed list is a synced one",
        script=[Stream([bookmark(10, ends_initial=True)])],
        asked=["stream at"],
        store={},
        at_most_s=0,
    ),
    Scenario(
        name="changes before the marker go to the list",
        script=[
            Stream([added("a", 3), added("b", 4), modified("a", 5), deleted("b", 6), bookmark(10, ends_initial=True)])
        ],
        asked=["stream at"],
        store={"a": 5},
        at_most_s=0,
    ),
    Scenario(
        name="1 three pages, the second empty, are one list",
        script=[
            failure(400, "BadRequest"),
            Reply(page(20, thing("a", 3), token="t1")),
            Reply(page(20, token="t2")),
            Reply(page(20, thing("b", 4))),
        ],
        asked=[
            "stream at",
            "list limit=500",
            "list limit=500 continue=t1",
            "list limit=500 continue=t2",
            "watch at 20",
        ],
        store={"a": 3, "b": 4},
    ),
    Scenario(
        name="1 a page without a version is a page",
        script=[
            failure(400, "BadRequest"),
            Reply(page(20, thing("a", 3), token="t1")),
            Reply(page(None, thing("b", 4), token="t2")),
            Reply(page(20, thing("c", 5))),
        ],
        asked=[
            "stream at",
            "list limit=500",
            "list limit=500 continue=t1",
            "list limit=500 continue=t2",
            "watch at 20",
        ],
        store={"a": 3, "b": 4, "c": 5},
    ),
    Scenario(
        name="1 an expired page token leads to one whole list",
        script=[
            failure(422, "Invalid"),
            Reply(page(20, thing("a", 3), token="t1")),
            failure(410, "Expired"),
            Reply(page(30, thing("b", 25))),
        ],
        asked=["stream at", "list limit=500", "list limit=500 continue=t1", "list", "watch at 30"],
        store={"b": 25},
    ),
    Scenario(
        name="2 an Expired event leads to a new list that is not older",
        script=[READY, Stream([error(GONE)]), Stream([added("b", 15), bookmark(20, ends_initial=True)])],
        asked=["stream at", "watch at 10", "stream at 10"],
        store={"b": 15},
        restarts={"expired": 1},
    ),
    Scenario(
        name="2 a 410 answer to the watch leads to a new list, not to the same watch",
        script=[READY, failure(410, "Expired"), Stream([added("b", 15), bookmark(20, ends_initial=True)])],
        asked=["stream at", "watch at 10", "stream at 10"],
        store={"b": 15},
        restarts={"expired": 1},
    ),
    Scenario(
        name="2 a 410 answer to the new list leads to one of any version",
        script=[
            READY,
            Stream([error(GONE)]),
            failure(410, "Expired"),
            Stream([added("b", 15), bookmark(20, ends_initial=True)]),
        ],
        asked=["stream at", "watch at 10", "stream at 10", "stream at"],
        store={"b": 15},
        restarts={"expired": 2},
    ),
    Scenario(
        name="3 a version too large for the server leads to a list of any version",
        script=[
            READY,
            Stream([error(GONE)]),
            failure(504, "Timeout", causes=("ResourceVersionTooLarge",), retry_after=1),
            Stream([added("b", 15), bookmark(20, ends_initial=True)]),
        ],
        asked=["stream at", "watch at 10", "stream at 10", "stream at"],
        store={"b": 15},
        restarts={"expired": 1, "too_large": 1},
    ),
    Scenario(
        name="3 a storage that reports no progress is read in pages at once",
        script=[
            Stream([error(status(504, "Timeout", causes=("ResourceVersionTooLarge",)))]),
            Reply(page(20, thing("b", 4))),
        ],
        asked=["stream at", "list limit=500", "watch at 20"],
        store={"b": 4},
        restarts={"too_large": 1},
    ),
    Scenario(
        name="4 a marker that never comes leads to pages, for good",
        script=[
            Stream([added("a", 3)]),
            Reply(page(20, thing("b", 4))),
            failure(410, "Expired"),
            Reply(page(30, thing("b", 25))),
        ],
        asked=["stream at", "list limit=500", "watch at 20", "list limit=500", "watch at 30"],
        store={"b": 25},
        restarts={"no_marker": 1, "expired": 1},
    ),
    Scenario(
        name="4 a stream that ends before its marker leads to pages, this once",
        script=[
            Stream([added("a", 3)], Then.END),
            Reply(page(20, thing("b", 4))),
            failure(410, "Expired"),
            Stream([bookmark(30, ends_initial=True)]),
        ],
        asked=["stream at", "list limit=500", "watch at 20", "stream at 20"],
        store={},
        restarts={"eof": 1, "expired": 1},
    ),
    Scenario(
        name="4 an error in the stream before its marker leads to pages",
        script=[Stream([error(status(500, "InternalError"))]), Reply(page(20, thing("b", 4)))],
        asked=["stream at", "list limit=500", "watch at 20"],
        store={"b": 4},
        restarts={"error_event": 1},
    ),
    Scenario(
        name="5 a cut in the middle of a line drops that half and resumes before it",
        script=[
            READY,
            Stream([modified("a", 11), modified("a", 12)[:40]], Then.CUT),
            Stream([modified("a", 12)]),
        ],
        asked=["stream at", "watch at 10", "watch at 11"],
        store={"a": 12},
        restarts={"reset": 1},
    ),
    Scenario(
        name="5 an end in the middle of a line drops that half and resumes before it",
        script=[READY, Stream([modified("a", 11), modified("a", 12)[:40]], Then.END), Stream([modified("a", 12)])],
        asked=["stream at", "watch at 10", "watch at 11"],
        store={"a": 12},
    ),
    Scenario(
        name="5 a cut in the middle of the initial events begins again, so nothing is lost",
        script=[
            Stream([added("c", 9), added("a", 3)], Then.CUT),
            Stream([added("a", 3), added("b", 4), added("c", 9), bookmark(10, ends_initial=True)]),
        ],
        asked=["stream at", "stream at"],
        store={"a": 3, "b": 4, "c": 9},
        restarts={"reset": 1},
    ),
    Scenario(
        name="5 a cut in the burst with which a watch of no version begins loses nothing",
        script=[
            Reply(page(None)),
            Stream([added("c", 9), added("a", 3)], Then.CUT),
            Stream([added("c", 9), added("a", 3), added("b", 4), modified("a", 10)], Then.CUT),
            Stream([modified("b", 11)]),
        ],
        asked=["list limit=500", "watch at", "watch at", "watch at 10"],
        store={"a": 10, "b": 11, "c": 9},
        initial=Means.PAGES,
        restarts={"reset": 2},
    ),
    Scenario(
        name="8 a watch that ends at once and empty is asked for ever more slowly, then read anew",
        script=[READY, *[Stream([], Then.END)] * 5, Stream([bookmark(30, ends_initial=True)])],
        asked=["stream at", *["watch at 10"] * 5, "stream at 10"],
        store={},
        restarts={"short": 5},
    ),
    Scenario(
        name="9 a deletion that the watch missed is found by the next list",
        script=[
            Stream([added("a", 3), added("b", 4), bookmark(10, ends_initial=True)], Then.END),
            failure(410, "Expired"),
            Stream([added("b", 4), bookmark(20, ends_initial=True)]),
        ],
        asked=["stream at", "watch at 10", "stream at 10"],
        store={"b": 4},
    ),
    Scenario(
        name="10 a server whose history went back is believed",
        script=[
            READY,
            failure(410, "Expired"),
            Stream([added("b", 2), bookmark(5, ends_initial=True)], Then.END),
        ],
        asked=["stream at", "watch at 10", "stream at 10", "watch at 5"],
        store={"b": 2},
    ),
    Scenario(
        name="10 a server that is back with less than it had is read anew, though it would take the watch",
        script=[
            READY,
            *[failure(503, "ServiceUnavailable")] * 2,
            Reply(page(4, thing("b", 2))),
            Stream([added("b", 2), bookmark(5, ends_initial=True)], Then.END),
        ],
        asked=["stream at", *["watch at 10"] * 2, "list limit=1", "stream at", "watch at 5"],
        store={"b": 2},
    ),
    Scenario(
        name="11 an object that doesn't decode costs itself alone in a list",
        script=[
            failure(400, "BadRequest"),
            Reply(page(20, *(thing(f"n{i}", i + 1, size="x" if i == 500 else i) for i in range(1000)))),
        ],
        asked=["stream at", "list limit=500", "watch at 20"],
        store={f"n{i}": i + 1 for i in range(1000) if i != 500},
    ),
    Scenario(
        name="11 an object that doesn't decode costs itself alone in a stream",
        script=[
            Stream(
                [
                    *(added(f"n{i}", i + 1, size="x" if i == 500 else i) for i in range(1000)),
                    bookmark(2000, ends_initial=True),
                ]
            )
        ],
        asked=["stream at"],
        store={f"n{i}": i + 1 for i in range(1000) if i != 500},
    ),
    Scenario(
        name="11 an object that no longer decodes is kept out until it does again",
        script=[
            Stream(
                [
                    added("a", 3),
                    added("b", 4),
                    bookmark(10, ends_initial=True),
                    modified("a", 11, size="x"),
                    modified("b", 12, size="y"),
                    modified("b", 13),
                ]
            )
        ],
        asked=["stream at"],
        store={"b": 13},
    ),
    Scenario(
        name="13 a 429 answer to the watch resumes it after what the server asked for",
        script=[READY, failure(429, "TooManyRequests", retry_after=7), Stream([modified("a", 11)])],
        asked=["stream at", "watch at 10", "watch at 10"],
        store={"a": 11},
        restarts={"http_429": 1},
    ),
    Scenario(
        name="13 a 429 event in the watch resumes it",
        script=[READY, Stream([error(status(429, "TooManyRequests"))]), Stream([modified("a", 11)])],
        asked=["stream at", "watch at 10", "watch at 10"],
        store={"a": 11},
        restarts={"http_429": 1},
    ),
    Scenario(
        name="a server that is gone is asked how far it is until it is back, then for the same watch",
        script=[READY, *[Refuse()] * 6, Reply(page(10, thing("a", 3))), Stream([modified("a", 11)])],
        asked=["stream at", *["watch at 10"] * 4, *["list limit=1"] * 3, "watch at 10"],
        store={"a": 11},
        restarts={"reset": 3},  # aiohttp itself repeats a GET once on a broken connection
    ),
    Scenario(
        name="a server in trouble is asked how far it is, then for the same watch",
        script=[READY, *[failure(503, "ServiceUnavailable")] * 4, Reply(page(12)), Stream([modified("a", 11)])],
        asked=["stream at", *["watch at 10"] * 2, *["list limit=1"] * 3, "watch at 10"],
        store={"a": 11},
        restarts={"http_5xx": 4},
    ),
    Scenario(
        name="an internal error in the watch resumes it twice, then everything is read",
        script=[
            READY,
            *[Stream([error(status(500, "InternalError"))])] * 3,
            Stream([added("a", 3), bookmark(20, ends_initial=True)]),
        ],
        asked=["stream at", *["watch at 10"] * 3, "stream at 10"],
        store={"a": 3},
        restarts={"error_event": 3},
    ),
    Scenario(
        name="a watch that is refused for its query leads to a new list",
        script=[READY, failure(400, "BadRequest"), Stream([added("a", 3), bookmark(20, ends_initial=True)])],
        asked=["stream at", "watch at 10", "stream at 10"],
        store={"a": 3},
        restarts={"http_4xx": 1},
    ),
    Scenario(
        name="bookmarks move the version that the next watch starts at",
        script=[Stream([added("a", 3), bookmark(10, ends_initial=True), bookmark(17)], Then.END)],
        asked=["stream at", "watch at 17"],
        store={"a": 3},
    ),
    Scenario(
        name="an ordinary bookmark before the marker ends nothing",
        script=[Stream([added("a", 3), bookmark(4), added("b", 4), bookmark(10, ends_initial=True)])],
        asked=["stream at"],
        store={"a": 3, "b": 4},
    ),
    Scenario(
        name="what is no list at all is asked for again",
        script=[
            Reply({"kind": "Table", "metadata": {}, "items": []}),
            Reply(b"<html>"),
            Reply(page(20, thing("a", 3))),
        ],
        asked=["list limit=500"] * 3 + ["watch at 20"],
        store={"a": 3},
        initial=Means.PAGES,
        restarts={"decode": 2},
    ),
    Scenario(
        name="a right that is missing is asked for until it is there",
        script=[failure(403, "Forbidden"), failure(403, "Forbidden"), READY],
        asked=["stream at"] * 3 + ["watch at 10"],
        store={"a": 3},
        restarts={"denied": 2},
    ),
    Scenario(
        name="a kind that isn't served yet is asked for until it is",
        script=[failure(404, "NotFound"), READY],
        asked=["stream at"] * 2 + ["watch at 10"],
        store={"a": 3},
    ),
    Scenario(
        name="lines that are no events are left out",
        script=[Stream([added("a", 3), b"rubbish\n", b'{"type":"NEW"}\n', bookmark(10, ends_initial=True)])],
        asked=["stream at"],
        store={"a": 3},
    ),
    Scenario(
        name="a page that fails is read again, not the ones before it",
        script=[
            Reply(page(20, thing("a", 3), token="t1")),
            failure(500, "InternalError"),
            Reply(page(20, thing("b", 4))),
        ],
        asked=["list limit=500", *["list limit=500 continue=t1"] * 2, "watch at 20"],
        store={"a": 3, "b": 4},
        initial=Means.PAGES,
    ),
]


def restarts_of(metrics: Metrics) -> dict[str, int]:
    samples = next(iter(metrics.informer.restarts.collect())).samples
    return {sample.labels["reason"]: int(sample.value) for sample in samples if sample.name.endswith("_total")}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
async def test_reflector(scenario: Scenario) -> None:
    clock, metrics = ManualClock(), Metrics()
    server = ScriptedServer(*scenario.script)
    async with server.running(), server.transport(clock, metrics) as transport, anyio.create_task_group() as group:
        informer = make_informer(transport, clock, metrics, scenario.initial)
        group.start_soon(informer.run)

        await clock.run_until(
            lambda: (
                informer.has_synced
                and len(server.requests) >= len(scenario.asked)
                and stored(informer) == scenario.store
            ),
            at_most_s=scenario.at_most_s,
        )

        group.cancel_scope.cancel()
    assert [asked(request) for request in server.requests] == list(scenario.asked)
    assert scenario.restarts.items() <= restarts_of(metrics).items()
    informer.store.check_invariants()
