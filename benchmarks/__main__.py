"""Measures: `python -m benchmarks [NAME...] [--quick] [--json]`; without a name all.

Every benchmark runs in a process of its own, one after the other but for those that need one core alone. What is measured so
far is on stderr; the table, or the JSON, is all that goes to stdout. A run of all in full also writes results.json, the
pictures and the table of README.md; one of all that is quick writes results-quick.json. Exit status 1: a benchmark broke or
took too long; a missed target is no failure, the table says it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from rich.console import Console

from benchmarks import pictures, report
from benchmarks.rows import Row, Size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT: Final = Path(__file__).parent.parent
# In the order of the table.
BENCHMARKS: Final = (
    "placement",
    "reconcile",
    "informer",
    "events",
    "start",
    "cli",
    "idle",
    "rollout",
    "rollout_large",
    "apiserver",
)
# Each is one process that reads its own CPU time: they run side by side.
ONE_CORE: Final = ("placement", "reconcile")
ONLY_IN_FULL: Final = frozenset({"rollout_large"})
LIMITS_S: Final[dict[Size, float]] = {"full": 300.0, "quick": 120.0}  # for one benchmark; beyond it something hangs


class BrokenBenchmark(Exception):
    """Raised when a benchmark ends otherwise than with all its rows."""


@contextlib.contextmanager
def running(name: str, size: Size) -> Iterator[Iterator[Row]]:
    """A benchmark, at work from now on, and its rows as they come; whatever it started ends with it."""
    command = [sys.executable, "-m", "benchmarks.offer", name, size]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, start_new_session=True)
    limit = threading.Timer(LIMITS_S[size], _kill, (process,))
    limit.start()
    try:
        yield _rows(name, process, limit)
    finally:
        limit.cancel()
        _kill(process)
        process.wait()


def _rows(name: str, process: subprocess.Popen[bytes], limit: threading.Timer) -> Iterator[Row]:
    """Raises BrokenBenchmark."""
    assert process.stdout is not None
    for line in process.stdout:
        yield msgspec.json.decode(line, type=Row)
    if status := process.wait():
        why = f"exit status {status}" if limit.is_alive() else f"no end in {limit.interval:g} s"
        raise BrokenBenchmark(f"{name}: {why}; try: python -m benchmarks {name}")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the session that the benchmark leads: servers and controllers that it left behind too."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def collect(names: Sequence[str], size: Size) -> tuple[list[Row], list[str]]:
    """All rows, and what broke."""
    rows: list[Row] = []
    broken: list[str] = []
    for turn in _turns(names):
        begun_at = time.monotonic()
        with contextlib.ExitStack() as stack:
            for name, found in [(name, stack.enter_context(running(name, size))) for name in turn]:
                try:
                    for row in found:
                        rows.append(row)
                        print(f"  {row.what}, {row.size}: {row.ours:.4g}", file=sys.stderr)
                except BrokenBenchmark as error:
                    broken.append(str(error))
                print(f"{name}: {time.monotonic() - begun_at:.0f} s", file=sys.stderr)
    return rows, broken


def _turns(names: Sequence[str]) -> list[list[str]]:
    """Who runs at a time."""
    if len(os.sched_getaffinity(0)) < len(ONE_CORE):
        return [[name] for name in names]
    together = [name for name in names if name in ONE_CORE]
    return [together, *([name] for name in names if name not in ONE_CORE)]


def main() -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHMARKS)}")
    parser.add_argument("--quick", action="store_true", help="small sizes, under a minute")
    parser.add_argument("--json", action="store_true", help="print a list of rows")
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; there are: {', '.join(BENCHMARKS)}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: what was started ends too
    size: Size = "quick" if options.quick else "full"
    every = [name for name in BENCHMARKS if size == "full" or name not in ONLY_IN_FULL]
    rows, broken = collect(options.names or every, size)
    if options.json:
        print(report.as_json(rows))
    else:
        Console(width=None if sys.stdout.isatty() else 170).print(report.table(rows))
    if not options.names:
        report.RESULTS[size].write_text(report.as_json(rows) + "\n", encoding="utf-8")
        if size == "full":
            pictures.draw(rows, report.HERE)
            report.write_readme(rows)
    for why in broken:
        print(f"broken: {why}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
