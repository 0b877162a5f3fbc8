"""Modules that somebody else's finalizer keeps."""

from __future__ import annotations

from moduledeploy.api import names
from moduledeploy.controllers import resources
from tests.controllers.world import World


async def test_an_uninstalled_module_that_another_finalizer_holds_says_whose() -> None:
    world = World()
    world.add_bases(1)
    world.deploy("1", replicas=1)
    world.start()
    await world.rest()
    (module,) = world.modules()
    name = module["metadata"]["name"]
    world.patch(resources.MODULES, name, {"metadata": {"finalizers": [names.FINALIZER, "example.com/keep"]}})

    world.delete()
    await world.run_for(30)

    (held,) = world.modules()
    assert world.installed() == []
    assert (held["status"]["status"], held["status"]["reason"]) == ("Terminating", "HeldByFinalizers")
    assert "example.com/keep" in held["status"]["message"]
    assert "example.com/keep" in world.status()["message"]

    world.patch(resources.MODULES, name, {"metadata": {"finalizers": None}})
    await world.rest()
    assert world.modules() == []
