"""Faults of simulated bases strike the commands they are meant for, on the bases they are meant for, and are logged."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from moduledeploy.devcluster.arklet.fields import read_body
from moduledeploy.devcluster.arklet.machine import JvmStopped, ReplyLost
from moduledeploy.devcluster.arklet.mishaps import Mishap, MishapKind
from moduledeploy.devcluster.errors import ApiError
from moduledeploy.devcluster.faults import Command, Fault, Faults
from tests.devcluster.arklet.contexts import in_own_task
from tests.devcluster.bases.conftest import START_S, running_bases
from tests.devcluster.controllers.world import NS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.devcluster.bases.conftest import Bases


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
async def bases(faults: Faults) -> AsyncIterator[Bases]:
    async with in_own_task(running_bases(faults=faults)) as running:
        yield running


async def uninstall(bases: Bases, name: str, identity: str) -> dict[str, Any]:
    module, version = identity.split(":")
    fields = {"bizName": module, "bizVersion": version}
    return await bases.arklet(name).answer("uninstallBiz", read_body(json.dumps(fields).encode()))


async def say(bases: Bases, name: str, request: bytes) -> bytes:
    """What comes back over the network until the connection ends."""
    stream = await anyio.connect_tcp(bases.pod(name)["status"]["podIP"], 1238)
    received = b""
    async with stream:
        await stream.send(request)
        with anyio.fail_after(5):
            try:
                async for chunk in stream:
                    received += chunk
            except anyio.BrokenResourceError:
                pass
    return received


async def test_an_install_that_is_to_fail_fails_as_often_as_it_is_to(bases: Bases, faults: Faults) -> None:
    [name] = await bases.deploy()
    faults.add(Fault(kind="arklet_failing", verb="installBiz", module="a:.*", times=1))

    answers = [(await bases.install(name, identity))["code"] for identity in ("b:1", "a:1", "a:1")]

    assert answers == ["SUCCESS", "CMD_PROCESS_INTERNAL_ERROR", "SUCCESS"]
    assert bases.arklet(name).modules() == {"b:1": "activated", "a:1": "activated"}
    assert list(faults.log) == [
        {"kind": "arklet_failing", "namespace": NS, "pod": name, "verb": "installBiz", "module": "a:1"}
    ]


async def test_a_busy_base_refuses_and_does_nothing(bases: Bases, faults: Faults) -> None:
    [name] = await bases.deploy()
    faults.add(Fault(kind="arklet_busy", times=1))

    answer = await bases.install(name, "a:1")

    assert answer["code"] == "FAILED"
    assert answer["message"].startswith("FAILED:a:1 installBiz conflict, exist unfinished command")
    assert bases.arklet(name).modules() == {}


async def test_an_error_takes_no_effect(bases: Bases, faults: Faults) -> None:
    [name] = await bases.deploy()
    await bases.install(name, "a:1")
    faults.add(Fault(kind="arklet_error", verb="uninstallBiz", times=1))

    assert (await uninstall(bases, name, "a:1"))["code"] == "CMD_PROCESS_INTERNAL_ERROR"
    assert bases.arklet(name).modules() == {"a:1": "activated"}


async def test_a_slow_install_shows_as_starting_for_so_long(bases: Bases, faults: Faults) -> None:
    [name] = await bases.deploy()
    faults.add(Fault(kind="arklet_slow", verb="installBiz", seconds=7))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bases.install, name, "a:1")
        await bases.world.clock.run_for(6)
        meanwhile = bases.arklet(name).modules()
        await bases.world.clock.run_for(2)

    assert meanwhile == {"a:1": "resolved"}
    assert bases.arklet(name).modules() == {"a:1": "activated"}


async def test_a_lost_reply_has_taken_effect_and_the_connection_ends(bases: Bases, faults: Faults) -> None:
    [name] = await bases.deploy()
    faults.add(Fault(kind="arklet_lost_reply", verb="installBiz", times=1))
    with pytest.raises(ReplyLost):
        await bases.install(name, "a:1")
    assert bases.arklet(name).modules() == {"a:1": "activated"}

    faults.add(Fault(kind="arklet_lost_reply", verb="queryAllBiz", times=1))
    query = b"POST /queryAllBiz HTTP/1.1\r\nContent-Length: 0\r\n\r\n"

    assert await say(bases, name, query) == b""
    assert b"SUCCESS" in await say(bases, name, query)


async def test_a_silent_base_still_answers_other_commands(bases: Bases, faults: Faults) -> None:
    [name] = await bases.deploy()
    faults.add(Fault(kind="arklet_silent", verb="queryAllBiz"))
    address = bases.pod(name)["status"]["podIP"]
    async with await anyio.connect_tcp(address, 1238) as stream:
        await stream.send(b"POST /queryAllBiz HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
        while not faults.log:
            await anyio.lowlevel.checkpoint()
        answers = [await say(bases, name, b"POST /help HTTP/1.1\r\nContent-Length: 0\r\n\r\n") for _ in range(8)]
        with anyio.move_on_after(0.02):
            await stream.receive()
            raise AssertionError("it answered")

    assert all(b"SUCCESS" in answer for answer in answers)


async def test_a_base_dies_of_a_command(bases: Bases, faults: Faults) -> None:
    [name] = await bases.deploy()
    await bases.install(name, "a:1")
    faults.add(Fault(kind="base_restart", verb="installBiz", times=1))

    with pytest.raises(JvmStopped):
        await bases.install(name, "b:1")
    await bases.world.clock.run_for(START_S + 1)

    assert bases.container(name)["restartCount"] == 1
    assert bases.arklet(name).modules() == {}


async def test_a_restart_that_names_no_command_happens_at_once(bases: Bases, faults: Faults) -> None:
    names = sorted(await bases.deploy(3))

    faults.add(Fault(kind="base_restart", name=f"{names[0]}|{names[2]}"))
    await bases.world.clock.run_for(START_S + 1)

    assert [bases.container(name)["restartCount"] for name in names] == [1, 0, 1]
    assert [entry["pod"] for entry in faults.log] == [names[0], names[2]]


async def test_rules_are_about_the_bases_they_name(bases: Bases, faults: Faults) -> None:
    first, second = await bases.deploy(2)
    faults.add(Fault(kind="arklet_error", namespace=NS, name=second))
    faults.add(Fault(kind="arklet_error", namespace="elsewhere"))

    answers = [(await bases.install(name, "a:1"))["code"] for name in (first, second)]

    assert answers == ["SUCCESS", "CMD_PROCESS_INTERNAL_ERROR"]


class Nobody:
    """Bases that are played, but none."""

    def names(self) -> list[tuple[str, str]]:
        return []

    def restart(self, namespace: str, name: str) -> None:
        raise KeyError(namespace, name)


@pytest.mark.parametrize("kind", ["arklet_slow", "arklet_stalled"])
def test_a_mishap_has_the_kind_and_the_seconds_of_its_rule(kind: MishapKind) -> None:
    faults = Faults(bases=Nobody())
    faults.add(Fault(kind=kind, seconds=3))

    assert faults.strike_command(Command(namespace=NS, pod="p", verb="installBiz")) == Mishap(kind, 3)


def test_the_same_seed_strikes_the_same_commands_whatever_other_rules_see() -> None:
    def strikes(requests_between: int) -> list[bool]:
        faults = Faults(seed=3, bases=Nobody())
        faults.add(Fault(kind="arklet_error", verb="queryAllBiz", probability=0.5))
        faults.add(Fault(kind="arklet_error", verb="installBiz", probability=0.5))
        struck = []
        for _ in range(50):
            for _ in range(requests_between):
                faults.strike_command(Command(namespace=NS, pod="p", verb="queryAllBiz"))
            struck.append(faults.strike_command(Command(namespace=NS, pod="p", verb="installBiz")) is not None)
        return struck

    assert strikes(0) == strikes(3)
    assert 10 < sum(strikes(0)) < 40


def test_where_no_bases_are_played_a_fault_of_theirs_is_refused() -> None:
    with pytest.raises(ApiError, match="none are played here"):
        Faults().add(Fault(kind="arklet_error"))
