"""The state machine, over every state and every outcome there is."""

from __future__ import annotations

from itertools import product

import pytest

from moduledeploy.kube.errors import (
    ApiError,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    ServerError,
    TooManyRequests,
    Unauthorized,
    Unreachable,
)
from moduledeploy.kube.phases import (
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
    Step,
    advance,
    failure_of,
)

STATES: list[State] = [
    *(Empty(rv, means, prefers) for rv in ("", "7") for means in Means for prefers in (Means.STREAM, Means.PAGES)),
    Paging("7", "token", Means.STREAM),
    Paging("7", "token", Means.PAGES),
    *(Listed("7", prefers, failures) for prefers in (Means.STREAM, Means.PAGES) for failures in range(6)),
    *(Doubted("7", prefers, failures) for prefers in (Means.STREAM, Means.PAGES) for failures in range(6)),
]
ENDS = [
    Ended(why, rv, lived_s, events, is_synced)
    for why, rv, lived_s, events, is_synced in product(Failure, ("", "9"), (0.0, 0.5, 100.0), (0, 3), (False, True))
]
WATCH_FAULTS = [why for why in Failure if why is not Failure.END]


@pytest.mark.parametrize("state", STATES, ids=str)
def test_whatever_happens_there_is_a_next_step_and_no_fault_is_answered_at_once_with_the_same_request(
    state: State,
) -> None:
    outcomes: list[Outcome] = [PageRead("9", ""), PageRead("9", "more"), Asked("9"), Asked("5"), Asked(""), *ENDS]
    for outcome in outcomes:
        step = advance(state, outcome)

        if isinstance(outcome, Ended) and outcome.why is not Failure.END and _asks(step.state) == _asks(state):
            assert step.pause is not Pause.NONE, outcome


def _asks(state: State) -> object:
    """What a state sends to the server."""
    match state:
        case Empty(rv=rv, means=means):
            return (means, rv if means is Means.STREAM else "")
        case Paging(token=token):
            return token
        case Listed(rv=rv):
            return ("watch", rv)
        case Doubted():
            return "how far"


@pytest.mark.parametrize("prefers", [Means.STREAM, Means.PAGES])
def test_pages_lead_to_a_list_and_a_list_to_a_watch(prefers: Means) -> None:
    first = advance(Empty(means=Means.PAGES, prefers=prefers), PageRead("7", "t"))
    assert first == Step(Paging("7", "t", prefers), Pause.NONE)

    assert advance(first.state, PageRead("7", "")) == Step(Listed("7", prefers), Pause.NONE)


@pytest.mark.parametrize("why", [Failure.CUT, Failure.IDLE, Failure.BUSY, Failure.SERVER, Failure.DENIED, Failure.END])
def test_a_broken_watch_is_resumed_where_it_was(why: Failure) -> None:
    step = advance(Listed("7", Means.STREAM), Ended(why, "9", lived_s=50, events=2))

    assert step.state == Listed("9", Means.STREAM)


@pytest.mark.parametrize("why", [Failure.EXPIRED, Failure.TOO_LARGE, Failure.UNSUPPORTED, Failure.UNDECODABLE])
def test_a_version_that_is_of_no_use_leads_to_a_complete_read_not_older_than_it(why: Failure) -> None:
    step = advance(Listed("7", Means.STREAM), Ended(why, "9"))

    assert step.state == Empty("9", Means.STREAM, Means.STREAM)


@pytest.mark.parametrize("why", [Failure.CUT, Failure.SERVER])
def test_after_two_faults_in_a_row_the_server_is_asked_how_far_it_is(why: Failure) -> None:
    once = advance(Listed("7", Means.STREAM), Ended(why, "7", lived_s=0.01))
    assert once.state == Listed("7", Means.STREAM, failures=1)

    assert advance(once.state, Ended(why, "7", lived_s=0.01)).state == Doubted("7", Means.STREAM, failures=2)


def test_a_silent_watch_is_in_doubt_unless_it_got_further() -> None:
    silent = Ended(Failure.IDLE, "7", lived_s=80)

    assert advance(Listed("7", Means.STREAM), silent).state == Doubted("7", Means.STREAM)
    assert advance(Listed("6", Means.STREAM), silent).state == Listed("7", Means.STREAM)


@pytest.mark.parametrize(
    ("rv", "expected"),
    [
        ("7", Listed("7", Means.PAGES, 2)),
        ("10", Listed("7", Means.PAGES, 2)),
        ("aggregated", Listed("7", Means.PAGES, 2)),
        ("6", Empty("", Means.PAGES, Means.PAGES)),
    ],
)
def test_10_a_server_that_is_not_as_far_any_more_is_read_anew(rv: str, expected: State) -> None:
    assert advance(Doubted("7", Means.PAGES, 2), Asked(rv)) == Step(expected, Pause.NONE)


@pytest.mark.parametrize("why", list(Failure))
def test_a_server_that_can_t_say_how_far_it_is_is_asked_again_or_watched(why: Failure) -> None:
    is_away = why in (Failure.CUT, Failure.SERVER, Failure.BUSY)

    expected = (Doubted if is_away else Listed)("7", Means.STREAM, 2)
    assert advance(Doubted("7", Means.STREAM, 2), Ended(why)) == Step(expected, Pause.BACKOFF)


def test_a_watch_that_ended_in_order_is_opened_again_at_once() -> None:
    assert advance(Listed("7", Means.STREAM), Ended(Failure.END, "9", 300, 0)).pause is Pause.NONE


@pytest.mark.parametrize("why", WATCH_FAULTS)
def test_a_fault_after_a_healthy_watch_waits_the_first_step_only(why: Failure) -> None:
    assert advance(Listed("7", Means.STREAM), Ended(why, "9", 300, 5)).pause is Pause.FRESH


@pytest.mark.parametrize("why", [why for why in WATCH_FAULTS if why is not Failure.EXPIRED])
def test_a_fault_after_another_waits_longer(why: Failure) -> None:
    assert advance(Listed("7", Means.STREAM, 1), Ended(why, "7", 0.01, 0)).pause is Pause.BACKOFF


def test_a_version_that_has_grown_too_old_while_the_server_was_away_is_replaced_soon() -> None:
    """The first answer after a kind was deleted and made again, or a server was down for long."""
    assert advance(Listed("7", Means.STREAM, 4), Ended(Failure.EXPIRED, "7", 0.01, 0)).pause is Pause.FRESH
    assert advance(Listed("7", Means.STREAM), Ended(Failure.EXPIRED, "7", 0.01, 0)).pause is Pause.BACKOFF


@pytest.mark.parametrize("rv", ["", "7"])
@pytest.mark.parametrize("why", [Failure.UNSUPPORTED, Failure.NO_MARKER])
def test_a_server_without_streamed_lists_is_not_asked_for_one_again(why: Failure, rv: str) -> None:
    step = advance(Empty(rv, Means.STREAM), Ended(why))

    assert step == Step(Empty(rv, Means.PAGES, Means.PAGES), Pause.NONE)


def test_a_storage_that_reports_no_progress_is_read_in_pages_from_then_on() -> None:
    step = advance(Empty("", Means.STREAM), Ended(Failure.TOO_LARGE))

    assert step == Step(Empty("", Means.PAGES, Means.PAGES), Pause.NONE)


def test_a_fault_while_paging_asks_for_the_same_page_unless_its_token_has_expired() -> None:
    paging = Paging("7", "token", Means.STREAM)

    assert advance(paging, Ended(Failure.SERVER)) == Step(paging, Pause.BACKOFF)
    assert advance(paging, Ended(Failure.EXPIRED)).state == Empty(means=Means.WHOLE)


@pytest.mark.parametrize(
    ("error", "in_stream", "expected"),
    [
        (Gone("x"), False, Failure.EXPIRED),
        (Gone("x"), True, Failure.EXPIRED),
        (ServerError("x", causes=("ResourceVersionTooLarge",)), False, Failure.TOO_LARGE),
        (ServerError("x", causes=("ResourceVersionTooLarge",)), True, Failure.TOO_LARGE),
        (TooManyRequests("x"), True, Failure.BUSY),
        (ServerError("x"), False, Failure.SERVER),
        (ServerError("x"), True, Failure.STREAM_ERROR),
        (Unauthorized("x"), False, Failure.DENIED),
        (Forbidden("x"), False, Failure.DENIED),
        (NotFound("x"), False, Failure.DENIED),
        (Invalid("x"), False, Failure.UNSUPPORTED),
        (Conflict("x"), False, Failure.UNSUPPORTED),
        (Unreachable("x", reason="reset"), False, Failure.CUT),
        (Unreachable("x", reason="timeout"), False, Failure.CUT),
    ],
)
def test_errors_are_classed_by_what_they_lead_to(error: ApiError, in_stream: bool, expected: Failure) -> None:
    assert failure_of(error, is_in_stream=in_stream) is expected


def test_outcomes_are_a_closed_set() -> None:
    outcomes: list[Outcome] = [PageRead("1", ""), Ended(Failure.END), Asked("1")]

    assert {type(outcome) for outcome in outcomes} == {PageRead, Ended, Asked}
