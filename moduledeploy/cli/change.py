"""What a command that moves a rollout did: said in a line, or as a document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio
import attrs

from moduledeploy.cli.access.connection import run_connected
from moduledeploy.cli.access.console import emit, say
from moduledeploy.cli.access.exits import Exit
from moduledeploy.cli.pictures.documents import document
from moduledeploy.kube.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from moduledeploy.cli.access.connection import Connection
    from moduledeploy.cli.access.flags import Access

CONFLICT_TRIES: Final = 5
CONFLICT_PAUSE_S: Final = 0.05


@attrs.frozen(kw_only=True)
class Change:
    """What was asked of one ModuleDeployment and what came of it. changed: something was, with dry_run would be, written."""

    action: str
    namespace: str
    name: str
    changed: bool
    dry_run: bool
    message: str


@attrs.frozen
class Done:
    """What an attempt came to, in words; `changed` is False where it was so before."""

    message: str
    changed: bool = True


@attrs.frozen(kw_only=True)
class Asked:
    """What is to be done to which ModuleDeployment, and how it is told of: text, json or yaml."""

    access: Access
    action: str
    name: str
    output: str
    dry_run: bool = False


def run_change(asked: Asked, attempt: Callable[[Connection], Awaitable[Done]]) -> int:
    """Read, decide and write: anew, a few times, where somebody else wrote in between. Raises CliError."""

    async def changed(connection: Connection) -> int:
        done = await _persist(connection, attempt)
        if asked.output == "text":
            say([done.message])
            return Exit.REACHED
        change = Change(
            action=asked.action,
            namespace=connection.namespace,
            name=asked.name,
            changed=done.changed,
            dry_run=asked.dry_run,
            message=done.message,
        )
        emit(document("Change", change), asked.output)
        return Exit.REACHED

    return run_connected(asked.access, changed)


async def _persist(connection: Connection, attempt: Callable[[Connection], Awaitable[Done]]) -> Done:
    for _ in range(CONFLICT_TRIES - 1):
        try:
            return await attempt(connection)
        except Conflict:
            await anyio.sleep(CONFLICT_PAUSE_S)
    return await attempt(connection)
