"""Hold a rollout: nothing more is replaced until `resume`. Repair, scaling and deletion go on. Pausing twice does no harm.

Example:

  moduledeploy pause orders
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from moduledeploy.api import names
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
    """Flags of `pause`."""
    parser.add_argument("name", metavar="NAME", help="the ModuleDeployment")
    flags.add_cluster_flags(parser)


def main(options: argparse.Namespace) -> int:
    """Pause it."""
    return run(_pause, options)


async def _pause(options: argparse.Namespace) -> int:
    async with connect(options) as connection:
        return await changing(lambda: _try(connection, options.name))


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
