"""Bytes to requests: nothing depends on how the bytes were cut."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from moduledeploy.devcluster.arklet.requests import LARGEST_BODY, Continue, Event, Oversized, Request, RequestParser


def plain(body: bytes) -> bytes:
    return b"POST /a?b HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def chunked(body: bytes, size: int) -> bytes:
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    coded = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + coded + b"0\r\n\r\n"


def events(data: bytes, cuts: list[int]) -> list[Event]:
    parser, found, edges = RequestParser(), [], sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for begin, end in itertools.pairwise(edges):
        parser.feed(data[begin:end])
        while (event := parser.next_event()) is not None:
            found.append(event)
    return found


@settings(deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=40), st.integers(0, 9)), max_size=4), st.lists(st.integers(0, 999)))
def test_requests_are_found_however_their_bytes_arrive(bodies: list[tuple[bytes, int]], cuts: list[int]) -> None:
    data = b"".join(chunked(body, size) if size else plain(body) for body, size in bodies)

    assert events(data, cuts) == [Request("POST", "/a", body) for body, _ in bodies]


@settings(deadline=None)
@given(st.lists(st.integers(0, LARGEST_BODY), max_size=3))
def test_an_oversized_body_is_told_once_and_skipped(cuts: list[int]) -> None:
    data = plain(b"x" * (LARGEST_BODY + 1)) + plain(b"next")

    assert events(data, cuts) == [Oversized(), Request("POST", "/a", b"next")]


@settings(deadline=None)
@given(st.integers(1, 3), st.lists(st.integers(0, LARGEST_BODY), max_size=3))
def test_oversized_chunks_end_the_connection(size: int, cuts: list[int]) -> None:
    data = chunked(b"x" * (LARGEST_BODY + 1), 300_000 * size)

    assert events(data, cuts)[0] == Oversized(is_last=True)


def test_a_client_that_expects_it_is_told_to_continue() -> None:
    data = b"POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx"

    assert events(data, []) == [Continue(), Request("POST", "/a", b"x")]


def test_a_request_line_that_cannot_be_read_is_an_event_at_once() -> None:
    assert events(b"GARBAGE\r\n", []) == [Request("")]
