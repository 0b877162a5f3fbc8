"""Manifests checked without a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text

from moduledeploy.cli.access.console import emit, say
from moduledeploy.cli.access.exits import Exit
from moduledeploy.cli.pictures.documents import documents
from moduledeploy.cli.pictures.lint import Finding, Level, lint_object
from moduledeploy.cli.pictures.lint_v1 import changes_from_v1
from moduledeploy.cli.pictures.words import ACTIVE, BAD, WAITS, plural
from moduledeploy.cli.reading.manifests import read_objects

if TYPE_CHECKING:
    from collections.abc import Sequence

_COLOURS: Final = {Level.REFUSED: BAD, Level.UNWISE: WAITS, Level.CHANGES: ACTIVE}


def lint(filenames: Sequence[str], *, from_v1: bool, output: str) -> int:
    """Print the findings; 1 where something will be refused. Raises CliError for a file that can't be read."""
    objects = [item for path in filenames for item in read_objects(path)]
    found = [finding for item in objects for finding in lint_object(item)]
    if from_v1:
        found.extend(finding for item in objects for finding in changes_from_v1(item))
    _show(found, len(objects), output)
    return Exit.FAILED if any(finding.level is Level.REFUSED for finding in found) else Exit.REACHED


def _show(found: list[Finding], objects: int, output: str) -> None:
    if output != "text":
        emit(documents("Finding", found), output)
        return
    lines = [
        Text.assemble(
            (f"{item.level.value:<8}", _COLOURS[item.level]),
            f"{item.kind} {item.name}: ",
            (item.field, "bold"),
            f": {item.message}",
        )
        for item in found
    ]
    say(lines or [f"{plural(objects, 'object')}, nothing to say"])
