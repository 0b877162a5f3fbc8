"""Go back to an earlier revision: a rollout like any other, in the batches of the strategy. A pause stays a pause.

Example:

  moduledeploy undo orders --to-revision 3
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from moduledeploy.api.encode import encode_template
from moduledeploy.api.names import WAITING_ANNOTATION
from moduledeploy.cli.access import flags
from moduledeploy.cli.access.connection import changing, connect, run
from moduledeploy.cli.access.console import say
from moduledeploy.cli.access.exits import CliError, Exit
from moduledeploy.cli.reading.cluster import read_stores
from moduledeploy.cli.reading.one import One, read_one
from moduledeploy.cli.reading.revisions import find_revision, revisions_of
from moduledeploy.controllers.resources import MODULE_DEPLOYMENTS
from moduledeploy.kube.resources import JSON_PATCH

if TYPE_CHECKING:
    import argparse

    from moduledeploy.cli.access.connection import Connection
    from moduledeploy.controllers.cluster import Stores
    from moduledeploy.rollout.view import Revision


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `undo`."""
    parser.add_argument("name", metavar="NAME", help="the ModuleDeployment")
    parser.add_argument(
        "--to-revision",
        default="0",
        metavar="R",
        help="number (as in `history`) or name; 0, the default, is the one before",
    )
    parser.add_argument("--dry-run", action="store_true", help="let the server check it, and change nothing")
    flags.add_cluster_flags(parser)


def main(options: argparse.Namespace) -> int:
    """Put the template of that revision in the place of the present one."""
    return run(_undo, options)


async def _undo(options: argparse.Namespace) -> int:
    async with connect(options) as connection:
        return await changing(lambda: _try(connection, options))


async def _try(connection: Connection, options: argparse.Namespace) -> int:
    one = await read_one(connection, options.name)
    stores = await read_stores(connection, connection.namespace, ("replica_sets",))
    wanted = _wanted(stores, one, options)
    if wanted.template == one.spec.template:
        say([f"skipped: {options.name} asks for revision {wanted.number} already"])
        return Exit.REACHED
    body = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": one.version},
        {"op": "replace", "path": "/spec/template", "value": encode_template(wanted.template)},
    ]
    await connection.patch(MODULE_DEPLOYMENTS, options.name, body, content_type=JSON_PATCH, dry_run=options.dry_run)
    done = "would be rolled back" if options.dry_run else "rolled back"
    paused = (
        "; it stays paused" if one.spec.pause and one.deployment.metadata.annotation(WAITING_ANNOTATION) is None else ""
    )
    say([f"{options.name} {done} to revision {wanted.number}, {wanted.template.module.identity}{paused}"])
    return Exit.REACHED


def _wanted(stores: Stores, one: One, options: argparse.Namespace) -> Revision:
    if options.to_revision != "0":
        return find_revision(stores, one.deployment, options.to_revision)[0]
    others = [made for made, _ in revisions_of(stores, one.deployment) if made.template != one.spec.template]
    if not others:
        raise CliError(f"{options.name} has no earlier revision to go back to")
    return others[-1]
