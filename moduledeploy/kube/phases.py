"""The reflector's state machine: what to do next, given what the last exchange with the server came to.

    Empty ──stream──────────────► marker ──► Listed ⇄ watch ──silence, faults in a row──► Doubted ⇄ how far are you?
      │                                        ▲  ▲                                          │
      └──pages──► Paging ⇄ next page ──────────┘  └──────────────as far as we────────────────┘

Everything here is a value or a total function; `reflector` does the I/O. `Empty` means that everything has to be read,
not that the cache is empty: the cache keeps what it has until the new state is complete.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, assert_never

import attrs

from moduledeploy.kube.errors import (
    ApiError,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    ServerError,
    TooManyRequests,
    Unauthorized,
    Unreachable,
)
from moduledeploy.kube.versions import is_at_least, is_comparable

# A watch that ends within this time without an event is no success (client-go: VeryShortWatchError).
SHORT_WATCH_S: Final = 1.0
# Then something is wrong with the version itself: some kinds answer a stale one with an empty 200 (kubernetes #104171).
_SHORT_WATCHES_BEFORE_RELIST: Final = 5
_SERVER_ERRORS_BEFORE_RELIST: Final = 3
# By then the server was away, and may have come back with a storage that was restored from a backup.
_FAULTS_BEFORE_DOUBT: Final = 2


class Means(Enum):
    """How to read everything."""

    STREAM = "watchlist"  # a watch that begins with the present state (KEP-3157)
    PAGES = "list"  # consistent pages
    WHOLE = "whole list"  # one consistent answer, however large: page tokens expire faster than we read


class Failure(Enum):
    """What an exchange died of, by reaction; the value is the `reason` label of the restart metric."""

    EXPIRED = "expired"
    TOO_LARGE = "too_large"
    BUSY = "http_429"
    UNSUPPORTED = "http_4xx"
    DENIED = "denied"
    SERVER = "http_5xx"
    STREAM_ERROR = "error_event"
    CUT = "reset"
    IDLE = "idle"
    SHORT = "short"
    END = "eof"
    NO_MARKER = "no_marker"
    UNDECODABLE = "decode"


class Pause(Enum):
    """How long to wait before the next exchange."""

    NONE = 0
    FRESH = 1  # the backoff's first step: it worked until now
    BACKOFF = 2  # the backoff's next step


@attrs.frozen
class Empty:
    """Everything is to be read, in a state not older than `rv`; `prefers` is what the next complete read begins with."""

    rv: str = ""
    means: Means = Means.STREAM
    prefers: Means = Means.STREAM


@attrs.frozen
class Paging:
    """The page that `token` names is to be read."""

    rv: str
    token: str
    prefers: Means


@attrs.frozen
class Listed:
    """The cache is complete up to `rv`, a watch is to be opened there."""

    rv: str
    prefers: Means
    failures: int = 0


@attrs.frozen
class Doubted:
    """The server is to be asked how far it is before the watch goes on.

    One whose storage went back takes a watch at `rv` and says nothing until it is that far again (kubernetes #107457).
    """

    rv: str
    prefers: Means
    failures: int = 0


State = Empty | Paging | Listed | Doubted


@attrs.frozen
class PageRead:
    """A page came: the list's version, and the next page's token or nothing."""

    rv: str
    token: str


@attrs.frozen
class Ended:
    """A read failed, or a watch ended after it had brought the cache up to `rv` with `events` events in `lived_s`."""

    why: Failure
    rv: str = ""
    lived_s: float = 0.0
    events: int = 0
    is_synced: bool = False


@attrs.frozen
class Asked:
    """The server is at `rv` now."""

    rv: str


Outcome = PageRead | Ended | Asked


@attrs.frozen
class Step:
    """The next state and the pause before it."""

    state: State
    pause: Pause


def advance(state: State, outcome: Outcome) -> Step:
    """Decide what follows; total over every state and outcome."""
    match state, outcome:
        case (Empty() | Paging()) as reading, PageRead(rv=rv, token=token):
            return Step(
                Paging(rv, token, reading.prefers) if token else Listed(rv, reading.prefers),
                Pause.NONE,
            )
        case Empty(prefers=prefers), Ended(is_synced=True) as ended:
            return _after_watch(Listed("", prefers), ended)
        case Empty() as empty, Ended() as ended:
            anew = _reread(empty, ended.why)
            # Other means are no repetition: what failed once has not failed them.
            return Step(anew, Pause.BACKOFF if anew.means is empty.means else Pause.NONE)
        case Paging() as paging, Ended(why=why):
            return Step(_same_page_or_anew(paging, why), Pause.BACKOFF)
        case Listed() as listed, Ended() as ended:
            return _after_watch(listed, ended)
        case Doubted() as doubted, Asked(rv=rv):
            return Step(_listed_or_anew(doubted, rv), Pause.NONE)
        case Doubted() as doubted, Ended(why=Failure.CUT | Failure.SERVER | Failure.BUSY):
            return Step(doubted, Pause.BACKOFF)
        case Doubted(rv=rv, prefers=prefers, failures=failures), Ended():
            return Step(Listed(rv, prefers, failures), Pause.BACKOFF)  # it can't be told; the watch says what is wrong
        case _, PageRead() | Asked():
            return Step(state, Pause.BACKOFF)
    raise AssertionError(f"{state} has no answer to {outcome}")


def _reread(empty: Empty, why: Failure) -> Empty:
    match why:
        case Failure.TOO_LARGE if empty.means is Means.STREAM and not empty.rv:
            # The server's cache didn't catch up with its storage in time; pages come from the storage itself.
            return attrs.evolve(empty, means=Means.PAGES, prefers=Means.PAGES)
        case Failure.EXPIRED | Failure.TOO_LARGE:
            # Too old, or from a future that this server hasn't seen: whatever is newest is right.
            return attrs.evolve(empty, rv="")
        case Failure.UNSUPPORTED | Failure.NO_MARKER if empty.means is Means.STREAM:
            # For as long as this process runs: finding out again would cost a minute for each complete read.
            return attrs.evolve(empty, means=Means.PAGES, prefers=Means.PAGES)
        case Failure.STREAM_ERROR | Failure.SERVER | Failure.END | Failure.SHORT if empty.means is Means.STREAM:
            # A server whose storage can't serve the stream says 500 in it; pages always work, so take them this once.
            return attrs.evolve(empty, means=Means.PAGES)
        case _:
            return empty


def _same_page_or_anew(paging: Paging, why: Failure) -> State:
    match why:
        case Failure.EXPIRED:
            return Empty(means=Means.WHOLE, prefers=paging.prefers)
        case Failure.UNDECODABLE | Failure.UNSUPPORTED | Failure.TOO_LARGE:
            return Empty(means=Means.PAGES, prefers=paging.prefers)
        case _:
            return paging


def _listed_or_anew(doubted: Doubted, rv: str) -> State:
    if is_comparable(rv) and is_comparable(doubted.rv) and not is_at_least(rv, doubted.rv):
        return Empty(means=doubted.prefers, prefers=doubted.prefers)
    return Listed(doubted.rv, doubted.prefers, doubted.failures)


def _after_watch(listed: Listed, ended: Ended) -> Step:
    was_healthy = ended.lived_s > SHORT_WATCH_S or ended.events > 0
    rv = ended.rv or listed.rv
    resume = Listed(rv, listed.prefers, failures=0 if was_healthy else listed.failures + 1)
    doubted = Doubted(rv, resume.prefers, resume.failures)
    relist = Empty(rv=rv, means=resume.prefers, prefers=resume.prefers)
    pause = Pause.FRESH if was_healthy else Pause.BACKOFF
    match ended.why:
        case Failure.END if ended.lived_s > SHORT_WATCH_S:
            return Step(resume, Pause.NONE)
        case Failure.END | Failure.SHORT:
            return Step(relist if resume.failures >= _SHORT_WATCHES_BEFORE_RELIST else resume, pause)
        case Failure.CUT | Failure.SERVER if resume.failures >= _FAULTS_BEFORE_DOUBT:
            return Step(doubted, pause)
        case Failure.IDLE if ended.rv in ("", listed.rv):
            return Step(doubted, pause)
        case Failure.CUT | Failure.IDLE | Failure.BUSY | Failure.SERVER | Failure.DENIED:
            return Step(resume, pause)
        case Failure.STREAM_ERROR:
            return Step(relist if resume.failures >= _SERVER_ERRORS_BEFORE_RELIST else resume, pause)
        case Failure.EXPIRED:
            # After other faults it went stale while nobody answered. Straight after a list it is a server that forgets faster
            # than we read, and reading it again at once would not make it slower.
            return Step(relist, Pause.FRESH if listed.failures else pause)
        case Failure.TOO_LARGE | Failure.UNSUPPORTED | Failure.NO_MARKER | Failure.UNDECODABLE:
            return Step(relist, pause)
        case _:
            assert_never(ended.why)


def failure_of(error: ApiError, *, is_in_stream: bool = False) -> Failure:
    """Class of an answer that was no success; `is_in_stream` when it came as an ERROR event of an open watch."""
    match error:
        case Gone():
            return Failure.EXPIRED
        case _ if "ResourceVersionTooLarge" in error.causes:
            return Failure.TOO_LARGE
        case TooManyRequests():
            return Failure.BUSY
        case ServerError():
            return Failure.STREAM_ERROR if is_in_stream else Failure.SERVER
        case Unauthorized() | Forbidden() | NotFound():
            return Failure.DENIED
        case Unreachable():
            return Failure.CUT
        case Invalid() | _:
            return Failure.UNSUPPORTED
