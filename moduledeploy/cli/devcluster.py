"""An embedded API server with the controllers a cluster would bring and simulated bases, in memory and on loopback.

Prints one line when it is ready and runs until SIGTERM or SIGINT. It is no product for production. Example:

  moduledeploy devcluster --port 8001 --kubeconfig dev.kubeconfig --bases 10
  kubectl --kubeconfig dev.kubeconfig get pods
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import anyio

from moduledeploy.devcluster.bases.attached import parse_addresses
from moduledeploy.devcluster.cluster import run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `devcluster`."""
    parser.add_argument(
        "--port", type=int, default=8001, help="on 127.0.0.1; 0 takes a free one (default: %(default)s)"
    )
    parser.add_argument("--kubeconfig", required=True, metavar="FILE", help="where to write a kubeconfig for it")
    parser.add_argument(
        "--bases", type=int, default=0, metavar="N", help="begin with a base Deployment `base` of N pods"
    )
    parser.add_argument(
        "--attach",
        type=_addresses,
        default=(),
        metavar="IP:PORT,…",
        help="running bases, by the addresses of their Arklets: the next pods of base Deployments stand for them",
    )


def main(options: argparse.Namespace) -> int:
    """Run until a signal comes."""
    kubeconfig = Path(options.kubeconfig)
    anyio.run(partial(run, port=options.port, kubeconfig=kubeconfig, bases=options.bases, attach=options.attach))
    return 0


def _addresses(text: str) -> tuple[str, ...]:
    try:
        return parse_addresses(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
