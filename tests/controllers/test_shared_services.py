"""Families on different base Deployments that share the Service of one module."""

from __future__ import annotations

from moduledeploy.controllers import resources
from tests.controllers.world import NAME, World

SERVICE = {"enableModuleService": True, "port": 8080, "targetPort": 8080}


async def test_a_family_goes_on_when_the_service_with_another_port_is_gone() -> None:
    world = World()
    world.add_bases(1)
    world.add_bases(1, deployment="other")
    world.deploy("1", name="a", module_name=NAME, operationStrategy={"serviceStrategy": SERVICE})
    other = {"serviceStrategy": {**SERVICE, "targetPort": 9}}
    world.deploy("1", name="b", module_name=NAME, operationStrategy=other, baseDeploymentName="other")
    world.start()
    await world.rest()
    held, why = world.progress("b"), world.status("b")["message"]

    world.delete("a")
    await world.rest()

    assert held == "Init"
    assert "ModuleDeployment a" in why
    assert world.progress("b") == "Completed"
    (port,) = world.api.get(resources.SERVICES, f"{NAME}-service")["spec"]["ports"]
    assert port["targetPort"] == 9
