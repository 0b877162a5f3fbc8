"""The terminal, or what stands in for it: colours only where a person looks and NO_COLOR isn't set."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console

from moduledeploy.cli.pictures import documents

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.text import Text

WIDE: Final = 100_000  # a pipe has no width; nothing is cut there


def console() -> Console:
    """Standard output."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else WIDE, emoji=False, markup=False)


def say(lines: Iterable[Text | str]) -> None:
    """Print lines; those too long for the terminal wrap."""
    out = console()
    for line in lines:
        out.print(line, no_wrap=False, soft_wrap=True, crop=False)


def emit(body: dict[str, Any], form: str) -> None:
    """Print a document."""
    print(documents.text(body, form))
