from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moduledeploy.runtime.text import one_line, visible

ANY = st.text(st.characters(), max_size=400) | st.text("\x1b[2J\n\r\x07\u202e…a", max_size=3000)


@given(ANY, st.integers(4, 2000))
def test_whatever_comes_is_one_short_line_that_can_be_printed(text: str, at_most: int) -> None:
    line = one_line(text, at_most)

    assert line.isprintable()
    assert len(line.encode()) <= at_most
    assert one_line(line, at_most) == line


@given(st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=100))
def test_what_can_be_printed_stays(text: str) -> None:
    assert one_line(text) == text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("failed\r\nstatus: Available", "failed status: Available"),
        ("\x1b[2J\x1b[1;1Hall is well", "[2J [1;1Hall is well"),
        ("abc\u202efed", "abc fed"),
        ("\x9b31mred", "31mred"),
        ("half a pair \ud83d", "half a pair"),
        (ValueError("of an error"), "of an error"),
    ],
)
def test_nothing_in_it_moves_a_cursor_or_begins_a_line(text: object, line: str) -> None:
    assert one_line(text) == line


def test_a_cut_is_marked() -> None:
    assert one_line("x" * 2000) == "x" * 1021 + "…"


@given(ANY)
def test_what_is_shown_is_as_long_as_before(text: str) -> None:
    shown = visible(text)

    assert len(shown) == len(text)
    assert shown.replace("\n", "").isprintable()
