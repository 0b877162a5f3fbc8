"""Go back to an earlier revision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moduledeploy.api.encode import encode_template
from moduledeploy.api.names import WAITING_ANNOTATION
from moduledeploy.cli.access.exits import CliError
from moduledeploy.cli.change import Asked, Done, run_change
from moduledeploy.cli.reading.cluster import read_stores
from moduledeploy.cli.reading.one import One, read_one
from moduledeploy.cli.reading.revisions import find_revision, revisions_of
from moduledeploy.controllers.resources import MODULE_DEPLOYMENTS
from moduledeploy.kube.resources import JSON_PATCH

if TYPE_CHECKING:
    from moduledeploy.cli.access.connection import Connection
    from moduledeploy.cli.access.flags import Access
    from moduledeploy.controllers.cluster import Stores
    from moduledeploy.rollout.view import Revision


def undo(access: Access, *, name: str, to_revision: str, dry_run: bool, output: str) -> int:
    """Put the template of that revision in the place of the present one; "0" is the revision before."""
    asked = Asked(access=access, action="undo", name=name, output=output, dry_run=dry_run)
    return run_change(asked, lambda connection: _try(connection, name, to_revision, dry_run=dry_run))


async def _try(connection: Connection, name: str, to_revision: str, *, dry_run: bool) -> Done:
    one = await read_one(connection, name)
    stores = await read_stores(connection, connection.namespace, ("replica_sets",))
    wanted = _wanted(stores, one, to_revision)
    if wanted.template == one.spec.template:
        return Done(f"skipped: {name} asks for revision {wanted.number} already", changed=False)
    body = [
        # A version in the object is a precondition that fails as a conflict; a `test` would fail as an invalid request.
        {"op": "replace", "path": "/metadata/resourceVersion", "value": one.version},
        {"op": "replace", "path": "/spec/template", "value": encode_template(wanted.template)},
    ]
    await connection.patch(MODULE_DEPLOYMENTS, name, body, content_type=JSON_PATCH, dry_run=dry_run)
    done = "would be rolled back" if dry_run else "rolled back"
    paused = (
        "; it stays paused" if one.spec.pause and one.deployment.metadata.annotation(WAITING_ANNOTATION) is None else ""
    )
    return Done(f"{name} {done} to revision {wanted.number}, {wanted.template.module.identity}{paused}")


def _wanted(stores: Stores, one: One, to_revision: str) -> Revision:
    if to_revision != "0":
        return find_revision(stores, one.deployment, to_revision)[0]
    others = [made for made, _ in revisions_of(stores, one.deployment) if made.template != one.spec.template]
    if not others:
        raise CliError(f"{one.deployment.metadata.name} has no earlier revision to go back to")
    return others[-1]
