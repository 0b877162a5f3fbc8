"""Change what is deployed: a new revision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moduledeploy.cli.access.exits import CliError, Exit
from moduledeploy.cli.change import Asked, Done, run_change
from moduledeploy.cli.reading.one import read_one
from moduledeploy.controllers.resources import MODULE_DEPLOYMENTS

if TYPE_CHECKING:
    from moduledeploy.api.kinds import ModuleSource
    from moduledeploy.cli.access.connection import Connection
    from moduledeploy.cli.access.flags import Access


def set_fields(access: Access, *, name: str, fields: dict[str, str], dry_run: bool, output: str) -> int:
    """Write the fields of the template's module; the url follows a new version where it names the old one."""
    asked = Asked(access=access, action="set", name=name, output=output, dry_run=dry_run)
    return run_change(asked, lambda connection: _try(connection, name, fields, dry_run=dry_run))


async def _try(connection: Connection, name: str, fields: dict[str, str], *, dry_run: bool) -> Done:
    one = await read_one(connection, name)
    source = one.spec.template.module
    asked = complete(fields, source)
    changed = {field: value for field, value in asked.items() if getattr(source, field) != value}
    if not changed:
        return Done(f"{name} has that already", changed=False)
    body = {
        "metadata": {"resourceVersion": one.version},
        "spec": {"template": {"spec": {"module": {field: value or None for field, value in changed.items()}}}},
    }
    await connection.patch(MODULE_DEPLOYMENTS, name, body, dry_run=dry_run)
    done = "would get" if dry_run else "gets"
    return Done(f"{name} {done} {', '.join(f'{field} {value}' for field, value in sorted(changed.items()))}")


def complete(asked: dict[str, str], source: ModuleSource) -> dict[str, str]:
    """The fields with the url that goes with a new version. Raises CliError where it can't be told."""
    version = asked.get("version", source.version)
    if version == source.version or "url" in asked:
        return asked
    if source.version not in source.url:
        raise CliError(f"the url {source.url} doesn't name version {source.version}; give url=… too", Exit.USAGE)
    return {**asked, "url": source.url.replace(source.version, version)}
