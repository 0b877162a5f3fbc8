"""Hold a rollout, by a pause that is a person's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moduledeploy.api import names
from moduledeploy.cli.change import Asked, Done, run_change
from moduledeploy.cli.reading.one import read_one
from moduledeploy.controllers.resources import MODULE_DEPLOYMENTS

if TYPE_CHECKING:
    from moduledeploy.cli.access.connection import Connection
    from moduledeploy.cli.access.flags import Access


def pause(access: Access, *, name: str, output: str) -> int:
    """Pause it; pausing twice does no harm."""
    asked = Asked(access=access, action="pause", name=name, output=output)
    return run_change(asked, lambda connection: _try(connection, name))


async def _try(connection: Connection, name: str) -> Done:
    one = await read_one(connection, name)
    waits = one.deployment.metadata.annotation(names.WAITING_ANNOTATION) is not None
    if one.spec.pause and not waits:
        return Done(f"{name} is already paused", changed=False)
    # The annotation tells the controller's pause from a person's: without it this one is a person's.
    body = {
        "metadata": {"resourceVersion": one.version, "annotations": {names.WAITING_ANNOTATION: None}},
        "spec": {"pause": True},
    }
    await connection.patch(MODULE_DEPLOYMENTS, name, body)
    held = "; its batch still needs a confirmation after resume" if waits and one.spec.pause else ""
    return Done(f"{name} paused{held}")
