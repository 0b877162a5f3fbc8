from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moduledeploy.kube.lines import LineSplitter, LineTooLong


@given(st.binary(), st.lists(st.integers(min_value=1, max_value=7)))
def test_lines_are_the_same_however_the_bytes_are_cut(data: bytes, sizes: list[int]) -> None:
    splitter, lines, rest = LineSplitter(), list[bytes | memoryview](), data
    for size in sizes:
        lines += splitter.feed(rest[:size])
        rest = rest[size:]
    lines += splitter.feed(rest)

    assert [bytes(line) for line in lines] == [line for line in data.split(b"\n")[:-1] if line]


def test_a_line_without_an_end_is_not_handed_out() -> None:
    splitter = LineSplitter()

    assert splitter.feed(b"one\ntw") == [b"one"]
    assert splitter.feed(b"o") == []
    assert splitter.feed(b"\n") == [b"two"]


def test_an_endless_line_is_refused_before_it_fills_the_memory() -> None:
    splitter = LineSplitter(limit=10)
    splitter.feed(b"12345")

    with pytest.raises(LineTooLong):
        splitter.feed(b"678901")
