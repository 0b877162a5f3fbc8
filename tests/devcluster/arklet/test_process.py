"""One simulated Arklet as a process."""

from __future__ import annotations

import asyncio
import signal
import sys

import pytest

from moduledeploy.devcluster.arklet import parse_address


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "0.0.0.0:1238", "10.1.2.3:1238", "127.0.0.1:x", "[::1]:1238", "127.0.0.1:70000"]
)
def test_only_loopback_addresses_are_taken(address: str) -> None:
    with pytest.raises(ValueError, match=r"it takes IP:PORT in 127\.0\.0\.0/8"):
        parse_address(address)


async def test_it_says_when_it_is_ready_and_ends_on_sigterm() -> None:
    code = (
        "import asyncio; from moduledeploy.devcluster.arklet import run_arklet; asyncio.run(run_arklet('127.0.0.1:0'))"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    line = await process.stdout.readline()
    host, _, port = line.decode().split()[-1].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /queryAllBiz HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")

    assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n\r\n{")
    writer.close()
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
