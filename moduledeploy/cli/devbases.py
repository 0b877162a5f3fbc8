"""Kubelet and Arklet of base pods, played."""

from __future__ import annotations

from functools import partial

from moduledeploy.cli.access.foreground import run_until_stopped
from moduledeploy.devcluster.bases.process import run_bases


def play_bases(kubeconfig: str, selector: str) -> int:
    """Run until a signal comes. Raises CliError without a usable kubeconfig, a server that answers, or the rights."""
    return run_until_stopped(partial(run_bases, kubeconfig=kubeconfig, selector=selector))
