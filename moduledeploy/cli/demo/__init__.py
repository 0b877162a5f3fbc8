"""Show the main job live: an embedded cluster with simulated bases, the controller as a process of its own, real manifests.

Ends by itself; exit status 0 only if every step was seen to hold. While it runs, kubectl works with the kubeconfig that it
prints. Example:

  moduledeploy demo
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `demo`: none."""
    del parser


def main(options: argparse.Namespace) -> int:
    """Play every scene; 0 when all were seen to hold."""
    del options
    from moduledeploy.cli.demo.play import play  # noqa: PLC0415  # --help needs none of it

    return anyio.run(play)
