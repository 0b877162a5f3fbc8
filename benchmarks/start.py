"""From the start of the process to /readyz 200, with 10 000 pods at the embedded API server, beside importing alone.

What importing takes is told by whole processes that import and end, what of it is the client library by `-X importtime`, and
what it would be with the whole of that library by processes that import it first.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final

from benchmarks.processes import ROOT, Taken, controller, settled
from benchmarks.rows import measured

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.rows import Row, Size

LIBRARY: Final = "kubernetes_asyncio"
# As `moduledeploy run` imports what it runs.
_PROGRAM: Final = (
    "from moduledeploy.cli.access.lean import import_config_only; import_config_only(); import moduledeploy.cli.run"
)
_USAGE: Final = """
import resource
used = resource.getrusage(resource.RUSAGE_SELF)
status = open("/proc/self/status").read()
print(used.ru_utime + used.ru_stime, int(status.partition("VmHWM:")[2].split()[0]) / 1024)
"""


def import_once(code: str = _PROGRAM) -> Taken:
    """A process that imports the program and ends."""
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code + _USAGE], cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=60, text=True
    )
    wall = time.perf_counter() - begun
    cpu_s, peak_mb = map(float, done.stdout.split())
    return Taken(wall_s=wall, cpu_s=cpu_s, peak_mb=peak_mb)


def start_once(url: str) -> Taken:
    """The controller until ready."""
    with controller(url) as ours:
        return Taken(wall_s=ours.ready_s, cpu_s=ours.at_ready.cpu_s, peak_mb=ours.at_ready.peak_mb)


def import_seconds() -> tuple[float, float]:
    """Seconds of importing the client library, and all."""
    command = [sys.executable, "-X", "importtime", "-c", _PROGRAM]
    done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, check=True, timeout=60, text=True)
    library = total = 0.0
    for line in done.stderr.splitlines():
        own, _, name = line.removeprefix("import time:").split("|")
        if own.strip().isdigit():
            total += int(own) / 1e6
            library += int(own) / 1e6 * (name.strip().partition(".")[0] == LIBRARY)
    return library, total


def rows(size: Size) -> Iterator[Row]:
    """Time, CPU, memory; the share of the client library."""
    pods, rounds = (10_000, 3) if size == "full" else (300, 1)
    with settled(pods, 0) as world:
        start_once(world.url)  # the server encodes each pod once, when it is first asked for
        pairs = [(start_once(world.url), import_once()) for _ in range(rounds)]
    for what, field in (("time to ready", "wall_s"), ("CPU until ready", "cpu_s"), ("peak memory", "peak_mb")):
        ours, imports = (
            statistics.median(getattr(taken, field) for taken in column) for column in zip(*pairs, strict=True)
        )
        unit = "MB" if field == "peak_mb" else "s"
        yield measured(
            what=f"start, {what}, beside importing alone [{unit}]", size=f"{pods} pods", ours=ours, reference=imports
        )
    lean, whole = (
        statistics.median(import_once(code).cpu_s for _ in range(rounds))
        for code in (_PROGRAM, f"import {LIBRARY}; {_PROGRAM}")
    )
    yield measured(
        what="start, CPU of importing, beside with all of the client library [s]",
        size=LIBRARY,
        ours=lean,
        reference=whole,
    )
    library, everything = (
        statistics.median(column) for column in zip(*(import_seconds() for _ in range(rounds)), strict=True)
    )
    yield measured(
        what="start, importing what is used of the client library, beside all imports [s]",
        size=LIBRARY,
        ours=library,
        reference=everything,
    )
