"""Random lives of a state machine: how many, how long, and from which seed, as the environment says.

MODULEDEPLOY_MACHINE_SEED repeats what a failure printed, MODULEDEPLOY_MACHINE_SHRINK=1 makes it short.
"""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import get_state_machine_test

if TYPE_CHECKING:
    from hypothesis.stateful import RuleBasedStateMachine


def live(machine: type[RuleBasedStateMachine], *, examples: int, steps: int) -> None:
    """Let it live so many lives of so many steps; hypothesis raises what one of them broke."""
    number = int(os.environ.get("MODULEDEPLOY_MACHINE_SEED") or secrets.randbelow(1 << 32))
    print(f"MODULEDEPLOY_MACHINE_SEED={number}")  # noqa: T201  # pytest shows it when the test fails, and with -s
    # Shrinking a failure takes minutes: it is asked for when there is one to look at.
    is_shrinking = bool(os.environ.get("MODULEDEPLOY_MACHINE_SHRINK"))
    lengths = settings(
        max_examples=examples,
        phases=tuple(Phase) if is_shrinking else (Phase.explicit, Phase.reuse, Phase.generate),
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    seed(number)(get_state_machine_test(machine, settings=lengths))()
