"""Change the number of replicas, through the scale subresource."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moduledeploy.cli.access.exits import CliError
from moduledeploy.cli.change import Asked, Done, run_change
from moduledeploy.cli.reading.one import read_one
from moduledeploy.controllers.resources import MODULE_DEPLOYMENTS

if TYPE_CHECKING:
    from moduledeploy.cli.access.connection import Connection
    from moduledeploy.cli.access.flags import Access


def scale(access: Access, *, name: str, replicas: int, output: str) -> int:
    """Write the scale subresource; a peer ModuleDeployment is refused."""
    asked = Asked(access=access, action="scale", name=name, output=output)
    return run_change(asked, lambda connection: _scale(connection, name, replicas))


async def _scale(connection: Connection, name: str, replicas: int) -> Done:
    one = await read_one(connection, name)
    if one.spec.is_peer:
        base = one.spec.base_deployment
        raise CliError(f"{name} has one replica on every base; scale the base: kubectl scale deployment/{base}")
    before = one.spec.replicas
    if before == replicas:
        return Done(f"{name} has {before} replicas already", changed=False)
    await connection.patch(MODULE_DEPLOYMENTS, name, {"spec": {"replicas": replicas}}, subresource="scale")
    return Done(f"{name} scaled from {before} to {replicas}")
