from __future__ import annotations

import subprocess
import sys
import time

import attrs

from moduledeploy.kube.lease import LeaderGate
from moduledeploy.kube.watchdog import Watchdog
from moduledeploy.runtime.clock import SystemClock
from tests.clock import ManualClock

PROCESS = """
import asyncio, sys, time
from moduledeploy.kube.lease import LeaderGate
from moduledeploy.kube.watchdog import Watchdog
from moduledeploy.runtime.clock import SystemClock

async def main():
    clock = SystemClock()
    gate = LeaderGate(clock)
    gate.open_until(clock.monotonic() + 1.5, 0)
    Watchdog(deadline=gate, clock=clock).start()
    print("leading", flush=True)
    time.sleep(12)  # the event loop is blocked
    print("wrote though the lease was over", flush=True)

asyncio.run(main())
"""


@attrs.define
class Exits:
    codes: list[int] = attrs.field(factory=list)

    def __call__(self, code: int) -> None:
        self.codes.append(code)


def test_29_a_blocked_loop_ends_the_process_before_its_lease_ends() -> None:
    """With a lease of 1.5 s, blocked for 12."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "leading\n"
    leading_at = time.monotonic()

    out, err = process.communicate(timeout=12)

    assert time.monotonic() - leading_at < 1.5
    assert process.returncode == 1
    assert out == ""
    assert "lease ran out" in err


def test_a_deadline_that_passes_ends_the_process_once() -> None:
    clock, exits = ManualClock(), Exits()
    gate = LeaderGate(clock)
    gate.open_until(clock.now + 0.5, 0)
    watchdog = Watchdog(deadline=gate, clock=clock, exit_process=exits)

    watchdog.start()
    watchdog.stop()

    assert exits.codes == [1]


def test_without_a_lease_there_is_nothing_to_watch() -> None:
    clock, exits = ManualClock(), Exits()
    watchdog = Watchdog(deadline=LeaderGate(clock), clock=clock, exit_process=exits)
    assert watchdog.remaining_s() is None

    watchdog.start()
    watchdog.stop()

    assert exits.codes == []


def test_a_renewal_puts_the_end_off() -> None:
    clock = ManualClock()
    gate = LeaderGate(clock)
    watchdog = Watchdog(deadline=gate, clock=clock)
    gate.open_until(clock.now + 15, 0)
    clock.advance(10)
    assert watchdog.remaining_s() == 4

    gate.open_until(clock.now + 15, 0)

    assert watchdog.remaining_s() == 14


def test_a_released_lease_is_no_deadline_any_more() -> None:
    clock = SystemClock()
    gate = LeaderGate(clock)
    gate.open_until(clock.monotonic() + 15, 0)
    gate.close()

    assert Watchdog(deadline=gate, clock=clock).remaining_s() is None
