"""Nothing to do: what the controller costs while everything is as it should be, with the audit on.

The embedded API server holds a settled world (`benchmarks.settled`) in a process of its own, `moduledeploy run` with a lease
is another, and the reference a third (`benchmarks.idle_bare`): what can't be saved. After both have settled, CPU time and
resident memory are read from /proc, writes and calls are counted at the server. The audit asks as many bases a second as it
ever does, 10, which an interval of some seconds brings about at once.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from benchmarks.processes import AUDIT, controller, line_from, settled, started, usage
from benchmarks.rows import Target, measured
from moduledeploy.controllers.audit import CALLS_PER_S

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

    from benchmarks.processes import World
    from benchmarks.rows import Row, Size

LEASES: Final = "leases.coordination.k8s.io"
BARE: Final = "bare"
INTERVAL_S: Final = 4.0
STEADY_WITHIN_S: Final = 60


def rows(size: Size) -> Iterator[Row]:
    """Writes, CPU, memory."""
    pods, modules, for_s = (10_000, 20_000, 60.0) if size == "full" else (100, 200, 2.0)
    flags = ("--leader-election", "--lease-namespace", "default", "--audit-interval", f"{INTERVAL_S:g}")
    with (
        settled(pods, modules) as world,
        controller(world.url, *flags) as ours,
        started("-m", "benchmarks.idle_bare", world.url, str(pods)) as bare,
    ):
        world.wait_listed(pods)
        counts = wait_steady(world)
        line_from(bare)
        before, bare_before = ours.usage(), usage(bare.pid)
        time.sleep(for_s)
        after, bare_after = ours.usage(), usage(bare.pid)
        counts = world.counts() - counts
    changes = sum(count for table, count in counts.items() if table not in (LEASES, AUDIT, BARE))
    shown = f"{pods} pods, {modules} Modules, {for_s:g} s, {counts[AUDIT] / for_s:.0f} bases audited a second"
    yield measured(
        what="idle, writes but the lease's [count]",
        size=shown,
        ours=changes,
        target=Target(sign="=", limit=0, of="ours", words="writes"),
    )
    yield measured(
        what="idle, CPU with the audit on, beside bare watches and calls [% of a core]",
        size=shown,
        ours=100 * (after.cpu_s - before.cpu_s) / for_s,
        reference=100 * (bare_after.cpu_s - bare_before.cpu_s) / for_s,
        target=Target(sign="<", limit=2, of="ours", words="%"),
    )
    yield measured(
        what="idle, resident memory, beside bare watches and calls [MB]",
        size=shown,
        ours=after.rss_mb,
        reference=bare_after.rss_mb,
        target=Target(sign="<", limit=300, of="ours", words="MB"),
    )


def wait_steady(world: World) -> Counter[str]:
    """The counts, once bases are asked as often as the audit does for an interval; RuntimeError where that doesn't come."""
    for _ in range(STEADY_WITHIN_S):
        before = world.counts()
        time.sleep(INTERVAL_S + 1)
        if (now := world.counts())[AUDIT] - before[AUDIT] <= (INTERVAL_S + 2) * CALLS_PER_S:
            return now
    raise RuntimeError(f"bases are asked oftener than by the audit for {STEADY_WITHIN_S} s: {world.counts()}")
