"""How long a command takes: wall time of whole processes, the best of several, beside a Python process that does nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.processes import ROOT, kubeconfig, settled
from benchmarks.rows import Target, measured

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.rows import Row, Size

WITHOUT_CLUSTER: Final = Target(sign="<=", limit=0.3, of="ours", words="s")
WITH_CLUSTER: Final = Target(sign="<=", limit=0.6, of="ours", words="s")
SAMPLE: Final = str(ROOT / "manifests" / "samples" / "orders-v1.yaml")
NO_CLUSTER: Final = {
    "--help": ("--help",),
    "get --help": ("get", "--help"),
    "lint": ("lint", "-f", SAMPLE),
    "completion bash": ("completion", "bash"),
}
PODS: Final = 20


def best_s(runs: int, *words: str) -> float:
    """The fastest of several runs of Python with these arguments; CalledProcessError where one fails."""
    times = []
    for _ in range(runs):
        began_at = time.perf_counter()
        subprocess.run([sys.executable, *words], cwd=ROOT, stdout=subprocess.DEVNULL, check=True, timeout=60)
        times.append(time.perf_counter() - began_at)
    return min(times)


def rows(size: Size) -> Iterator[Row]:
    """What needs no cluster, then, in full, what reads one."""
    runs = 7 if size == "full" else 2
    nothing = best_s(runs, "-c", "pass")
    for name, words in NO_CLUSTER.items():
        took = best_s(runs, "-m", "moduledeploy", *words)
        what = f"command, {name}, beside an empty process [s]"
        yield measured(what=what, size="no cluster", ours=took, reference=nothing, target=WITHOUT_CLUSTER)
    if size == "quick":
        return
    with tempfile.TemporaryDirectory() as folder, settled(PODS, 2 * PODS) as world:
        path = Path(folder) / "kubeconfig"
        path.write_text(json.dumps(kubeconfig(world.url)), encoding="utf-8")
        for name in ("list", "capacity"):
            took = best_s(runs, "-m", "moduledeploy", name, "--kubeconfig", str(path))
            what = f"command, {name}, beside an empty process [s]"
            shown = f"{PODS} pods, {2 * PODS} Modules"
            yield measured(what=what, size=shown, ours=took, reference=nothing, target=WITH_CLUSTER)
