"""What the pool answers: where a module goes, and why not more."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from moduledeploy.placement.bases import Obstacle


class Refusal(StrEnum):
    """Why a base without an obstacle of its own can't take this module; the value is the reason in metrics."""

    AT_CAP = "CapacityFull"
    HAS_MODULE = "AlreadyInstalled"
    EXCLUDED = "Excluded"


Reason: TypeAlias = Obstacle | Refusal

_PHRASES: Final[Mapping[Reason, str]] = {
    Obstacle.NOT_RUNNING: "not running",
    Obstacle.NOT_READY: "not ready",
    Obstacle.TERMINATING: "terminating",
    Obstacle.NO_ADDRESS: "without an address",
    Obstacle.BAD_CAP_LABEL: "with a max-module-count label that is no number",
    Refusal.AT_CAP: "at max-module-count",
    Refusal.HAS_MODULE: "already have the module",
    Refusal.EXCLUDED: "left out of this placement",
}

NOTHING_IN_THE_WAY: Final[Mapping[Reason, int]] = MappingProxyType({})


class Placement(NamedTuple):  # built on every call: a frozen attrs class takes as long as the choice itself
    """The bases chosen, best first, and how many replicas found none.

    `obstacles` counts every base of the pool under the one reason why it isn't (or no longer is) to be had; it is empty
    when every replica found a base.
    """

    bases: tuple[str, ...]
    unplaced: int = 0
    obstacles: Mapping[Reason, int] = NOTHING_IN_THE_WAY

    @property
    def message(self) -> str:
        """One sentence, equal for equal situations so that events and conditions deduplicate; empty if all were placed."""
        if not self.unplaced:
            return ""
        return unavailable(self.obstacles)


def unavailable(obstacles: Mapping[Reason, int]) -> str:
    """The sentence for a pool in which no base is left: the rarest reason first, then by its words."""
    found = sorted((number, _PHRASES[reason]) for reason, number in obstacles.items() if number)
    head = f"0/{sum(obstacles.values())} bases are available"
    if not found:
        return f"{head}."
    return f"{head}: {', '.join(f'{number} {phrase}' for number, phrase in found)}."
