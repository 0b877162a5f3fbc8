"""Writes to an API server and watches what comes of it: `python -m benchmarks.apiserver_load URL WRITES WATCHERS`.

One line on standard output tells that the watches are open; a line on standard input begins the writes, each a patch of the
status of another Module, some at a time; then one line of JSON says how long they took and how many events came.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any, Final

import aiohttp

from benchmarks.objects import NAMESPACE

_MODULES: Final = "/apis/koupleless.alipay.com/v1alpha1/modules"
_AT_A_TIME: Final = 32
_PATIENCE_S: Final = 60.0  # for the last events, after the last write
_PATCH: Final = {"Content-Type": "application/merge-patch+json"}


async def follow(session: aiohttp.ClientSession, version: str, seen: list[int]) -> None:
    """Count the changes that one watcher sees."""
    query = {"watch": "1", "resourceVersion": version, "timeoutSeconds": "1800"}
    async with session.get(_MODULES, params=query) as response:
        async for chunk in response.content.iter_any():
            seen[0] += chunk.count(b"\n")


async def write(session: aiohttp.ClientSession, names: list[str], numbers: range) -> None:
    """Change one status after the other."""
    for number in numbers:
        path = f"{_MODULES.removesuffix('/modules')}/namespaces/{NAMESPACE}/modules/{names[number % len(names)]}/status"
        body = json.dumps({"status": {"message": f"seen {number} times"}})
        async with session.patch(path, data=body, headers=_PATCH) as response:
            response.raise_for_status()
            await response.read()


async def main(url: str, writes: int, watchers: int) -> None:
    """Watch, write, tell."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(url, connector=connector, timeout=timeout) as session:
        async with session.get(_MODULES) as response:
            found: dict[str, Any] = await response.json()
        names = [item["metadata"]["name"] for item in found["items"]]
        counts = [[0] for _ in range(watchers)]
        async with asyncio.TaskGroup() as tasks:
            version = found["metadata"]["resourceVersion"]
            following = [tasks.create_task(follow(session, version, count)) for count in counts]
            await asyncio.sleep(1.0)
            print("watching", flush=True)
            await asyncio.to_thread(sys.stdin.readline)
            begun_at = time.perf_counter()
            async with asyncio.TaskGroup() as writing:
                for start in range(_AT_A_TIME):
                    writing.create_task(write(session, names, range(start, writes, _AT_A_TIME)))
            seconds = time.perf_counter() - begun_at
            until = time.perf_counter() + _PATIENCE_S
            while sum(count[0] for count in counts) < writes * watchers and time.perf_counter() < until:  # noqa: ASYNC110  # an Event would be work for the watchers
                await asyncio.sleep(0.05)
            for task in following:
                task.cancel()
        print(json.dumps({"seconds": seconds, "events": sum(count[0] for count in counts)}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
