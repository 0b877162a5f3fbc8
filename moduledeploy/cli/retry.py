"""Lift the decision that a failed rollout stands under."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from moduledeploy.api import names
from moduledeploy.api.times import encode_time
from moduledeploy.cli.change import Asked, Done, run_change
from moduledeploy.cli.reading.one import read_one
from moduledeploy.controllers.resources import MODULE_DEPLOYMENTS

if TYPE_CHECKING:
    from moduledeploy.cli.access.connection import Connection
    from moduledeploy.cli.access.flags import Access


def retry(access: Access, *, name: str, output: str) -> int:
    """Set the annotation; 0 also where nothing has failed."""
    asked = Asked(access=access, action="retry", name=name, output=output)
    return run_change(asked, lambda connection: _try(connection, name))


async def _try(connection: Connection, name: str) -> Done:
    one = await read_one(connection, name)
    failure = one.release.failure if one.release else None
    asked = one.deployment.metadata.annotation(names.RETRY_ANNOTATION) or ""
    if failure is None:
        return Done(f"{name} has not failed; there is nothing to retry", changed=False)
    if failure.retry != asked:
        return Done(f"{name} is being retried already", changed=False)
    annotations = {names.RETRY_ANNOTATION: encode_time(time.time())}
    await connection.patch(
        MODULE_DEPLOYMENTS, name, {"metadata": {"resourceVersion": one.version, "annotations": annotations}}
    )
    return Done(f"{name} is tried again; it had failed because {failure.message}")
