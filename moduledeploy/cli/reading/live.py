"""The same as one reading, kept up to date by watches, with a signal for whoever shows it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, cast

import anyio
import attrs

from moduledeploy.cli.access.exits import CliError
from moduledeploy.cli.access.refusals import missing_right, said
from moduledeploy.cli.access.unmeasured import Unmeasured
from moduledeploy.cli.reading.cluster import READ, NoKeys, handlers, stores_with
from moduledeploy.controllers import cluster as views
from moduledeploy.controllers.indexes import INDEXES
from moduledeploy.kube.informer import Informer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from moduledeploy.cli.access.connection import Connection
    from moduledeploy.kube.informer import Change
    from moduledeploy.runtime.metrics import InformerMetrics

LOOK_S: Final = 0.02  # whether everything was read; informers tell that by their state
REFUSED_FOR_S: Final = 10.0  # a token that is just being renewed is refused for a moment


@attrs.define
class Live:
    """A cluster's view that follows the cluster."""

    cluster: views.Cluster
    informers: list[Informer[Any]]
    namespace: str | None
    _changed: anyio.Event = attrs.field(factory=anyio.Event, init=False)
    _refused_at: float | None = attrs.field(default=None, init=False)

    def note(self, change: Change[Any]) -> None:
        """Something changed."""
        del change
        self._changed.set()

    async def wait_synced(self) -> None:
        """Return when everything was read once. Raises CliError where something may be listed and not watched."""
        while not all(informer.has_synced for informer in self.informers):
            if (refused := self._refused) is not None:
                raise missing_right("watch", refused.resource, self.namespace, said(refused.refused))
            await anyio.sleep(LOOK_S)

    async def wait_changed(self, at_most_s: float) -> None:
        """Return at the next change, or after that many seconds: ages grow without one.

        Raises CliError once a right has been missing for a while: nobody would be told of anything any more.
        """
        with anyio.move_on_after(at_most_s):
            await self._changed.wait()
        self._changed = anyio.Event()
        if (refused := self._refused) is None:
            self._refused_at = None
        elif self._refused_at is None:
            self._refused_at = anyio.current_time()
        elif anyio.current_time() - self._refused_at > REFUSED_FOR_S:
            raise CliError(f"{refused.resource} can't be watched any more: {said(refused.refused)}; log in again")

    @property
    def _refused(self) -> Informer[Any] | None:
        return next((informer for informer in self.informers if informer.refused), None)

    @property
    def trouble(self) -> str:
        """Why what is shown may be old; empty while all is well."""
        return next((informer.last_error for informer in self.informers if informer.last_error), "")


@asynccontextmanager
async def watching(
    connection: Connection, namespace: str | None, only: Iterable[str] = tuple(READ), selector: str = ""
) -> AsyncIterator[Live]:
    """Watches on these kinds, complete from the start. Raises CliError where one can't be read."""
    metrics, kinds = cast("InformerMetrics", Unmeasured()), list(only)
    for field in kinds:
        async for _ in connection.lists(READ[field][0], namespace):
            break  # one page tells whether it may be read; a watch would try for ever
    informers: dict[str, Informer[Any]] = {
        field: Informer(
            resource=READ[field][0],
            object_type=READ[field][1],
            transport=connection.transport,
            metrics=metrics,
            namespace=namespace,
            label_selector=selector if field == "deployments" else "",
            indexes=INDEXES.get(field),
        )
        for field in kinds
    }
    stores = stores_with({field: informer.store for field, informer in informers.items()})
    live = Live(views.Cluster(stores, NoKeys()), list(informers.values()), namespace)
    told = handlers(live.cluster)
    for field, informer in informers.items():
        informer.add_handler(told[field])
        informer.add_handler(live.note)
    async with anyio.create_task_group() as group:
        for informer in informers.values():
            group.start_soon(informer.run)
        await live.wait_synced()
        yield live
        group.cancel_scope.cancel()
