"""One request of each sort meets one fault, in the middle of an upgrade; the upgrade comes to its end all the same."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import pytest

from moduledeploy.devcluster.faults import Fault, Kind

if TYPE_CHECKING:
    from tests.faults.cluster import Scene

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
WRITES: Final = (
    ("create", "modulereplicasets"),
    ("create", "modules"),
    ("patch", "modules"),
    ("patch", "moduledeployments"),
    ("patch", "modulereplicasets"),
    ("delete", "modules"),
)
AT_ONCE_S: Final = 15.0  # a first retry, not what happens to come along minutes later


@pytest.mark.parametrize("kind", ["conflict", "error", "lost_reply"])
async def test_one_fault_of_a_write_holds_nothing_up(scene: Scene, kind: Kind) -> None:
    await scene.deploy_bases(2, install_delay="0.1")
    await scene.start("alone")
    scene.deploy("1.0.0", replicas=2, batches=1)
    await scene.complete(30)

    for number, (verb, resource) in enumerate(WRITES):
        version = f"1.{number}.1"
        scene.cluster.faults.clear()
        scene.cluster.faults.add(Fault(kind=kind, verb=verb, resource=resource, times=1))
        scene.deploy(version, replicas=2, batches=2)
        try:
            await scene.complete(AT_ONCE_S)
            await scene.until(partial(scene.has_alone, version), AT_ONCE_S)
        except AssertionError as error:
            error.add_note(f"{kind} on {verb} {resource}")
            raise
        scene.assert_everywhere(version)
        assert len(scene.cluster.faults.log) == number + 1


async def test_a_refused_word_about_a_long_install_does_not_end_it(scene: Scene) -> None:
    await scene.deploy_bases(1, install_delay="4")
    await scene.start("alone")
    scene.cluster.faults.add(Fault(kind="error", verb="patch", resource="modules", times=1))
    scene.deploy("1.0.0", replicas=1, batches=1)
    await scene.until(lambda: scene.cluster.faults.log, 20)
    connections = scene.bases.connections
    await scene.complete(20)

    assert scene.bases.connections - connections == 0  # no second install
    scene.assert_everywhere("1.0.0")
