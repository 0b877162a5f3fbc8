"""Deploy the same version again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from moduledeploy.api.times import encode_time
from moduledeploy.cli.access.connection import run_change
from moduledeploy.cli.access.console import say
from moduledeploy.cli.access.exits import Exit
from moduledeploy.cli.reading.kinds import RESTARTED_ANNOTATION
from moduledeploy.cli.reading.one import read_one
from moduledeploy.controllers.resources import MODULE_DEPLOYMENTS

if TYPE_CHECKING:
    from moduledeploy.cli.access.connection import Connection
    from moduledeploy.cli.access.flags import Access


def restart(access: Access, *, name: str) -> int:
    """Begin a new revision with the same module."""
    return run_change(access, lambda connection: _try(connection, name))


async def _try(connection: Connection, name: str) -> int:
    one = await read_one(connection, name)
    template = {"metadata": {"annotations": {RESTARTED_ANNOTATION: encode_time(time.time())}}}
    body = {"metadata": {"resourceVersion": one.version}, "spec": {"template": template}}
    await connection.patch(MODULE_DEPLOYMENTS, name, body)
    say([f"{name} is deployed again: {one.spec.template.module.identity}"])
    return Exit.REACHED
