"""Say where a rollout stands, one line per change, and tell pipelines by the exit status.

0 reached, 1 failed, 2 not understood, 3 stopped at a gate, 4 not reached in time, 5 another revision came, 6 not found.
Without -w and --timeout it looks once; what is still under way then is 4. Example:

  moduledeploy status orders -w --timeout 10m || echo "look at it: $?"
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Final

import anyio
import attrs

from moduledeploy.cli.access import flags
from moduledeploy.cli.access.connection import connect, run
from moduledeploy.cli.access.console import emit, say
from moduledeploy.cli.access.exits import CliError, Exit
from moduledeploy.cli.pictures.documents import document
from moduledeploy.cli.pictures.rows import DeploymentRow, deployment_row
from moduledeploy.cli.pictures.standing import Standing
from moduledeploy.cli.reading.cluster import read_stores
from moduledeploy.cli.reading.kinds import ReadDeployment, read_status
from moduledeploy.cli.reading.revisions import find_revision, template_of
from moduledeploy.kube.resources import ObjectKey

if TYPE_CHECKING:
    from moduledeploy.api.spec import Template
    from moduledeploy.cli.access.connection import Connection
    from moduledeploy.controllers.cluster import Stores

READ: Final = ("deployments", "replica_sets")
AGES_S: Final = 1.0


@attrs.frozen
class Goal:
    """What is waited for: healthy, paused (a gate), or the end of a batch."""

    word: str
    batch: int = 0


def goal(text: str) -> Goal:
    """healthy, paused or batch=N. Raises ValueError."""
    word, _, number = text.partition("=")
    if word in ("healthy", "paused") and not number:
        return Goal(word)
    if word == "batch" and number.isdigit() and int(number) > 0:
        return Goal(word, int(number))
    raise ValueError(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `status`."""
    parser.add_argument("name", metavar="NAME", help="the ModuleDeployment")
    flags.add_watch_flag(parser)
    parser.add_argument(
        "--timeout", type=flags.duration, metavar="D", help="watch for at most this long (90s, 10m, 1h)"
    )
    parser.add_argument(
        "--until",
        type=goal,
        default=Goal("healthy"),
        metavar="WHAT",
        help="healthy (default), paused, or batch=N: done",
    )
    parser.add_argument(
        "--revision", metavar="R", help="only this revision (number or name): another one is exit status 5"
    )
    flags.add_output_flag(parser)
    flags.add_cluster_flags(parser)


def main(options: argparse.Namespace) -> int:
    """Print the lines; the exit status says how it ended."""
    return run(_status, options)


async def _status(options: argparse.Namespace) -> int:
    async with connect(options) as connection:
        if options.watch or options.timeout:
            return await _follow(connection, options)
        stores = await read_stores(connection, connection.namespace, READ)
        look = _Look(options, connection.namespace)
        row = look.at(stores)
        look.show(row)
        verdict = look.verdict(stores, row)
        return Exit.TIMEOUT if verdict is None else verdict


async def _follow(connection: Connection, options: argparse.Namespace) -> int:
    from moduledeploy.cli.reading.live import watching  # noqa: PLC0415  # only who watches pays for it

    look = _Look(options, connection.namespace)
    with anyio.move_on_after(options.timeout):
        async with watching(connection, connection.namespace, READ) as live:
            while True:
                row = look.at(live.cluster.stores)
                look.show(row)
                verdict = look.verdict(live.cluster.stores, row)
                if verdict is not None:
                    return verdict
                await live.wait_changed(AGES_S)
    raise CliError(f"{options.name}: not {_words(options.until)} within {options.timeout:g} s", Exit.TIMEOUT)


def _words(wanted: Goal) -> str:
    return f"through batch {wanted.batch}" if wanted.word == "batch" else wanted.word


@attrs.define
class _Look:
    """What was said already, and the name or revision that it is about."""

    options: argparse.Namespace
    namespace: str
    was_there: bool = False
    template: Template | None = None
    said: str = ""

    def _object(self, stores: Stores) -> ReadDeployment:
        name = self.options.name
        found = stores.deployments.get(ObjectKey(self.namespace, name))
        if not isinstance(found, ReadDeployment):
            what = (
                f"{name} was deleted" if self.was_there else f"no ModuleDeployment {name} in namespace {self.namespace}"
            )
            raise CliError(what, Exit.NOT_FOUND)
        self.was_there = True
        return found

    def at(self, stores: Stores) -> DeploymentRow:
        """Where it stands now. Raises CliError with 6 where it isn't there."""
        return deployment_row(self._object(stores), time.time())

    def show(self, row: DeploymentRow) -> None:
        """Print it unless that was the last line."""
        batch = f", batch {row.batch}/{row.batch_count}" if row.batch_count else ""
        line = f"{row.phase}{batch} - {row.message}"
        if line != self.said:
            self.said = line
            if self.options.output == "text":
                say([line])
            else:
                emit(document("RolloutSummary", row), self.options.output)

    def verdict(self, stores: Stores, row: DeploymentRow) -> Exit | None:
        """How it ends, None while it goes on."""
        deployment = self._object(stores)
        status = read_status(deployment)
        if self._is_superseded(stores, deployment):
            raise CliError(f"{row.name}: another revision is rolled out now", Exit.SUPERSEDED)
        if row.standing is Standing.FAILED:
            return Exit.FAILED
        if row.standing is Standing.HEALTHY:
            return Exit.REACHED if self.options.until.word != "paused" else Exit.FAILED
        wanted, release = self.options.until, status.release
        seen = release is not None and status.observed_generation >= deployment.metadata.generation
        if wanted.word == "batch" and release is not None and seen:
            done = release.current_batch > wanted.batch or (
                release.current_batch == wanted.batch and release.batch_done
            )
            if done:
                return Exit.REACHED
        if row.standing is Standing.GATE:
            return Exit.REACHED if wanted.word == "paused" else Exit.GATE
        return None

    def _is_superseded(self, stores: Stores, deployment: ReadDeployment) -> bool:
        """The template isn't that of the revision asked for, or has changed since the first look."""
        template = template_of(deployment)
        if self.options.revision:
            wanted, _ = find_revision(stores, deployment, self.options.revision)
            return wanted.template != template
        self.template = self.template or template
        return self.template != template
