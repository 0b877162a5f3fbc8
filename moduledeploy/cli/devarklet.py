"""One simulated Arklet."""

from __future__ import annotations

import anyio

from moduledeploy.devcluster.arklet.process import run_arklet


def serve_arklet(address: str) -> int:
    """Run until a signal comes."""
    anyio.run(run_arklet, address)
    return 0
