"""Simulated bases: kubelet play for pods, an address on loopback for each, and an Arklet behind it.

`LocalBases` serves the embedded cluster in its own process, `run_bases` any API server over HTTP.  Nothing listens outside
127.0.0.0/8.
"""

from moduledeploy.devcluster.bases.local import LocalBases
from moduledeploy.devcluster.bases.process import run_bases

__all__ = ["LocalBases", "run_bases"]
