"""An embedded API server with the controllers a cluster would bring and simulated bases, in memory and on loopback.

Prints one line when it is ready and runs until SIGTERM or SIGINT. It is no product for production. Example:

  moduledeploy devcluster --port 8001 --kubeconfig dev.kubeconfig --bases 10
  kubectl --kubeconfig dev.kubeconfig get pods
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from moduledeploy.devcluster.cluster import run

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `devcluster`."""
    parser.add_argument(
        "--port", type=int, default=8001, help="on 127.0.0.1; 0 takes a free one (default: %(default)s)"
    )
    parser.add_argument("--kubeconfig", required=True, metavar="FILE", help="where to write a kubeconfig for it")
    parser.add_argument(
        "--bases", type=int, default=0, metavar="N", help="begin with a base Deployment `base` of N pods"
    )


def main(options: argparse.Namespace) -> int:
    """Run until a signal comes."""
    anyio.run(partial(run, port=options.port, kubeconfig=Path(options.kubeconfig), bases=options.bases))
    return 0
