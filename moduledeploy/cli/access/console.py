"""The terminal, or what stands in for it: colours only where a person looks and NO_COLOR isn't set."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import attrs
from rich.console import Console
from rich.segment import Segment

from moduledeploy.cli.access.exits import CliError, Unread
from moduledeploy.cli.pictures import documents
from moduledeploy.cli.pictures.table import one_line
from moduledeploy.runtime.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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
        """End quietly. Raises Unread."""
        self.quiet = True
        _write_to_nowhere()
        raise Unread

    @property
    def is_live(self) -> bool:
        """A picture can be drawn over the last one."""
        return self.is_terminal and not self.is_dumb_terminal


def _write_to_nowhere() -> None:
    """Let what is left in the buffers go, so that the interpreter's end is quiet too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def console() -> Screen:
    """Standard output."""
    return Screen(highlight=False, width=None if sys.stdout.isatty() else WIDE, emoji=False, markup=False)


def say(lines: Iterable[Text | str]) -> None:
    """Print lines; those too long for the terminal wrap. Raises CliError where they can't be written."""
    out = console()
    with _written():
        for line in lines:
            out.print(one_line(line), no_wrap=False, soft_wrap=True, crop=False)


def emit(body: dict[str, Any], form: str, *, is_one_of_many: bool = False) -> None:
    """Print a document. Raises CliError where it can't be written."""
    with _written():
        console().out(documents.text(body, form, is_one_of_many=is_one_of_many), highlight=False)


@attrs.define
class Feed:
    """Documents of something that is watched: one whenever more than time changed."""

    form: str
    _last: object = None

    def emit(self, body: dict[str, Any]) -> None:
        """Print it unless it says what the last one said. Raises CliError where it can't be written."""
        if (told := documents.ageless(body)) != self._last:
            self._last = told
            emit(body, self.form, is_one_of_many=True)


@contextmanager
def _written() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        _write_to_nowhere()
        raise CliError(f"standard output: {error.strerror}") from error
