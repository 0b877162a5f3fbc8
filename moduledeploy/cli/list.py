"""List the rollouts of a namespace, or of all.

Example:

  moduledeploy list -A -w
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import anyio
from rich.console import Group
from rich.text import Text

from moduledeploy.cli.access import flags
from moduledeploy.cli.access.connection import connect, run
from moduledeploy.cli.access.console import console, emit, say
from moduledeploy.cli.access.exits import Exit
from moduledeploy.cli.pictures.documents import documents
from moduledeploy.cli.pictures.rows import DeploymentRow, deployment_row
from moduledeploy.cli.pictures.table import table
from moduledeploy.cli.pictures.words import PROGRESS, UNKNOWN, age
from moduledeploy.cli.reading.deployments import read_deployments
from moduledeploy.cli.reading.kinds import ReadDeployment

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from moduledeploy.api.kinds import ModuleDeployment
    from moduledeploy.cli.access.connection import Connection

READ: Final = ("deployments",)
FRAME_S: Final = 0.2
AGES_S: Final = 1.0
HEAD: Final = ("NAME", "MODULE", "VERSION", "STATUS", "BATCH", "DESIRED", "UPDATED", "AVAILABLE", "AGE", "MESSAGE")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `list`."""
    flags.add_range_flags(parser)
    flags.add_watch_flag(parser)
    flags.add_output_flag(parser, "table")
    flags.add_cluster_flags(parser)


def main(options: argparse.Namespace) -> int:
    """Print the table."""
    return run(_list, options)


async def _list(options: argparse.Namespace) -> int:
    async with connect(options) as connection:
        namespace = None if options.all_namespaces else connection.namespace
        if options.watch and options.output == "table":
            return await _follow(connection, namespace, options)
        rows = _rows(await read_deployments(connection, namespace, options.selector))
        if options.output != "table":
            emit(documents("RolloutSummary", rows), options.output)
        elif rows:
            say(_table(rows, with_namespace=options.all_namespaces))
        else:
            say([f"no ModuleDeployments {'anywhere' if namespace is None else f'in namespace {namespace}'}"])
    return Exit.REACHED


def _rows(found: Iterable[ModuleDeployment]) -> list[DeploymentRow]:
    now = time.time()
    mine = [item for item in found if isinstance(item, ReadDeployment)]
    mine.sort(key=lambda item: (item.metadata.namespace, item.metadata.name))
    return [deployment_row(item, now) for item in mine]


def _table(rows: Sequence[DeploymentRow], *, with_namespace: bool) -> list[Text]:
    head = ("NAMESPACE", *HEAD) if with_namespace else HEAD
    return table(head, [((row.namespace,) if with_namespace else ()) + _cells(row) for row in rows])


def _cells(row: DeploymentRow) -> tuple[str | Text, ...]:
    sign, colour = PROGRESS.get(row.phase, UNKNOWN)
    batch = f"{row.batch}/{row.batch_count}" if row.batch_count else ""
    counts = (str(row.desired), str(row.updated), str(row.available))
    status = Text(f"{sign} {row.phase}", style=colour)
    return (row.name, row.module, row.version, status, batch, *counts, age(row.age_s), row.message)


async def _follow(connection: Connection, namespace: str | None, options: argparse.Namespace) -> int:
    """The table live on a terminal; elsewhere a line for every row that changed."""
    from rich.live import Live as Screen  # noqa: PLC0415  # only who watches pays for it

    from moduledeploy.cli.reading.live import watching  # noqa: PLC0415  # as above

    out = console()
    shown: dict[tuple[str, str], DeploymentRow] = {}
    async with watching(connection, namespace, READ, options.selector) as live:
        with Screen(console=out, auto_refresh=False, vertical_overflow="crop") as screen:
            while True:
                rows = _rows(live.cluster.stores.deployments.values())
                if out.is_terminal:
                    lines = (
                        _table(rows, with_namespace=options.all_namespaces) if rows else [Text("no ModuleDeployments")]
                    )
                    screen.update(Group(*lines), refresh=True)
                else:
                    fresh = [row for row in rows if not row.equals(shown.get((row.namespace, row.name)))]
                    say(_table(fresh, with_namespace=options.all_namespaces)[bool(shown) :] if fresh else [])
                    shown = {(row.namespace, row.name): row for row in rows}
                await anyio.sleep(FRAME_S)
                await live.wait_changed(AGES_S)
