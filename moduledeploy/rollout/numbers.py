"""Revision numbers: each revision's own, the newest with the highest; one that somebody took away is given anew."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moduledeploy.rollout.view import Revision


def number_all(revisions: Mapping[str, Revision], target: Revision) -> dict[str, int]:
    """The number of every revision by name.

    One without a number gets the lowest that is free, in the order in which they were created, the target last. The target's is
    above all others: one that comes back gets a new one, by which its Modules are told apart.
    """
    taken = {revision.number for revision in revisions.values()}
    free = (number for number in itertools.count(1) if number not in taken)
    in_order = sorted(
        revisions.values(), key=lambda revision: (revision.name == target.name, revision.created_at, revision.name)
    )
    numbers = {revision.name: revision.number or next(free) for revision in in_order}
    highest = max((number for name, number in numbers.items() if name != target.name), default=0)
    numbers[target.name] = max(numbers[target.name], highest + 1)
    return numbers
