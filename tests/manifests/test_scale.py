"""kubectl scale and a HorizontalPodAutoscaler write the scale subresource."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.manifests.objects import good, merged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.manifests.api import Api


@pytest.fixture(params=[3, -1])
def replicas(request: pytest.FixtureRequest, api: Api) -> Iterator[int]:
    """Of a ModuleDeployment that is there."""
    api.create(merged(good("ModuleDeployment", "scaled"), {"spec": {"replicas": request.param}}))
    yield request.param
    api.send("DELETE", api.path("ModuleDeployment", "scaled"))


def test_scaling_is_kept_beside_the_replicas_of_the_manifest_and_refused_in_peer_mode(api: Api, replicas: int):
    scaled = api.patch("ModuleDeployment", "scaled/scale", {"spec": {"replicas": 12}})
    spec = api.send("GET", api.path("ModuleDeployment", "scaled")).body["spec"]

    assert spec["replicas"] == replicas
    if replicas == -1:
        assert (scaled.code, list(scaled.causes)) == (422, ["spec.scaledReplicas"])
        assert "scaledReplicas" not in spec
    else:
        assert (scaled.code, scaled.body["spec"]) == (200, {"replicas": 12})
        assert spec["scaledReplicas"] == 12
