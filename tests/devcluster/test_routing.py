"""Where paths lead."""

from __future__ import annotations

import traceback

import pytest

from moduledeploy.devcluster.cluster import DevCluster
from moduledeploy.devcluster.errors import ApiError
from moduledeploy.devcluster.requests import parse_target
from moduledeploy.devcluster.routing import find_resource


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v1/pods/a"])
async def test_a_refusal_holds_on_to_nothing_of_the_requests_before(path: str):
    register, depths = DevCluster().api.writes.register, []

    for _ in range(3):
        with pytest.raises(ApiError) as refused:
            find_resource(register, parse_target("GET", path, watch=False))
        depths.append(len(list(traceback.walk_tb(refused.value.__traceback__))))

    assert depths == depths[:1] * 3
