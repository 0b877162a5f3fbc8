"""Which bases have moved in the pool's orders, for whoever keeps an order of some of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import attrs

_KEPT: Final = 16_384  # entries; who was away for longer looks at all its bases again, as it did at the start


@attrs.define(eq=False)
class Journal:
    """UIDs of bases whose rank changed, in order, each as often as it did; the oldest are forgotten."""

    _first: int = 0
    _moved: list[str] = attrs.field(factory=list)

    def note(self, uids: Iterable[str]) -> None:
        """These have moved."""
        self._moved.extend(uids)
        if len(self._moved) > _KEPT:
            half = len(self._moved) // 2
            self._first += half
            del self._moved[:half]

    @property
    def end(self) -> int:
        """Where what comes next will be."""
        return self._first + len(self._moved)

    def since(self, place: int) -> Sequence[str] | None:
        """What came from that place on; None where some of it is forgotten."""
        return self._moved[place - self._first :] if place >= self._first else None
