"""Simulated bases live as pods do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from moduledeploy.devcluster.arklet import Behaviour
from tests.clock import ManualClock
from tests.devcluster.bases.conftest import START_S, playing
from tests.devcluster.controllers.world import NS, running_world, template

if TYPE_CHECKING:
    from tests.devcluster.bases.conftest import Bases


async def test_a_pod_runs_first_and_is_ready_after_its_start(bases: Bases) -> None:
    began_at = bases.world.clock.monotonic()
    [name] = await bases.deploy()

    assert bases.world.clock.monotonic() - began_at >= START_S
    status = bases.pod(name)["status"]
    assert status["phase"] == "Running"
    assert status["podIP"].startswith("127.1.")
    assert bases.pod(name)["spec"]["nodeName"] == "simulated-1"
    assert bases.container(name)["restartCount"] == 0
    assert bases.container(name)["containerID"].startswith("simulated://")
    assert await bases.answers(name)


async def test_every_pod_has_an_address_and_a_node_exists_for_it(bases: Bases) -> None:
    names = await bases.deploy(7)

    assert len({bases.pod(name)["status"]["podIP"] for name in names}) == 7
    nodes = {node["metadata"]["name"] for node in bases.world.api.list("nodes")}
    assert {bases.pod(name)["spec"]["nodeName"] for name in names} == nodes


async def test_pods_that_no_replicaset_made_are_left_alone(bases: Bases) -> None:
    meta = {"name": "mine", "namespace": NS}
    bases.world.api.create("pods", {"metadata": meta, "spec": template()["spec"]})
    await bases.world.clock.run_for(60)

    assert bases.pod("mine")["status"]["phase"] == "Pending"


async def test_a_pod_made_before_the_bases_came_is_bound(bases: Bases) -> None:
    admissions = bases.world.api.writes.admissions
    assign = admissions.pop()  # what gives pods their node at birth
    [name] = await bases.deploy()
    admissions.append(assign)

    assert bases.pod(name)["spec"]["nodeName"] == "simulated-1"


async def test_a_restarted_container_is_another_one_without_modules(bases: Bases) -> None:
    [name] = await bases.deploy()
    await bases.install(name, "a:1")
    before = bases.container(name)

    bases.annotate("pods", name, restart="now")
    await bases.world.settle()
    meanwhile = (bases.ready(name), await bases.answers(name))
    await bases.until_ready(1)

    after = bases.container(name)
    assert meanwhile == ("False", False)
    assert after["restartCount"] == 1
    assert after["containerID"] != before["containerID"]
    assert after["lastState"]["terminated"]["containerID"] == before["containerID"]
    assert bases.arklet(name).modules() == {}
    assert await bases.answers(name)


async def test_tests_can_restart_a_container_and_count_effects(bases: Bases) -> None:
    [name] = await bases.deploy()
    await bases.install(name, "a:1")

    bases.handle.restart(NS, name)
    await bases.world.clock.run_for(START_S + 1)
    await bases.install(name, "a:1")

    assert bases.container(name)["restartCount"] == 1
    assert bases.handle.effects(bases.pod(name)["metadata"]["uid"]).installs == {"a:1": 2}


async def test_a_deleted_pod_stops_after_its_stop_delay(bases: Bases) -> None:
    [name] = await bases.deploy(stop_delay="5")
    bases.world.api.delete("pods", name, namespace=NS)
    await bases.world.clock.run_for(4)
    still_answers = await bases.answers(name)

    await bases.world.clock.run_for(2)

    assert still_answers
    assert name not in bases.world.names()


async def test_an_evicted_pod_fails_and_is_replaced(bases: Bases) -> None:
    [name] = await bases.deploy()
    bases.annotate("pods", name, evict="true")
    await bases.world.clock.run_for(START_S + 1)

    assert (bases.pod(name)["status"]["phase"], bases.pod(name)["status"]["reason"]) == ("Failed", "Evicted")
    assert not await bases.answers(name)
    [successor] = set(bases.world.names()) - {name}
    assert bases.ready(successor) == "True"
    bases.world.api.delete("pods", name, namespace=NS)
    await bases.world.settle()
    assert bases.world.names() == [successor]


async def test_a_lost_node_cuts_off_its_pods_until_it_comes_back(bases: Bases) -> None:
    names = await bases.deploy(3)
    [cut_off] = [name for name in names if bases.pod(name)["spec"]["nodeName"] == "simulated-2"]
    await bases.install(cut_off, "a:1")

    bases.annotate("nodes", "simulated-2", lost="true")
    await bases.world.settle()
    lost = (bases.ready(cut_off), bases.arklet(cut_off).behaviour.silent, bases.world.status()["readyReplicas"])
    bases.world.api.delete("pods", cut_off, namespace=NS)
    await bases.world.settle()
    hangs = bases.pod(cut_off)["metadata"].get("deletionTimestamp")
    bases.annotate("nodes", "simulated-2", lost=None)
    await bases.world.settle()

    assert lost == ("False", True, 2)
    assert hangs
    assert cut_off not in bases.world.names()


async def test_readiness_can_be_taken_away_and_given_back(bases: Bases) -> None:
    [name] = await bases.deploy()
    bases.annotate("pods", name, not_ready="true")
    await bases.world.settle()
    unready = (bases.ready(name), await bases.answers(name))
    bases.annotate("pods", name, not_ready=None)
    await bases.world.settle()

    assert unready == ("False", True)
    assert bases.ready(name) == "True"


async def test_switches_of_the_template_hold_for_every_pod_and_can_change(bases: Bases) -> None:
    [name] = await bases.deploy(fail_install="a", start_delay="0")
    failed = await bases.install(name, "a:1")
    bases.annotate("pods", name, fail_install=None, install_delay="nonsense")
    await bases.world.settle()
    ignored = bases.arklet(name).behaviour
    bases.annotate("pods", name, install_delay=None)
    await bases.world.settle()

    assert failed["code"] == "CMD_PROCESS_INTERNAL_ERROR"
    assert ignored.fail_install == ("a",)  # what can't be read changes nothing
    assert (await bases.install(name, "a:1"))["code"] == "SUCCESS"


async def test_tests_can_have_the_last_word_on_how_an_arklet_behaves(bases: Bases) -> None:
    [name] = await bases.deploy(fail_install="a")
    bases.handle.behave(NS, name, Behaviour())
    bases.annotate("pods", name, upper_case_states="true")
    await bases.world.settle()
    installed = await bases.install(name, "a:1")
    bases.handle.behave(NS, name, None)

    assert installed["data"]["bizInfos"][0]["bizState"] == "activated"
    assert (await bases.install(name, "a:2"))["code"] == "CMD_PROCESS_INTERNAL_ERROR"


async def test_an_address_is_given_to_the_next_pod_where_that_is_asked_for(reusing_bases: Bases) -> None:
    bases = reusing_bases
    names = await bases.deploy(3)
    address = bases.pod(names[1])["status"]["podIP"]
    bases.world.api.delete("pods", names[1], namespace=NS)
    await bases.world.clock.run_for(START_S + 1)

    [successor] = set(bases.world.names()) - set(names)
    assert bases.pod(successor)["status"]["podIP"] == address


async def test_arklet_listens_where_the_pod_says(bases: Bases) -> None:
    [name] = await bases.deploy()
    spec = template()
    spec["spec"]["containers"][0]["ports"] = [{"name": "arklet", "containerPort": 1500}]
    bases.world.patch("deployments.apps", "base", spec={"template": spec})
    await bases.world.clock.run_for(START_S * 3)

    [successor] = set(bases.world.names()) - {name}
    stream = await anyio.connect_tcp(bases.pod(successor)["status"]["podIP"], 1500)
    await stream.aclose()


async def test_another_process_takes_up_a_pod_as_a_restarted_container() -> None:
    clock = ManualClock()
    async with running_world(clock) as world:
        async with playing(world) as bases:
            [name] = await bases.deploy()
            address = bases.pod(name)["status"]["podIP"]

        async with playing(world) as bases:
            await clock.run_for(START_S + 1)

            assert bases.container(name)["restartCount"] == 1
            assert bases.pod(name)["status"]["podIP"] == address
            assert bases.ready(name) == "True"
