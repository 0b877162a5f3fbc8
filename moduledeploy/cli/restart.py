"""Deploy the same version again, as a new revision, in the batches of the strategy.

Example:

  moduledeploy restart orders
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from moduledeploy.api.times import encode_time
from moduledeploy.cli.access import flags
from moduledeploy.cli.access.connection import changing, connect, run
from moduledeploy.cli.access.console import say
from moduledeploy.cli.access.exits import Exit
from moduledeploy.cli.reading.kinds import RESTARTED_ANNOTATION
from moduledeploy.cli.reading.one import read_one
from moduledeploy.controllers.resources import MODULE_DEPLOYMENTS

if TYPE_CHECKING:
    import argparse

    from moduledeploy.cli.access.connection import Connection


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `restart`."""
    parser.add_argument("name", metavar="NAME", help="the ModuleDeployment")
    flags.add_cluster_flags(parser)


def main(options: argparse.Namespace) -> int:
    """Begin a new revision with the same module."""
    return run(_restart, options)


async def _restart(options: argparse.Namespace) -> int:
    async with connect(options) as connection:
        return await changing(lambda: _try(connection, options.name))


async def _try(connection: Connection, name: str) -> int:
    one = await read_one(connection, name)
    template = {"metadata": {"annotations": {RESTARTED_ANNOTATION: encode_time(time.time())}}}
    body = {"metadata": {"resourceVersion": one.version}, "spec": {"template": template}}
    await connection.patch(MODULE_DEPLOYMENTS, name, body)
    say([f"{name} is deployed again: {one.spec.template.module.identity}"])
    return Exit.REACHED
