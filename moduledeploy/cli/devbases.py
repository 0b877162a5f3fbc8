"""Play kubelet and Arklet for base pods on whatever API server the kubeconfig names, until SIGTERM or SIGINT.

Every pod gets an address in 127.0.0.0/8, becomes Ready, and answers Arklet on port 1238 there. Example:

  moduledeploy devbases --kubeconfig dev.kubeconfig
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio

from moduledeploy.devcluster.bases.process import run_bases

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `devbases`."""
    parser.add_argument("--kubeconfig", required=True, metavar="FILE", help="of the API server whose pods are played")
    parser.add_argument("--selector", default="", metavar="LABELS", help="only pods with these labels (default: all)")


def main(options: argparse.Namespace) -> int:
    """Run until a signal comes."""
    anyio.run(partial(run_bases, kubeconfig=options.kubeconfig, selector=options.selector))
    return 0
