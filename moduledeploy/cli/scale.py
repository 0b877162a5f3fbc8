"""Change the number of replicas, as `kubectl scale` does.

Example:

  moduledeploy scale orders --replicas 12
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from moduledeploy.cli.access import flags
from moduledeploy.cli.access.connection import connect, run
from moduledeploy.cli.access.console import say
from moduledeploy.cli.access.exits import CliError, Exit
from moduledeploy.cli.reading.one import read_one
from moduledeploy.controllers.resources import MODULE_DEPLOYMENTS

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `scale`."""
    parser.add_argument("name", metavar="NAME", help="the ModuleDeployment")
    parser.add_argument("--replicas", type=flags.count, required=True, metavar="N", help="how many, from 0")
    flags.add_cluster_flags(parser)


def main(options: argparse.Namespace) -> int:
    """Write the scale subresource; a peer ModuleDeployment is refused."""
    return run(_scale, options)


async def _scale(options: argparse.Namespace) -> int:
    async with connect(options) as connection:
        one = await read_one(connection, options.name)
        if one.spec.is_peer:
            base = one.spec.base_deployment
            raise CliError(
                f"{options.name} has one replica on every base; scale the base: kubectl scale deployment/{base}"
            )
        before = one.spec.replicas
        if before == options.replicas:
            say([f"{options.name} has {before} replicas already"])
            return Exit.REACHED
        await connection.patch(
            MODULE_DEPLOYMENTS, options.name, {"spec": {"replicas": options.replicas}}, subresource="scale"
        )
        say([f"{options.name} scaled from {before} to {options.replicas}"])
        return Exit.REACHED
