"""The embedded API server at size: 10 000 pods and 20 000 Modules with 10 watchers, and writes over HTTP.

The server is a process of its own (`benchmarks.apiserver_served`), as are those who write and those who watch
(`benchmarks.apiserver_load`): what is told of the server is its alone.  A write is a patch of a Module's status with all that
the server checks, tracks and tells.  Writes a second are told by the clock, which other work on the machine slows, and by
the server's own CPU time, which it doesn't: 1 000 a second of CPU are what one core can sustain.
"""

from __future__ import annotations

import http.client
import json
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from benchmarks.processes import line_from, started, usage
from benchmarks.rows import Target, measured

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from benchmarks.rows import Row, Size

WATCHERS: Final = 10
_LISTS: Final = 5


def rows(size: Size) -> Iterator[Row]:
    """Lists, writes, memory."""
    pods, modules, writes = (10_000, 20_000, 20_000) if size == "full" else (1_000, 2_000, 2_000)
    shown = f"{pods} pods, {modules} Modules, {WATCHERS} watchers"
    with started("-m", "benchmarks.apiserver_served", str(pods), str(modules)) as server:
        url = line_from(server).strip()
        yield measured(
            what="embedded server, LIST of all pods [s]",
            size=shown,
            ours=min(listed_s(url) for _ in range(_LISTS)),
            target=Target(sign="<", limit=2 * pods / 10_000, of="ours", words="s"),
        )
        with started("-m", "benchmarks.apiserver_load", url, str(writes), str(WATCHERS)) as load:
            line_from(load)  # the watches are open
            before = usage(server.pid)
            begin(load)
            took = json.loads(line_from(load))
            after = usage(server.pid)
        if took["events"] != writes * WATCHERS:
            raise RuntimeError(f"watchers saw {took['events']} changes of {writes * WATCHERS}")
        yield measured(
            what="embedded server, status patches with fan-out [writes/s of CPU]",
            size=shown,
            ours=writes / (after.cpu_s - before.cpu_s),
            target=Target(sign=">=", limit=1000, of="ours", words="writes"),
        )
        yield measured(
            what="embedded server, status patches with fan-out [writes/s]", size=shown, ours=writes / took["seconds"]
        )
        yield measured(
            what="embedded server, peak of resident memory [MB]",
            size=shown,
            ours=after.peak_mb,
            target=Target(sign="<", limit=1000, of="ours", words="MB"),
        )


def listed_s(url: str) -> float:
    """Seconds until the whole list of pods was read."""
    server = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    begun_at = time.perf_counter()
    server.request("GET", "/api/v1/pods")
    server.getresponse().read()
    return time.perf_counter() - begun_at


def begin(load: subprocess.Popen[str]) -> None:
    """Let the writes begin."""
    assert load.stdin is not None
    load.stdin.write("\n")
    load.stdin.flush()
