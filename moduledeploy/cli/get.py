"""Show one rollout as a tree: revisions, batches, the module on each base, what is awaited and what moves it on.

Example:

  moduledeploy get orders -w
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
from rich.console import Group

from moduledeploy.cli.access import flags
from moduledeploy.cli.access.connection import connect, run
from moduledeploy.cli.access.console import console, emit, say
from moduledeploy.cli.access.exits import CliError, Exit
from moduledeploy.cli.pictures.documents import document
from moduledeploy.cli.pictures.rollout import RolloutPicture, rollout_picture
from moduledeploy.cli.pictures.tree import rollout_tree
from moduledeploy.cli.reading.cluster import read_stores, view_of
from moduledeploy.cli.reading.family import read_family

if TYPE_CHECKING:
    import argparse

    from moduledeploy.cli.access.connection import Connection
    from moduledeploy.controllers.cluster import Cluster

FRAME_S: Final = 0.15  # changes come in bursts; more pictures a second than this only flicker
AGES_S: Final = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `get`."""
    parser.add_argument("name", metavar="NAME", help="the ModuleDeployment")
    parser.add_argument("--all", action="store_true", help="every replica, however many there are")
    flags.add_watch_flag(parser)
    flags.add_output_flag(parser, "tree")
    flags.add_cluster_flags(parser)


def main(options: argparse.Namespace) -> int:
    """Show it; 6 where there is none of that name."""
    return run(_get, options)


async def _get(options: argparse.Namespace) -> int:
    async with connect(options) as connection:
        if options.watch and options.output == "tree":
            return await _follow(connection, options)
        cluster = view_of(await read_stores(connection, connection.namespace))
        picture = _picture(cluster, connection.namespace, options.name)
        if options.output == "tree":
            say(rollout_tree(picture, width=console().width, everything=options.all))
        else:
            emit(document("Rollout", picture), options.output)
        return Exit.REACHED


def _picture(cluster: Cluster, namespace: str, name: str) -> RolloutPicture:
    return rollout_picture(read_family(cluster, namespace, name), time.time())


async def _follow(connection: Connection, options: argparse.Namespace) -> int:
    """A live picture on a terminal; elsewhere the picture anew whenever more than ages changed."""
    from rich.live import Live as Screen  # noqa: PLC0415  # only who watches pays for it

    from moduledeploy.cli.reading.live import watching  # noqa: PLC0415  # as above

    out, shown = console(), ""
    async with watching(connection, connection.namespace) as live:
        look = partial(_picture, live.cluster, connection.namespace, options.name)
        look()  # a name that isn't there is said before anything is drawn
        with Screen(console=out, auto_refresh=False, vertical_overflow="crop") as screen:
            while True:
                try:
                    lines = rollout_tree(look(), width=out.width, everything=options.all, foot_first=out.is_terminal)
                except CliError as error:
                    raise CliError(f"{options.name} is gone", Exit.NOT_FOUND) from error
                if out.is_terminal:
                    trouble = [f"(not up to date: {live.trouble})"] if live.trouble else []
                    screen.update(Group(*lines, *trouble), refresh=True)
                elif (text := "\n".join(_steady(line.plain) for line in lines)) != shown:
                    shown = text
                    say([*lines, ""])
                await anyio.sleep(FRAME_S)
                await live.wait_changed(AGES_S)


def _steady(line: str) -> str:
    """The line without ages, so that time alone is no change."""
    return " ".join(word for word in line.split() if not (word[:1].isdigit() and word[-1:] in "smhd"))
