"""Check manifests without a cluster: what will be refused, what is unwise, and for manifests of v1 what changes.

Example:

  moduledeploy lint -f orders.yaml --from-v1
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from moduledeploy.cli.access import flags
from moduledeploy.cli.access.exits import CliError, Exit
from moduledeploy.cli.pictures.lint import Finding, Level, lint_object
from moduledeploy.cli.pictures.lint_v1 import changes_from_v1
from moduledeploy.cli.reading.manifests import read_objects

if TYPE_CHECKING:
    import argparse

_COLOURS: Final = {Level.REFUSED: "red", Level.UNWISE: "yellow", Level.CHANGES: "cyan"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `lint`."""
    parser.add_argument(
        "-f", "--filename", action="append", required=True, metavar="FILE", help="manifests; - is standard input"
    )
    parser.add_argument(
        "--from-v1", action="store_true", help="say too what changes for a manifest of module-controller v1"
    )
    flags.add_output_flag(parser)


def main(options: argparse.Namespace) -> int:
    """Print the findings; 1 where something will be refused."""
    try:
        objects = [item for path in options.filename for item in read_objects(path)]
    except CliError as error:
        print(f"moduledeploy: {' '.join(str(error).split())}", file=sys.stderr)
        return int(error.status)
    found = [finding for item in objects for finding in lint_object(item)]
    if options.from_v1:
        found.extend(finding for item in objects for finding in changes_from_v1(item))
    _show(found, len(objects), options.output)
    return int(Exit.FAILED if any(finding.level is Level.REFUSED for finding in found) else Exit.REACHED)


def _show(found: list[Finding], objects: int, output: str) -> None:
    from rich.text import Text  # noqa: PLC0415  # the check itself needs no terminal

    from moduledeploy.cli.access.console import emit, say  # noqa: PLC0415  # as above
    from moduledeploy.cli.pictures.documents import documents  # noqa: PLC0415  # as above

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
    say(lines or [f"{objects} objects, nothing to say"])
