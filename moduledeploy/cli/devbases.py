"""Kubelet and Arklet of base pods, played."""

from __future__ import annotations

from functools import partial

import anyio

from moduledeploy.devcluster.bases.process import run_bases


def play_bases(kubeconfig: str, selector: str) -> int:
    """Run until a signal comes."""
    anyio.run(partial(run_bases, kubeconfig=kubeconfig, selector=selector))
    return 0
