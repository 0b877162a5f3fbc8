"""One simulated Arklet, until SIGTERM or SIGINT. Example:

moduledeploy devarklet --address 127.0.0.1:1238
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from moduledeploy.devcluster.arklet.process import run_arklet

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `devarklet`."""
    parser.add_argument(
        "--address", default="127.0.0.1:1238", metavar="IP:PORT", help="loopback only (default: %(default)s)"
    )


def main(options: argparse.Namespace) -> int:
    """Run until a signal comes."""
    anyio.run(run_arklet, options.address)
    return 0
