"""The rollouts of a namespace, or of all, as a table, once or live."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import anyio
import attrs
from rich.console import Group
from rich.text import Text

from moduledeploy.cli.access.connection import run_connected
from moduledeploy.cli.access.console import Feed, console, emit, say
from moduledeploy.cli.access.exits import Exit
from moduledeploy.cli.pictures.documents import documents
from moduledeploy.cli.pictures.rows import DeploymentRow, deployment_row
from moduledeploy.cli.pictures.table import Fit, table
from moduledeploy.cli.pictures.words import PROGRESS, UNKNOWN, WIDE, age, short
from moduledeploy.cli.reading.deployments import read_deployments
from moduledeploy.cli.reading.kinds import ReadDeployment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from moduledeploy.api.kinds import ModuleDeployment
    from moduledeploy.cli.access.connection import Connection
    from moduledeploy.cli.access.flags import Access

READ: Final = ("deployments",)
FRAME_S: Final = 0.2
AGES_S: Final = 1.0
HEAD: Final = ("NAME", "MODULE", "VERSION", "STATUS", "BATCH", "DESIRED", "UPDATED", "AVAILABLE", "AGE", "MESSAGE")
DROP: Final = ("MODULE", "MESSAGE", "AGE", "UPDATED", "DESIRED", "VERSION", "AVAILABLE", "BATCH")  # in narrow terminals
MESSAGE: Final = 24  # cells of which it isn't worth its place


@attrs.frozen(kw_only=True)
class Range:
    """Which rollouts are listed; `output` is table, json or yaml."""

    all_namespaces: bool
    selector: str
    output: str


def list_rollouts(access: Access, range_: Range, *, watch: bool) -> int:
    """Print the table."""

    async def show(connection: Connection) -> int:
        namespace = None if range_.all_namespaces else connection.namespace
        if watch:
            return await _follow(connection, namespace, range_)
        _show(_rows(await read_deployments(connection, namespace, range_.selector)), namespace, range_)
        return Exit.REACHED

    return run_connected(access, show)


def _show(rows: list[DeploymentRow], namespace: str | None, range_: Range) -> None:
    if range_.output != "table":
        emit(documents("RolloutSummary", rows), range_.output)
    elif rows:
        say(_table(rows, console().width, with_namespace=namespace is None))
    else:
        say([_none(namespace)])


def _rows(found: Iterable[ModuleDeployment]) -> list[DeploymentRow]:
    now = time.time()
    mine = [item for item in found if isinstance(item, ReadDeployment)]
    mine.sort(key=lambda item: (item.metadata.namespace, item.metadata.name))
    return [deployment_row(item, now) for item in mine]


def _table(rows: Sequence[DeploymentRow], width: int, *, with_namespace: bool) -> list[Text]:
    head = ("NAMESPACE", *HEAD) if with_namespace else HEAD
    cells = [((row.namespace,) if with_namespace else ()) + _cells(row, width) for row in rows]
    return table(head, cells, Fit(width=width, drop=DROP, least=MESSAGE))


def _cells(row: DeploymentRow, width: int) -> tuple[str | Text, ...]:
    sign, colour = PROGRESS.get(row.phase, UNKNOWN)
    batch = f"{row.batch}/{row.batch_count}" if row.batch_count else ""
    counts = (str(row.desired), str(row.updated), str(row.available))
    status = short(row.phase) if width < WIDE else Text(f"{sign} {row.phase}", style=colour)
    return (row.name, row.module, row.version, status, batch, *counts, age(row.age_s), row.message)


async def _follow(connection: Connection, namespace: str | None, range_: Range) -> int:
    """The table live on a terminal; elsewhere a line for every row that changed, or all rows as a document."""
    from rich.live import Live as Drawing  # noqa: PLC0415  # only who watches pays for it

    from moduledeploy.cli.reading.live import watching  # noqa: PLC0415  # as above

    out, feed = console(), Feed(range_.output)
    shown: dict[tuple[str, str], DeploymentRow] = {}
    async with watching(connection, namespace, READ, range_.selector) as live:
        with Drawing(console=out, auto_refresh=False, vertical_overflow="ellipsis") as drawing:
            while True:
                rows = _rows(live.cluster.stores.deployments.values())
                if range_.output != "table":
                    feed.emit(documents("RolloutSummary", rows))
                elif out.is_live:
                    lines: list[Text | str] = [*_table(rows, out.width, with_namespace=range_.all_namespaces)]
                    old = [f"(not up to date: {live.trouble})"] if live.trouble else []
                    drawing.update(Group(*(lines if rows else [_none(namespace)]), *old), refresh=True)
                else:
                    fresh = [row for row in rows if not row.equals(shown.get((row.namespace, row.name)))]
                    say(_table(fresh, out.width, with_namespace=range_.all_namespaces)[bool(shown) :] if fresh else [])
                    shown = {(row.namespace, row.name): row for row in rows}
                await anyio.sleep(FRAME_S)
                await live.wait_changed(AGES_S)


def _none(namespace: str | None) -> str:
    return f"no ModuleDeployments {'anywhere' if namespace is None else f'in namespace {namespace}'}"
