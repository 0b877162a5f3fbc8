"""End a pause that a person made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moduledeploy.api import names
from moduledeploy.cli.access.exits import CliError, Exit
from moduledeploy.cli.change import Asked, Done, run_change
from moduledeploy.cli.reading.one import read_one
from moduledeploy.controllers.resources import MODULE_DEPLOYMENTS

if TYPE_CHECKING:
    from moduledeploy.cli.access.connection import Connection
    from moduledeploy.cli.access.flags import Access


def resume(access: Access, *, name: str, output: str) -> int:
    """End the pause; 3 where it isn't a person's but waits for a confirmation."""
    asked = Asked(access=access, action="resume", name=name, output=output)
    return run_change(asked, lambda connection: _try(connection, name))


async def _try(connection: Connection, name: str) -> Done:
    one = await read_one(connection, name)
    if not one.spec.pause:
        return Done(f"{name} is not paused", changed=False)
    waiting = one.deployment.metadata.annotation(names.WAITING_ANNOTATION)
    if waiting is not None:
        batch = waiting.rpartition("/")[2]
        raise CliError(
            f"{name} isn't paused by a person, it waits for a confirmation: moduledeploy confirm {name} --batch {batch}",
            Exit.GATE,
        )
    body = {"metadata": {"resourceVersion": one.version}, "spec": {"pause": None}}
    await connection.patch(MODULE_DEPLOYMENTS, name, body)
    return Done(f"{name} resumed")
