"""Pods stand for bases that somebody else runs."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from moduledeploy.devcluster.arklet import PREFIX, ArkletPorts, SimulatedArklet
from moduledeploy.devcluster.bases.attached import Refused, ask_uptime, parse_addresses
from tests.clock import ManualClock
from tests.devcluster.arklet.contexts import in_own_task
from tests.devcluster.bases.conftest import Bases, playing
from tests.devcluster.controllers.world import deployment, running_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.devcluster.controllers.world import Object, World

HOSTS = ("127.0.9.1", "127.0.9.2")


class Outside:
    """Bases that run beside the cluster, on its clock."""

    def __init__(self, world: World, ports: ArkletPorts) -> None:
        self.ports = ports
        self.arklets = {host: SimulatedArklet(identity=host, clock=world.clock, spawn=ports.spawn) for host in HOSTS}
        self.addresses = [f"{host}:{ports.open(host, 0, arklet)}" for host, arklet in self.arklets.items()]

    def stop(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self.ports.close(host, int(port))

    def start_again(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self.arklets[host].restart()
        self.ports.open(host, int(port), self.arklets[host])


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[tuple[Bases, Outside]]:
    async with running_world(ManualClock()) as world, ArkletPorts() as ports:
        outside = Outside(world, ports)
        async with playing(world, attach=outside.addresses) as bases:
            yield bases, outside


@pytest.fixture
async def attached() -> AsyncIterator[tuple[Bases, Outside]]:
    async with in_own_task(running()) as both:
        yield both


def base_deployment(replicas: int) -> Object:
    obj = deployment(replicas)
    obj["spec"]["template"]["spec"]["containers"][0]["ports"] = [{"name": "arklet", "containerPort": 1238}]
    return obj


async def deploy(bases: Bases, replicas: int) -> list[str]:
    bases.world.api.create("deployments.apps", base_deployment(replicas))
    await bases.until_ready(replicas)
    return bases.world.names()


def where(bases: Bases, name: str) -> str:
    pod = bases.pod(name)
    return f"{pod['status']['podIP']}:{pod['spec']['containers'][0]['ports'][0]['containerPort']}"


async def test_the_next_pods_have_the_addresses_and_those_beyond_are_simulated(
    attached: tuple[Bases, Outside],
) -> None:
    bases, outside = attached
    names = await deploy(bases, 3)

    places = {where(bases, name) for name in names}
    assert places > set(outside.addresses)
    [simulated] = places - set(outside.addresses)
    assert simulated.endswith(":1238")


async def test_a_pod_is_ready_while_its_base_answers(attached: tuple[Bases, Outside]) -> None:
    bases, outside = attached
    [name] = await deploy(bases, 1)
    before = bases.container(name)

    outside.stop(where(bases, name))
    await bases.world.clock.run_for(5)
    down = bases.ready(name)
    outside.start_again(where(bases, name))
    await bases.until_ready(1)

    after = bases.container(name)
    assert down == "False"
    assert (before["restartCount"], after["restartCount"]) == (0, 1)
    assert after["containerID"] != before["containerID"]
    assert after["lastState"]["terminated"]["containerID"] == before["containerID"]


async def test_a_restart_between_two_looks_is_seen(attached: tuple[Bases, Outside]) -> None:
    bases, outside = attached
    [name] = await deploy(bases, 1)
    await bases.world.clock.run_for(10)
    running = bases.container(name)["restartCount"]

    outside.arklets[bases.pod(name)["status"]["podIP"]].restart()
    await bases.world.clock.run_for(5)

    assert running == 0
    assert bases.container(name)["restartCount"] == 1
    assert bases.ready(name) == "True"


async def test_an_address_of_a_deleted_pod_goes_to_the_next(attached: tuple[Bases, Outside]) -> None:
    bases, _ = attached
    [first, second] = await deploy(bases, 2)
    freed = where(bases, first)
    bases.world.api.delete("pods", first, namespace=bases.pod(first)["metadata"]["namespace"])
    await bases.world.clock.run_for(5)
    await bases.until_ready(2)

    [successor] = set(bases.world.names()) - {first, second}
    assert where(bases, successor) == freed
    assert bases.pod(successor)["metadata"]["annotations"][PREFIX + "attached"] == freed


async def test_uptime_is_that_of_the_process(attached: tuple[Bases, Outside]) -> None:
    bases, outside = attached
    host, _, port = outside.addresses[0].rpartition(":")
    await bases.world.clock.run_for(30)
    long = await ask_uptime(host, int(port))
    outside.arklets[host].restart()
    short = await ask_uptime(host, int(port))
    outside.stop(outside.addresses[0])

    assert long >= 30
    assert short < 1
    with pytest.raises(Refused):
        await ask_uptime(host, int(port))


@pytest.mark.parametrize("text", ["", "127.0.0.1", "base:1238", "127.0.0.1:0", "127.0.0.1:1,127.0.0.1:1"])
def test_addresses_that_cant_be_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"IP:PORT|twice"):
        parse_addresses(text)
