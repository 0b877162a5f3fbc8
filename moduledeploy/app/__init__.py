"""The one place that builds and wires everything; start and stop order are read off `process`.

Start: health and metrics, informers until synced, election, workers. Stop, at the first signal: the queues take nothing more,
calls to bases are dropped, passes end what they are at (for 2 s), the lease is released, then the rest goes. A part that ends by
itself takes the process down with it: a controller of which a part is missing does harm without anybody noticing.
"""

from moduledeploy.app.caches import INFORMED
from moduledeploy.app.process import BASE_WORKERS, DRAIN_S, LEASE_NAME, run
from moduledeploy.app.settings import Settings

__all__ = ["BASE_WORKERS", "DRAIN_S", "INFORMED", "LEASE_NAME", "Settings", "run"]
