"""What the pool remembers of one base."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import attrs

from moduledeploy.placement.bases import Base

if TYPE_CHECKING:
    from moduledeploy.placement.levels import Level

NO_CAP: Final = sys.maxsize


@attrs.define(eq=False)
class Seat:
    """One base; or modules on a base the pool has not been told of, `base` being None then.

    `count` is the number of distinct modules, assumed ones included. `level` is where the base stands in the order of
    placement, None while it can take nothing; `is_aside` says that it is not in that level now, but waits to be put back.
    """

    uid: str
    slot: int
    base: Base | None = None
    key: str = ""
    cap: int = NO_CAP
    count: int = 0
    level: Level | None = None
    is_aside: bool = False

    @property
    def is_open(self) -> bool:
        """Whether the base can take a module of a name it lacks."""
        return self.base is not None and self.base.obstacle is None and self.count < self.cap

    def describe(self, base: Base) -> None:
        """Take over what is said of the base."""
        self.base = base
        # NUL sorts before every character of a name, so keys sort as names do, and by UID where a name came back.
        self.key = f"{base.name}\0{base.uid}"
        self.cap = NO_CAP if base.cap is None else base.cap
