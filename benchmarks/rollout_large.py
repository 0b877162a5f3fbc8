"""The largest rollout, by itself since it takes its time: see `benchmarks.rollout`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.rollout import INSTALL, POLICIES, Load, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.rows import Row, Size

LOAD: Final = Load(count=5_000, steps=(INSTALL, POLICIES[0]))


def rows(size: Size) -> Iterator[Row]:
    """Install and the default upgrade; nothing where it is to be quick."""
    if size == "full":
        yield from rows_of(LOAD)
