"""One rollout as a tree, once or live."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import anyio
from rich.console import Group

from moduledeploy.cli.access.connection import run_connected
from moduledeploy.cli.access.console import Feed, console, emit, say
from moduledeploy.cli.access.exits import CliError, Exit
from moduledeploy.cli.pictures.documents import document
from moduledeploy.cli.pictures.rollout import RolloutPicture, rollout_picture
from moduledeploy.cli.pictures.tree import rollout_tree
from moduledeploy.cli.pictures.words import steady
from moduledeploy.cli.reading.cluster import read_stores, view_of
from moduledeploy.cli.reading.family import read_family

if TYPE_CHECKING:
    from collections.abc import Callable

    from moduledeploy.cli.access.connection import Connection
    from moduledeploy.cli.access.flags import Access
    from moduledeploy.controllers.cluster import Cluster

FRAME_S: Final = 0.15  # changes come in bursts; more pictures a second than this only flicker
AGES_S: Final = 1.0


def get(access: Access, *, name: str, everything: bool, watch: bool, output: str) -> int:
    """Show it; 6 where there is none of that name. `everything` lists every replica."""

    async def show(connection: Connection) -> int:
        if watch and output == "tree":
            return await _draw(connection, name, everything=everything)
        if watch:
            return await _feed(connection, name, output)
        cluster = view_of(await read_stores(connection, connection.namespace))
        picture = _picture(cluster, connection.namespace, name)
        if output == "tree":
            say(rollout_tree(picture, width=console().width, everything=everything))
        else:
            emit(document("Rollout", picture), output)
        return Exit.REACHED

    return run_connected(access, show)


def _picture(cluster: Cluster, namespace: str, name: str) -> RolloutPicture:
    return rollout_picture(read_family(cluster, namespace, name), time.time())


async def _draw(connection: Connection, name: str, *, everything: bool) -> int:
    """A live picture on a terminal; elsewhere the picture anew whenever more than ages changed."""
    from rich.live import Live as Drawing  # noqa: PLC0415  # only who watches pays for it

    out, shown = console(), ""
    drawing = Drawing(console=out, auto_refresh=False, vertical_overflow="ellipsis")

    def show(picture: RolloutPicture, trouble: str) -> None:
        nonlocal shown
        lines = rollout_tree(picture, width=out.width, everything=everything, foot_first=out.is_live)
        if out.is_live:
            if not drawing.is_started:  # a name that isn't there is said before anything is drawn
                drawing.start()
            old = [f"(not up to date: {trouble})"] if trouble else []
            drawing.update(Group(*lines, *old), refresh=True)
        elif (text := "\n".join(steady(line.plain) for line in lines)) != shown:
            shown = text
            say([*lines, ""])

    try:
        return await _follow(connection, name, show)
    finally:
        drawing.stop()


async def _feed(connection: Connection, name: str, output: str) -> int:
    feed = Feed(output)
    return await _follow(connection, name, lambda picture, _: feed.emit(document("Rollout", picture)))


async def _follow(connection: Connection, name: str, show: Callable[[RolloutPicture, str], None]) -> int:
    """Show the rollout after each burst of changes and each second, with why that may be old. Raises CliError when it is gone."""
    from moduledeploy.cli.reading.live import watching  # noqa: PLC0415  # only who watches pays for it

    async with watching(connection, connection.namespace) as live:
        picture = _picture(live.cluster, connection.namespace, name)
        while True:
            show(picture, live.trouble)
            await anyio.sleep(FRAME_S)
            await live.wait_changed(AGES_S)
            try:
                picture = _picture(live.cluster, connection.namespace, name)
            except CliError as error:
                raise CliError(f"{name} was deleted", Exit.NOT_FOUND) from error
