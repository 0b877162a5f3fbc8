"""Lift the decision that a failed rollout stands under: what failed is tried anew.

Example:

  moduledeploy retry orders
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from moduledeploy.api import names
from moduledeploy.api.times import encode_time
from moduledeploy.cli.access import flags
from moduledeploy.cli.access.connection import changing, connect, run
from moduledeploy.cli.access.console import say
from moduledeploy.cli.access.exits import Exit
from moduledeploy.cli.reading.one import read_one
from moduledeploy.controllers.resources import MODULE_DEPLOYMENTS

if TYPE_CHECKING:
    import argparse

    from moduledeploy.cli.access.connection import Connection


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `retry`."""
    parser.add_argument("name", metavar="NAME", help="the ModuleDeployment")
    flags.add_cluster_flags(parser)


def main(options: argparse.Namespace) -> int:
    """Set the annotation; 0 also where nothing has failed."""
    return run(_retry, options)


async def _retry(options: argparse.Namespace) -> int:
    async with connect(options) as connection:
        return await changing(lambda: _try(connection, options.name))


async def _try(connection: Connection, name: str) -> int:
    one = await read_one(connection, name)
    failure = one.release.failure if one.release else None
    asked = one.deployment.metadata.annotation(names.RETRY_ANNOTATION) or ""
    if failure is None or failure.retry != asked:
        say(
            [
                f"{name} has not failed; there is nothing to retry"
                if failure is None
                else f"{name} is being retried already"
            ]
        )
        return Exit.REACHED
    annotations = {names.RETRY_ANNOTATION: encode_time(time.time())}
    await connection.patch(
        MODULE_DEPLOYMENTS, name, {"metadata": {"resourceVersion": one.version, "annotations": annotations}}
    )
    say([f"{name} is tried again; it had failed because {failure.message}"])
    return Exit.REACHED
