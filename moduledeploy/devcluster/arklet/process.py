"""One simulated Arklet as a process of its own."""

from __future__ import annotations

import ipaddress
import os
import signal
import sys

import anyio

from moduledeploy.devcluster.arklet.figures import MEASURED
from moduledeploy.devcluster.arklet.jars import RECORDED_FOLDER
from moduledeploy.devcluster.arklet.machine import SimulatedArklet
from moduledeploy.devcluster.arklet.wire import ArkletPorts
from moduledeploy.runtime.clock import SystemClock
from moduledeploy.runtime.log import configure_logging


def parse_address(address: str) -> tuple[str, int]:
    """`IP:PORT` on this machine's loopback; raises `ValueError` with what is allowed."""
    host, colon, port = address.rpartition(":")
    try:
        is_loopback = ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not (colon and is_loopback and port.isdigit() and int(port) < 65536):
        raise ValueError(f"{address!r} is no address of a simulated Arklet: it takes IP:PORT in 127.0.0.0/8")
    return host, int(port)


async def run_arklet(address: str) -> None:
    """Answer as an idle base at `IP:PORT` until SIGTERM or SIGINT; one line on standard output tells that it is ready.

    Raises `ValueError` for an address that isn't loopback, OSError for one that is taken.
    """
    host, port = parse_address(address)
    configure_logging(level="warning", output="text")
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with ArkletPorts() as ports:
            arklet = SimulatedArklet(
                identity=host, clock=SystemClock(), spawn=ports.spawn, folder=RECORDED_FOLDER, timings=MEASURED
            )
            try:
                number = ports.open(host, port, arklet)
            except OSError as error:
                raise OSError(error.errno, f"can't listen on {address}: {os.strerror(error.errno or 0)}") from error
            sys.stdout.write(f"arklet ready at {host}:{number}\n")
            sys.stdout.flush()
            await anext(aiter(signals))
