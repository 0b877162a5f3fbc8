"""The embedded API server with pods and Modules: `python -m benchmarks.apiserver_served PODS MODULES`.

One line on standard output is its URL; it ends when standard input is closed.  The collector of garbage is as `devcluster`
has it.
"""

from __future__ import annotations

import asyncio
import sys

from benchmarks.settled import fill
from moduledeploy.devcluster.cluster import DevCluster
from moduledeploy.runtime.memory import collect_rarely


async def main(pods: int, modules: int) -> None:
    """Serve until standard input is closed."""
    collect_rarely()
    async with DevCluster(controllers=False) as cluster:
        fill(cluster, pods, modules)
        print(cluster.url, flush=True)
        await asyncio.to_thread(sys.stdin.readline)


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
