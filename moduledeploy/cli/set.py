"""Change what is deployed: a new revision. Where only the version is given, the old version in the url is replaced by it.

Example:

  moduledeploy set orders version=2.0.0 url=https://repo.example.com/orders-2.0.0-ark-biz.jar
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from moduledeploy.cli.access import flags
from moduledeploy.cli.access.connection import changing, connect, run
from moduledeploy.cli.access.console import say
from moduledeploy.cli.access.exits import CliError, Exit
from moduledeploy.cli.reading.one import read_one
from moduledeploy.controllers.resources import MODULE_DEPLOYMENTS

if TYPE_CHECKING:
    import argparse

    from moduledeploy.api.kinds import ModuleSource
    from moduledeploy.cli.access.connection import Connection

FIELDS: Final = ("version", "url", "md5", "type")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `set`."""
    parser.add_argument("name", metavar="NAME", help="the ModuleDeployment")
    parser.add_argument("fields", nargs="+", type=assignment, metavar="FIELD=VALUE", help=f"one of {', '.join(FIELDS)}")
    parser.add_argument("--dry-run", action="store_true", help="let the server check it, and change nothing")
    flags.add_cluster_flags(parser)


def assignment(text: str) -> tuple[str, str]:
    """field=value. Raises ValueError."""
    field, equals, value = text.partition("=")
    if not equals or field not in FIELDS:
        raise ValueError(text)
    return field, value


def main(options: argparse.Namespace) -> int:
    """Write the fields of the template's module."""
    return run(_set, options)


async def _set(options: argparse.Namespace) -> int:
    async with connect(options) as connection:
        return await changing(lambda: _try(connection, options))


async def _try(connection: Connection, options: argparse.Namespace) -> int:
    one = await read_one(connection, options.name)
    source = one.spec.template.module
    asked = complete(dict(options.fields), source)
    changed = {field: value for field, value in asked.items() if getattr(source, field) != value}
    if not changed:
        say([f"{options.name} has that already"])
        return Exit.REACHED
    body = {
        "metadata": {"resourceVersion": one.version},
        "spec": {"template": {"spec": {"module": {field: value or None for field, value in changed.items()}}}},
    }
    await connection.patch(MODULE_DEPLOYMENTS, options.name, body, dry_run=options.dry_run)
    done = "would get" if options.dry_run else "gets"
    say([f"{options.name} {done} {', '.join(f'{field} {value}' for field, value in sorted(changed.items()))}"])
    return Exit.REACHED


def complete(asked: dict[str, str], source: ModuleSource) -> dict[str, str]:
    """The fields with the url that goes with a new version. Raises CliError where it can't be told."""
    version = asked.get("version", source.version)
    if version == source.version or "url" in asked:
        return asked
    if source.version not in source.url:
        raise CliError(f"the url {source.url} doesn't name version {source.version}; give url=… too", Exit.USAGE)
    return {**asked, "url": source.url.replace(source.version, version)}
