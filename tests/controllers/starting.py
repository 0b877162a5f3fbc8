"""What a start asks of the cluster before anything else."""

from __future__ import annotations

import asyncio

from moduledeploy.controllers.preflight import check_cluster
from moduledeploy.kube.credentials import Credentials
from moduledeploy.kube.transport import Transport
from moduledeploy.runtime.metrics import Metrics
from tests.clock import ManualClock


async def check(credentials: Credentials, *, in_pod: bool = False) -> None:
    """Check the cluster as a start does; waiting takes no time. What it raises comes out."""
    clock = ManualClock()
    async with Transport(
        credentials=credentials, user_agent="test", metrics=Metrics().client, clock=clock
    ) as transport:
        checking = asyncio.create_task(check_cluster(transport, kinds=(), namespace="", lease=None, in_pod=in_pod))
        await clock.run_until(checking.done)
        await checking
