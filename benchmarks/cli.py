"""How long a command takes to start: wall time of whole processes, the best of several, against its budget.

  python -m benchmarks cli [--kubeconfig FILE] [--json]

Without a kubeconfig only what needs no cluster is measured.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
RUNS = 7
WITHOUT_CLUSTER_S = 0.3
WITH_CLUSTER_S = 0.6
SAMPLE = str(ROOT / "manifests" / "samples" / "orders-v1.yaml")


def best_s(*words: str) -> float:
    """The fastest run of a command."""
    times = []
    for _ in range(RUNS):
        began_at = time.perf_counter()
        subprocess.run([sys.executable, "-m", "moduledeploy", *words], cwd=ROOT, capture_output=True, check=False)
        times.append(time.perf_counter() - began_at)
    return min(times)


def main() -> int:
    """Print a line for each; 1 where a budget is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kubeconfig", metavar="FILE")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    cases = {
        "--help": (("--help",), WITHOUT_CLUSTER_S),
        "get --help": (("get", "--help"), WITHOUT_CLUSTER_S),
        "lint": (("lint", "-f", SAMPLE), WITHOUT_CLUSTER_S),
        "completion bash": (("completion", "bash"), WITHOUT_CLUSTER_S),
    }
    if options.kubeconfig:
        flags = ("--kubeconfig", options.kubeconfig)
        cases["list"] = (("list", *flags), WITH_CLUSTER_S)
        cases["capacity"] = (("capacity", *flags), WITH_CLUSTER_S)
    results = {name: {"seconds": round(best_s(*words), 3), "budget": budget} for name, (words, budget) in cases.items()}
    if options.json:
        print(json.dumps(results, indent=2))
    else:
        for name, result in results.items():
            print(f"{name:<16} {result['seconds']:.3f} s of {result['budget']:.1f} s")
    return int(any(result["seconds"] > result["budget"] for result in results.values()))


if __name__ == "__main__":
    sys.exit(main())
