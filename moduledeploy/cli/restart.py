"""Deploy the same version again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from moduledeploy.api.times import encode_time
from moduledeploy.cli.change import Asked, Done, run_change
from moduledeploy.cli.reading.kinds import RESTARTED_ANNOTATION
from moduledeploy.cli.reading.one import read_one
from moduledeploy.controllers.resources import MODULE_DEPLOYMENTS

if TYPE_CHECKING:
    from moduledeploy.cli.access.connection import Connection
    from moduledeploy.cli.access.flags import Access


def restart(access: Access, *, name: str, output: str) -> int:
    """Begin a new revision with the same module."""
    asked = Asked(access=access, action="restart", name=name, output=output)
    return run_change(asked, lambda connection: _try(connection, name))


async def _try(connection: Connection, name: str) -> Done:
    one = await read_one(connection, name)
    template = {"metadata": {"annotations": {RESTARTED_ANNOTATION: encode_time(time.time())}}}
    body = {"metadata": {"resourceVersion": one.version}, "spec": {"template": template}}
    await connection.patch(MODULE_DEPLOYMENTS, name, body)
    return Done(f"{name} is deployed again: {one.spec.template.module.identity}")
