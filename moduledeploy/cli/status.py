"""Where a rollout stands, one line per change, and how it ended by the exit status."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import anyio
import attrs

from moduledeploy.cli.access.connection import run_connected
from moduledeploy.cli.access.console import emit, say
from moduledeploy.cli.access.exits import CliError, Exit
from moduledeploy.cli.access.flags import Goal
from moduledeploy.cli.access.refusals import no_deployment
from moduledeploy.cli.pictures.documents import document
from moduledeploy.cli.pictures.rows import DeploymentRow, deployment_row, status_line
from moduledeploy.cli.pictures.standing import Standing
from moduledeploy.cli.pictures.words import steady
from moduledeploy.cli.reading.cluster import names_in, read_stores
from moduledeploy.cli.reading.kinds import ReadDeployment, read_status
from moduledeploy.cli.reading.revisions import find_revision, template_of
from moduledeploy.kube.resources import ObjectKey

if TYPE_CHECKING:
    from moduledeploy.api.spec import Template
    from moduledeploy.cli.access.connection import Connection
    from moduledeploy.cli.access.flags import Access
    from moduledeploy.controllers.cluster import Stores

READ: Final = ("deployments", "replica_sets")
AGES_S: Final = 1.0


@attrs.frozen(kw_only=True)
class Wish:
    """What whoever asks waits for, and which revision alone is meant."""

    until: Goal
    revision: str | None
    output: str


def show_status(access: Access, wish: Wish, *, name: str, watch: bool, timeout: float | None) -> int:
    """Print the lines; the exit status says how it ended. Looks once unless it watches; `timeout` 0 is no end."""

    async def show(connection: Connection) -> int:
        is_followed = watch or timeout is not None
        look = _Look(name, wish, connection.namespace, is_followed)
        if is_followed:
            return await _follow(connection, look, timeout)
        stores = await read_stores(connection, connection.namespace, READ)
        row = look.at(stores)
        look.show(row)
        verdict = look.verdict(stores, row)
        return Exit.TIMEOUT if verdict is None else verdict

    return run_connected(access, show)


async def _follow(connection: Connection, look: _Look, timeout: float | None) -> int:  # noqa: ASYNC109  # a person's wish
    from moduledeploy.cli.reading.live import watching  # noqa: PLC0415  # only who watches pays for it

    with anyio.move_on_after(timeout or None):
        async with watching(connection, connection.namespace, READ) as live:
            while True:
                row = look.at(live.cluster.stores)
                look.show(row)
                verdict = look.verdict(live.cluster.stores, row)
                if verdict is not None:
                    return verdict
                await live.wait_changed(AGES_S)
    raise CliError(f"{look.name}: not {_words(look.wish.until)} within {timeout:g} s", Exit.TIMEOUT)


def _words(wanted: Goal) -> str:
    return f"through batch {wanted.batch}" if wanted.word == "batch" else wanted.word


@attrs.define
class _Look:
    """What was said already, and the name or revision that it is about."""

    name: str
    wish: Wish
    namespace: str
    is_followed: bool
    was_there: bool = False
    template: Template | None = None
    said: str = ""

    def _object(self, stores: Stores) -> ReadDeployment:
        name = self.name
        found = stores.deployments.get(ObjectKey(self.namespace, name))
        if not isinstance(found, ReadDeployment):
            if self.was_there:
                raise CliError(f"{name} was deleted", Exit.NOT_FOUND)
            raise no_deployment(name, self.namespace, names_in(stores, self.namespace))
        self.was_there = True
        return found

    def at(self, stores: Stores) -> DeploymentRow:
        """Where it stands now. Raises CliError with 6 where it isn't there."""
        return deployment_row(self._object(stores), time.time())

    def show(self, row: DeploymentRow) -> None:
        """Print it unless that was the last line."""
        line = status_line(row)
        if steady(line) != self.said:
            self.said = steady(line)
            if self.wish.output == "text":
                say([line])
            else:
                emit(document("RolloutSummary", row), self.wish.output, is_one_of_many=self.is_followed)

    def verdict(self, stores: Stores, row: DeploymentRow) -> Exit | None:
        """How it ends, None while it goes on."""
        deployment = self._object(stores)
        status = read_status(deployment)
        if self._is_superseded(stores, deployment):
            raise CliError(f"{row.name}: another revision is rolled out now", Exit.SUPERSEDED)
        if row.standing is Standing.FAILED:
            return Exit.FAILED
        if row.standing is Standing.HEALTHY:
            return Exit.REACHED if self.wish.until.word != "paused" else Exit.FAILED
        wanted, release = self.wish.until, status.release
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
        if self.wish.revision:
            wanted, _ = find_revision(stores, deployment, self.wish.revision)
            return wanted.template != template
        self.template = self.template or template
        return self.template != template
