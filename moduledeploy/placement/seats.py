"""What the pool remembers of one base."""

from __future__ import annotations

import sys
from typing import Final

import attrs

from moduledeploy.placement.bases import Base
from moduledeploy.placement.levels import Level
from moduledeploy.placement.marks import Mark

NO_CAP: Final = sys.maxsize

# Who holds a module name on a base: each Module object by name, True once the object was seen, False while it is only
# assumed. None is the assumption a placement leaves, which has no name yet.
Holders = dict[str, bool] | None


@attrs.define(eq=False, kw_only=True)
class Seat:
    """One base, or modules on a base the pool has not been told of (`base` is None then).

    `level` is where the base stands in the order of placement, None while it can take nothing.
    """

    uid: str
    slot: int
    mark: Mark
    base: Base | None = None
    key: str = ""
    cap: int = NO_CAP
    names: dict[str, Holders] = attrs.field(factory=dict)
    level: Level | None = None

    @property
    def is_open(self) -> bool:
        """Whether the base can take a module of a name it lacks."""
        return self.base is not None and self.base.obstacle is None and len(self.names) < self.cap

    def describe(self, base: Base) -> None:
        """Take over what is said of the base."""
        self.base = base
        # NUL sorts before every character of a name, so keys sort as names do, and by UID where a name came back.
        self.key = f"{base.name}\0{base.uid}"
        self.cap = NO_CAP if base.cap is None else base.cap
