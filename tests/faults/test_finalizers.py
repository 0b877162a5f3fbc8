"""Objects that go while somebody else holds on to them, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio
import pytest

from tests.faults.cluster import DEPLOYMENTS, GROUP, MODULES, NS

if TYPE_CHECKING:
    from tests.faults.cluster import Scene

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
OURS: Final = f"{GROUP}/moduledeploy"
FOREIGN: Final = [f"example.com/holder-{number}" for number in range(8)]


async def test_25_our_finalizer_goes_and_nobody_elses_while_others_are_edited(scene: Scene) -> None:
    await scene.deploy_bases(3)
    await scene.start("alone")
    scene.deploy("1.0.0", replicas=3, batches=1)
    await scene.complete(40)
    api = scene.cluster.api
    held = [(DEPLOYMENTS, "orders"), *((MODULES, module["metadata"]["name"]) for module in api.list(MODULES, NS))]
    for plural, name in held:
        api.patch(plural, name, {"metadata": {"finalizers": [OURS, *FOREIGN]}}, namespace=NS)

    for plural, name in held:
        api.delete(plural, name, namespace=NS)
    for number in range(len(FOREIGN)):
        for plural, name in held:
            present = api.get(plural, name, NS)["metadata"]["finalizers"]
            # Whatever the controller did meanwhile: those of others are as others left them.
            assert [one for one in present if one != OURS] == FOREIGN[number:]
            kept = [*([OURS] if OURS in present else []), *FOREIGN[number + 1 :]]
            api.patch(plural, name, {"metadata": {"finalizers": kept}}, namespace=NS)
        await anyio.sleep(0.05)

    await scene.until(lambda: not any(api.find(plural, name, NS) for plural, name in held), 30)
    assert scene.installed() == {pod["metadata"]["name"]: {} for pod in scene.pods()}
