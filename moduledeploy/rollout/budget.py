"""The one budget: what may be taken away now, whoever asks (rollout, scale-down, rollback, replacement)."""

from __future__ import annotations

import attrs

from moduledeploy.api.spec import Percent


def resolve_max_unavailable(limit: int | Percent, desired: int, *, takes_away: bool) -> int:
    """How many of the desired replicas may be unavailable.

    A percentage is rounded down. Where replacing takes a replica away first (`takes_away`: uninstall_then_install), a
    percentage above 0 that rounds to 0 counts as 1, for else nothing could ever be replaced.
    """
    if isinstance(limit, int):
        return min(limit, desired)
    resolved = desired * limit.value // 100
    if takes_away and resolved == 0 and limit.value > 0:
        return min(1, desired)
    return resolved


@attrs.define
class Budget:
    """How many available slots may still be taken away in this pass.

    No step lowers available slots below desired - max_unavailable: every step that costs asks `take` first. Slots that are
    unavailable anyway cost nothing and needn't ask.
    """

    desired: int
    max_unavailable: int
    available: int

    @property
    def allowance(self) -> int:
        """Available slots above the floor; negative when more are missing than may be."""
        return self.available - (self.desired - self.max_unavailable)

    def take(self) -> bool:
        """Take one available slot away if the floor holds afterwards; False leaves everything as it was."""
        if self.allowance < 1:
            return False
        self.available -= 1
        return True
