"""Pause and confirmation, told apart by what stands in the object and never by an edge.

| annotation waiting | spec.pause | what it is |
|---|---|---|
| this revision and batch | true | the controller's own pause: a person is awaited |
| this revision and batch | false or absent | that batch is confirmed |
| none | true | the user's own pause |
| none | false or absent | free; where a confirmation is due, the controller sets both again |
| another revision or batch | any | left over: taken back, or where a confirmation is due set anew |
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from moduledeploy.api.status import Release
    from moduledeploy.rollout.view import Parent


class GateWrite(Enum):
    """What is to be written to the object; always in one patch with a resourceVersion precondition."""

    SET = "set"  # pause and annotation
    TAKE_BACK = "take back"  # pause and annotation away
    FORGET = "forget"  # the annotation away; the pause is gone already


@attrs.frozen(kw_only=True)
class Gate:
    """Where the gate after the current batch stands.

    confirms: the batch is confirmed now, which status has to say before anything else is written.
    """

    is_user_paused: bool = False
    is_waiting: bool = False
    confirms: bool = False
    write: GateWrite | None = None


def token(revision: str, batch: int) -> str:
    """Value of the annotation while the controller waits for the confirmation of a batch."""
    return f"{revision}/{batch}"


def read_gate(parent: Parent, release: Release, *, is_done: bool) -> Gate:
    """The gate of the current batch; `is_done`: the batch is done (or was when the pause was set)."""
    paused = bool(parent.spec.pause)
    due = (
        parent.spec.strategy.need_confirm
        and not release.is_last_batch
        and release.confirmed_batch < release.current_batch
    )
    by_number = due and _confirms(parent.spec.confirm_batch_num, release)
    if parent.waiting is None:
        return _unmarked(paused=paused, due=due and is_done, by_number=by_number)
    removal = GateWrite.TAKE_BACK if paused else GateWrite.FORGET
    if by_number or not due:
        return Gate(confirms=by_number, write=removal)
    if parent.waiting != token(release.revision, release.current_batch):
        return Gate(is_waiting=True, write=GateWrite.SET) if is_done else Gate(write=removal)
    return Gate(is_waiting=True) if paused else Gate(confirms=True, write=removal)


def give_up(parent: Parent) -> Gate:
    """Nobody is awaited any more: the controller's own pause goes, the user's stays."""
    if parent.waiting is None:
        return Gate(is_user_paused=bool(parent.spec.pause))
    return Gate(write=GateWrite.TAKE_BACK if parent.spec.pause else GateWrite.FORGET)


def _unmarked(*, paused: bool, due: bool, by_number: bool) -> Gate:
    if due and by_number:
        return Gate(confirms=True, is_user_paused=paused)
    return Gate(is_user_paused=paused, is_waiting=due, write=GateWrite.SET if due and not paused else None)


def _confirms(number: int | None, release: Release) -> bool:
    """confirmBatchNum reaches this batch and was changed after the revision began."""
    return number is not None and number != release.confirm_num_seen and number >= release.current_batch
