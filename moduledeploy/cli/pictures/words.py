"""Short words and signs that every view shares."""

from __future__ import annotations

import re
from typing import Final

from rich.text import Text

from moduledeploy.api.status import Progress

# Of the 256 colours that are the same everywhere those that can be read on a dark background as well as on a light one.
GOOD: Final = "color(28)"
ACTIVE: Final = "color(31)"
WAITS: Final = "color(166)"
BAD: Final = "color(160)"
LEAVES: Final = "color(133)"

# Sign and colour of each state; the signs are those that people know from other rollout tools.
PROGRESS: Final[dict[str, tuple[str, str]]] = {
    Progress.INIT: ("◷", ACTIVE),
    Progress.EXECUTING: ("◌", ACTIVE),
    Progress.WAITING_FOR_CONFIRMATION: ("‖", WAITS),
    Progress.GRAY_WAITING: ("◷", WAITS),
    Progress.PAUSED: ("‖", WAITS),
    Progress.COMPLETED: ("✔", GOOD),
    Progress.FAILED: ("✖", BAD),
    Progress.ABORTED: ("✖", BAD),
    Progress.TERMINATING: ("⚠", LEAVES),
}
MODULE: Final[dict[str, tuple[str, str]]] = {
    "Available": ("✔", GOOD),
    "Upgrading": ("◌", ACTIVE),
    "Pending": ("◷", ACTIVE),
    "Failed": ("✖", BAD),
    "Terminating": ("⚠", LEAVES),
}
UNKNOWN: Final = ("?", "")
_SHORT: Final = {"WaitingForConfirmation": "Waiting", "GrayWaiting": "GrayTime"}
WIDE: Final = 120  # columns from which words are written out and no column is spared
NONE: Final = "<none>"
_AGE: Final = re.compile(r"(\d+[smhd])+[:,;]?")


def age(seconds: float | None) -> str:
    """A duration as kubectl shows ages: two units while that says more, one after that."""
    if seconds is None:
        return NONE
    whole = max(0, int(seconds))
    if whole < 120:
        return f"{whole}s"
    minutes, second = divmod(whole, 60)
    if minutes < 10:
        return f"{minutes}m{second}s" if second else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    hours, minute = divmod(minutes, 60)
    if hours < 8:
        return f"{hours}h{minute}m" if minute else f"{hours}h"
    return f"{hours}h" if hours < 48 else f"{hours // 24}d"


def short(state: str) -> Text:
    """Where a rollout stands in two words at most, with its sign and colour."""
    sign, colour = PROGRESS.get(state, UNKNOWN)
    return Text(f"{sign} {shortened(state)}", style=colour)


def shortened(state: str) -> str:
    """The state in ten letters or a few more."""
    return _SHORT.get(state, state)


def steady(text: str) -> str:
    """The text without ages, so that time alone is no change."""
    return " ".join(word for word in text.split() if not _AGE.fullmatch(word))


def plural(count: int, word: str) -> str:
    """1 replica, 2 replicas."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
