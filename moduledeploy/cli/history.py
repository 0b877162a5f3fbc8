"""The revisions: what was deployed when, how it ended, how long it took and who confirmed which batch."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from rich.text import Text

from moduledeploy.api.times import encode_time
from moduledeploy.cli.access.connection import run_connected
from moduledeploy.cli.access.console import console, emit, say
from moduledeploy.cli.access.exits import CliError, Exit
from moduledeploy.cli.pictures.documents import document, documents
from moduledeploy.cli.pictures.history import HistoryEntry, history
from moduledeploy.cli.pictures.table import Fit, table
from moduledeploy.cli.pictures.words import BAD, GOOD, NONE, WIDE, age, shortened
from moduledeploy.cli.reading.cluster import read_stores
from moduledeploy.cli.reading.one import read_one
from moduledeploy.cli.reading.revisions import revisions_of

if TYPE_CHECKING:
    from moduledeploy.cli.access.connection import Connection
    from moduledeploy.cli.access.flags import Access

LEAST: Final = 12  # cells of the last column that keep others in their place


def show_history(access: Access, *, name: str, revision: str | None, output: str) -> int:
    """Print the table, or one revision."""

    async def show(connection: Connection) -> int:
        one = await read_one(connection, name)
        stores = await read_stores(connection, connection.namespace, ("replica_sets",))
        entries = history(one, revisions_of(stores, one.deployment))
        if revision:
            _show_one(_find(entries, name, revision), output)
        elif output != "table":
            emit(documents("Revision", entries), output)
        else:
            head = ("REVISION", "VERSION", "OUTCOME", "STARTED", "TOOK", "CONFIRMED", "CHANGE-CAUSE")
            width = console().width
            fit = Fit(width=width, drop=("TOOK", "STARTED"), least=LEAST, wraps=True)
            say(table(head, [_row(entry, time.time(), is_narrow=width < WIDE) for entry in entries], fit))
        return Exit.REACHED

    return run_connected(access, show)


def _row(entry: HistoryEntry, now: float, *, is_narrow: bool) -> tuple[str | Text, ...]:
    colour = {"Completed": GOOD, "Failed": BAD, "Aborted": BAD, "RolledBack": BAD}.get(entry.outcome, "")
    started = NONE if entry.started_at is None else f"{age(now - entry.started_at)} ago"
    return (
        f"{entry.revision}{'*' if entry.is_current else ''}",
        entry.version,
        Text(shortened(entry.outcome) if is_narrow else entry.outcome, style=colour),
        started,
        age(entry.duration_s),
        ", ".join(f"{item.batch} by {item.by}" for item in entry.confirmed) or NONE,
        entry.change_cause or NONE,
    )


def _find(entries: list[HistoryEntry], name: str, revision: str) -> HistoryEntry:
    entry = next((item for item in entries if revision in (str(item.revision), item.name)), None)
    if entry is None:
        there = ", ".join(str(item.revision) for item in entries) or "none"
        raise CliError(f"{name} has no revision {revision}; there are: {there}", Exit.NOT_FOUND)
    return entry


def _show_one(entry: HistoryEntry, output: str) -> None:
    if output != "table":
        emit(document("Revision", entry), output)
        return
    lines = [
        f"revision {entry.revision}, {entry.name}{', the one asked for now' if entry.is_current else ''}",
        f"  module:    {entry.module}:{entry.version}",
        f"  url:       {entry.url}",
        f"  md5:       {entry.md5 or NONE}",
        f"  outcome:   {entry.outcome}",
        f"  started:   {NONE if entry.started_at is None else encode_time(entry.started_at)}",
        f"  took:      {age(entry.duration_s)}",
        f"  cause:     {entry.change_cause or NONE}",
    ]
    for item in entry.confirmed:
        at = "" if item.at is None else f", {encode_time(item.at)}"
        lines.append(f"  confirmed: batch {item.batch} by {item.by}{at}")
    say(lines)
