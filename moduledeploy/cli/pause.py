"""Hold a rollout, by a pause that is a person's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moduledeploy.api import names
from moduledeploy.cli.access.connection import run_change
from moduledeploy.cli.access.console import say
from moduledeploy.cli.access.exits import Exit
from moduledeploy.cli.reading.one import read_one
from moduledeploy.controllers.resources import MODULE_DEPLOYMENTS

if TYPE_CHECKING:
    from moduledeploy.cli.access.connection import Connection
    from moduledeploy.cli.access.flags import Access


def pause(access: Access, *, name: str) -> int:
    """Pause it; pausing twice does no harm."""
    return run_change(access, lambda connection: _try(connection, name))


async def _try(connection: Connection, name: str) -> int:
    one = await read_one(connection, name)
    waits = one.deployment.metadata.annotation(names.WAITING_ANNOTATION) is not None
    if one.spec.pause and not waits:
        say([f"{name} is already paused"])
        return Exit.REACHED
    # The annotation tells the controller's pause from a person's: without it this one is a person's.
    body = {
        "metadata": {"resourceVersion": one.version, "annotations": {names.WAITING_ANNOTATION: None}},
        "spec": {"pause": True},
    }
    await connection.patch(MODULE_DEPLOYMENTS, name, body)
    say(
        [f"{name} paused" + ("; its batch still needs a confirmation after resume" if waits and one.spec.pause else "")]
    )
    return Exit.REACHED
