"""Confirm a batch; the note of who did it goes into the same write."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

from moduledeploy.api import names
from moduledeploy.api.status import Progress
from moduledeploy.cli.access.exits import CliError, Exit
from moduledeploy.cli.change import Asked, Done, run_change
from moduledeploy.cli.pictures.standing import Note, noted_confirmations
from moduledeploy.cli.reading.cluster import read_stores
from moduledeploy.cli.reading.kinds import CONFIRMATIONS_ANNOTATION
from moduledeploy.cli.reading.one import One, read_one
from moduledeploy.cli.reading.revisions import find_revision, revisions_of
from moduledeploy.controllers.resources import MODULE_DEPLOYMENTS
from moduledeploy.rollout.gate import token

if TYPE_CHECKING:
    from moduledeploy.api.status import Release
    from moduledeploy.cli.access.connection import Connection
    from moduledeploy.cli.access.flags import Access


def confirm(access: Access, *, name: str, batch: int, revision: str | None, output: str) -> int:
    """Confirm; 0 also where it was confirmed already, 1 where it can't be, 5 where another revision is rolled out."""
    asked = Asked(access=access, action="confirm", name=name, output=output)
    return run_change(asked, lambda connection: _try(connection, name, batch, revision))


async def _try(connection: Connection, name: str, batch: int, revision: str | None) -> Done:
    one = await read_one(connection, name)
    stores = await read_stores(connection, connection.namespace, ("replica_sets",))
    release = _rollout(one, name)
    if revision:
        wanted, _ = find_revision(stores, one.deployment, revision)
        if wanted.name != release.revision:
            raise CliError(
                f"{name} rolls out {release.revision} now, not {wanted.name}; nothing was confirmed", Exit.SUPERSEDED
            )
    if is_confirmed(one, release, batch):
        return Done(f"batch {batch} of {name} is already confirmed", changed=False)
    if reason := why_not(one, release, batch):
        raise CliError(f"batch {batch} of {name} can't be confirmed: {reason}")
    kept = {made.name for made, _ in revisions_of(stores, one.deployment)} | {release.revision}
    await connection.patch(MODULE_DEPLOYMENTS, name, await _body(connection, one, release, kept))
    return Done(f"batch {batch} of {len(release.batches)} of {name} confirmed")


def _rollout(one: One, name: str) -> Release:
    if one.release is None or not one.is_observed:
        raise CliError(f"the controller hasn't looked at the newest {name} yet; try again in a moment")
    return one.release


def is_confirmed(one: One, release: Release, batch: int) -> bool:
    """Somebody confirmed it before, or the rollout has gone past it."""
    if 0 < batch <= release.confirmed_batch or 0 < batch < release.current_batch:
        return True
    waits_for = one.deployment.metadata.annotation(names.WAITING_ANNOTATION) == token(release.revision, batch)
    if waits_for and not one.spec.pause:
        return True
    return release.progress is Progress.COMPLETED and 0 < batch <= len(release.batches)


def why_not(one: One, release: Release, batch: int) -> str:
    """Why nobody waits for the confirmation of that batch; empty where somebody does."""
    current, count = release.current_batch, len(release.batches)
    if not 0 < batch <= count:
        return f"there are batches 1 to {count}"
    if batch > current:
        return f"the rollout is in batch {current} of {count}; confirm it when it is done"
    if release.failure is not None:
        return f"the rollout has failed ({release.failure.message}); retry or undo it"
    if not one.spec.strategy.need_confirm:
        return "needConfirm isn't set, so nothing waits for a person"
    if release.is_last_batch:
        return "it is the last one, after which nothing waits"
    if one.deployment.metadata.annotation(names.WAITING_ANNOTATION) != token(release.revision, batch):
        if one.spec.pause:
            return f"it is paused by a person; moduledeploy resume {one.deployment.metadata.name} first"
        return f"it isn't done yet ({one.status.message})"
    return ""


async def _body(connection: Connection, one: One, release: Release, kept: set[str]) -> dict[str, Any]:
    """The pause away, void if anything changed since it was read; and a note of who did it."""
    noted = {revision: batches for revision, batches in noted_confirmations(one.deployment).items() if revision in kept}
    note = Note(by=await connection.who(), at=round(time.time(), 3))
    noted.setdefault(release.revision, {})[str(release.current_batch)] = note
    annotation = msgspec.json.encode(noted, order="sorted").decode()
    return {
        "metadata": {"resourceVersion": one.version, "annotations": {CONFIRMATIONS_ANNOTATION: annotation}},
        "spec": {"pause": False},
    }
