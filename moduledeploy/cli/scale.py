"""Change the number of replicas, through the scale subresource."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moduledeploy.cli.access.connection import run_connected
from moduledeploy.cli.access.console import say
from moduledeploy.cli.access.exits import CliError, Exit
from moduledeploy.cli.reading.one import read_one
from moduledeploy.controllers.resources import MODULE_DEPLOYMENTS

if TYPE_CHECKING:
    from moduledeploy.cli.access.connection import Connection
    from moduledeploy.cli.access.flags import Access


def scale(access: Access, *, name: str, replicas: int) -> int:
    """Write the scale subresource; a peer ModuleDeployment is refused."""
    return run_connected(access, lambda connection: _scale(connection, name, replicas))


async def _scale(connection: Connection, name: str, replicas: int) -> int:
    one = await read_one(connection, name)
    if one.spec.is_peer:
        base = one.spec.base_deployment
        raise CliError(f"{name} has one replica on every base; scale the base: kubectl scale deployment/{base}")
    before = one.spec.replicas
    if before == replicas:
        say([f"{name} has {before} replicas already"])
        return Exit.REACHED
    await connection.patch(MODULE_DEPLOYMENTS, name, {"spec": {"replicas": replicas}}, subresource="scale")
    say([f"{name} scaled from {before} to {replicas}"])
    return Exit.REACHED
