"""The terminal, or what stands in for it: colours only where a person looks and NO_COLOR isn't set."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.segment import Segment

from moduledeploy.cli.access.exits import Unread
from moduledeploy.cli.pictures import documents
from moduledeploy.cli.pictures.table import one_line
from moduledeploy.runtime.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import ConsoleOptions, RenderableType
    from rich.text import Text

WIDE: Final = 100_000  # a pipe has no width; nothing is cut there


class Screen(Console):
    """A console on which texts from objects only look like something: their escapes move and colour nothing."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Give the segments, those of our own control and style included."""
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else visible(segment.text)
            yield segment if text == segment.text else Segment(text, segment.style)

    def on_broken_pipe(self) -> None:
        """Write what is left to nowhere, so that the interpreter's end is quiet too. Raises Unread."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise Unread


def console() -> Console:
    """Standard output."""
    return Screen(highlight=False, width=None if sys.stdout.isatty() else WIDE, emoji=False, markup=False)


def say(lines: Iterable[Text | str]) -> None:
    """Print lines; those too long for the terminal wrap."""
    out = console()
    for line in lines:
        out.print(one_line(line), no_wrap=False, soft_wrap=True, crop=False)


def emit(body: dict[str, Any], form: str) -> None:
    """Print a document."""
    console().out(documents.text(body, form), highlight=False)
