"""A cluster with its controllers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.clock import ManualClock
from tests.devcluster.arklet.contexts import in_own_task
from tests.devcluster.controllers.world import World, running_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with in_own_task(running_world(ManualClock())) as running:
        yield running
