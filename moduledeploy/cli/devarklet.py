"""One simulated Arklet."""

from __future__ import annotations

from functools import partial

from moduledeploy.cli.access.foreground import run_until_stopped
from moduledeploy.devcluster.arklet.process import run_arklet


def serve_arklet(address: str) -> int:
    """Run until a signal comes. Raises CliError for an address that is none, is not on loopback, or is taken."""
    return run_until_stopped(partial(run_arklet, address))
