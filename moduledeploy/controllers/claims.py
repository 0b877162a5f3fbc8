"""Who may act for a module name on a base Deployment: of several families the oldest."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import attrs

from moduledeploy.controllers.facts import FamilyKey, PoolKey


class Claim(NamedTuple):
    """One family's claim; the smallest wins: the older object, and of two of one second the one with the smaller UID."""

    created_at: float
    uid: str
    family: FamilyKey


@attrs.define
class Claims:
    """All families by (base Deployment, module name)."""

    _by_module: defaultdict[tuple[PoolKey, str], dict[FamilyKey, Claim]] = attrs.field(
        factory=lambda: defaultdict(dict)
    )
    _of_family: dict[FamilyKey, tuple[PoolKey, str]] = attrs.field(factory=dict)

    def claim(self, claim: Claim, pool: PoolKey, module_name: str) -> set[FamilyKey]:
        """Note a family's claim in the place of its former one; returns the other families for whom that may change something."""
        place = (pool, module_name)
        if self._of_family.get(claim.family) == place and self._by_module[place].get(claim.family) == claim:
            return set()
        touched = self.drop(claim.family)
        self._of_family[claim.family] = place
        self._by_module[place][claim.family] = claim
        return (touched | set(self._by_module[place])) - {claim.family}

    def drop(self, family: FamilyKey) -> set[FamilyKey]:
        """Forget a family; returns those that claimed the same module."""
        place = self._of_family.pop(family, None)
        if place is None:
            return set()
        rivals = self._by_module[place]
        del rivals[family]
        if not rivals:
            del self._by_module[place]
        return set(rivals)

    def winner(self, family: FamilyKey) -> FamilyKey | None:
        """The family that acts for the module that this one claims; None for one without a claim."""
        place = self._of_family.get(family)
        return min(self._by_module[place].values()).family if place else None
