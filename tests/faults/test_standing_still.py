"""Nothing is written when there is nothing to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.cluster import DEPLOYMENTS, MODULES, NS

if TYPE_CHECKING:
    from tests.faults.cluster import Scene

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


async def test_23_what_is_as_it_should_be_is_not_written_to(scene: Scene) -> None:
    await scene.deploy_bases(3)
    first = await scene.start("alone")
    scene.deploy("1.0.0", replicas=3, batches=2)
    await scene.complete(40)
    await scene.quiet()
    writes = scene.writes()

    # Every object comes anew, and every family and base is looked at.
    first.end()
    second = await scene.start("alone")
    await second.wait_ready(60)
    await scene.quiet()
    # Changes that are none of ours.
    note = {"metadata": {"annotations": {"example.com/note": "seen"}}}
    scene.cluster.api.patch(DEPLOYMENTS, "orders", note, namespace=NS)
    for module in scene.cluster.api.list(MODULES, NS):
        scene.cluster.api.patch(MODULES, module["metadata"]["name"], note, namespace=NS)
    for pod in scene.pods():
        scene.cluster.api.patch("pods", pod["metadata"]["name"], note, namespace=NS)
    await scene.quiet()

    assert scene.writes() == writes
    results = await second.samples("controller_runtime_reconcile_total")
    assert sum(results.values()) > 0
    assert not sum(value for labels, value in results.items() if ("result", "error") in labels)
