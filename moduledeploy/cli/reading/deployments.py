"""ModuleDeployments alone, for commands that ask for nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from moduledeploy.cli.reading.kinds import ReadDeployment
from moduledeploy.controllers.resources import MODULE_DEPLOYMENTS

if TYPE_CHECKING:
    from moduledeploy.cli.access.connection import Connection


class _Page(msgspec.Struct):
    items: list[ReadDeployment] | None = None


async def read_deployments(connection: Connection, namespace: str | None, selector: str = "") -> list[ReadDeployment]:
    """Those of one namespace, or of all, with these labels. Raises CliError."""
    decoder = msgspec.json.Decoder(_Page)
    pages = [decoder.decode(page) async for page in connection.lists(MODULE_DEPLOYMENTS, namespace, selector)]
    return [item for page in pages for item in page.items or []]
