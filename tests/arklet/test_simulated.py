"""The client against simulated bases, over HTTP: what one call ends in is what the base really holds afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import anyio.lowlevel
import attrs
import pytest

from moduledeploy.arklet import (
    ArkletClient,
    Biz,
    BizState,
    Busy,
    Done,
    FailureClass,
    IllegalState,
    Listing,
    NotFound,
    Outcome,
    Refused,
    Repeated,
    Unclear,
)
from moduledeploy.devcluster.arklet import ArkletPorts, Behaviour, SimulatedArklet
from tests.clock import ManualClock
from tests.devcluster.arklet.contexts import in_own_task

URL = "https://jars/any.jar"  # counts as a good jar of whatever is asked for


@attrs.define
class Simulated:
    arklet: SimulatedArklet
    address: str
    client: ArkletClient
    clock: ManualClock

    async def install(self, identity: str, url: str = URL) -> Outcome:
        name, version = identity.split(":")
        return await self.client.install(self.address, name, version, url)

    async def listed(self) -> dict[str, BizState]:
        listing = await self.client.query(self.address)
        assert isinstance(listing, Listing)
        return {f"{biz.name}:{biz.version}": biz.state for biz in listing.modules}


@pytest.fixture
async def base(client: ArkletClient) -> AsyncIterator[Simulated]:
    clock = ManualClock()
    async with in_own_task(ArkletPorts()) as ports:
        arklet = SimulatedArklet(identity="10.244.1.7", clock=clock, spawn=ports.spawn)
        port = ports.open("127.0.0.1", 0, arklet)
        yield Simulated(arklet, f"127.0.0.1:{port}", client, clock)


async def test_a_module_lives_from_install_to_uninstall(base: Simulated) -> None:
    assert await base.listed() == {}

    done = await base.install("orders:1")
    assert isinstance(done, Done)
    assert (done.identity, await base.listed()) == ("orders:1", {"orders:1": BizState.ACTIVATED})

    assert await base.client.uninstall(base.address, "orders", "1") == Done()
    assert await base.listed() == {}


async def test_a_second_version_comes_up_beside_the_first_and_is_switched_to(base: Simulated) -> None:
    await base.install("orders:1")
    await base.install("orders:2")
    assert await base.listed() == {"orders:1": BizState.ACTIVATED, "orders:2": BizState.DEACTIVATED}

    assert await base.client.switch(base.address, "orders", "2") == Done()

    assert await base.listed() == {"orders:1": BizState.DEACTIVATED, "orders:2": BizState.ACTIVATED}


async def test_a_lost_answer_leaves_a_module_that_a_second_install_finds(base: Simulated) -> None:
    await base.install("orders:1")

    assert isinstance(await base.install("orders:1"), Repeated)


async def test_what_is_not_there_is_not_found(base: Simulated) -> None:
    assert isinstance(await base.client.uninstall(base.address, "orders", "1"), NotFound)
    assert isinstance(await base.client.switch(base.address, "orders", "1"), NotFound)


async def test_a_module_whose_start_fails_is_refused_with_its_cause_and_gone(base: Simulated) -> None:
    base.arklet.behaviour = Behaviour(fail_install=("orders",))

    refused = await base.install("orders:1")

    assert isinstance(refused, Refused)
    assert refused.failure is FailureClass.PERMANENT
    assert refused.message.startswith("the module's start failed: ")
    assert await base.listed() == {}


async def test_a_failed_module_that_stays_is_broken_repeated_and_not_to_be_switched_to(base: Simulated) -> None:
    base.arklet.behaviour = Behaviour(fail_install=("orders",), auto_uninstall=False)
    await base.install("orders:1")

    assert await base.listed() == {"orders:1": BizState.BROKEN}
    assert isinstance(await base.install("orders:1"), Repeated)
    assert isinstance(await base.client.switch(base.address, "orders", "1"), IllegalState)


async def test_a_failed_uninstall_is_refused_though_the_module_goes(base: Simulated) -> None:
    await base.install("orders:1")
    base.arklet.behaviour = Behaviour(fail_uninstall=("orders",))

    refused = await base.client.uninstall(base.address, "orders", "1")

    assert isinstance(refused, Refused)
    assert "stop hook" in refused.message
    assert await base.listed() == {}


async def test_states_of_an_old_runtime_are_read(base: Simulated) -> None:
    base.arklet.behaviour = Behaviour(upper_case_states=True)

    await base.install("orders:1")

    assert await base.listed() == {"orders:1": BizState.ACTIVATED}


async def test_a_jar_of_another_identity_is_told(base: Simulated) -> None:
    base.arklet.behaviour = Behaviour(identity=(("orders:1", "stock:7"),))

    done = await base.install("orders:1")

    assert isinstance(done, Done)
    assert done.identity == "stock:7"


async def test_the_records_say_what_became_of_a_module(base: Simulated) -> None:
    await base.install("orders:1")
    await base.install("orders:2")

    listing = await base.client.query(base.address)

    assert isinstance(listing, Listing)
    second = next(biz for biz in listing.modules if biz.version == "2")
    assert isinstance(second, Biz)
    assert [(record.reason, record.message) for record in second.records] == [
        ("Created", ""),
        ("Started", "start but is deactivated"),
    ]


async def test_an_operation_goes_on_when_its_caller_gave_up_and_the_base_is_busy_with_it(base: Simulated) -> None:
    base.arklet.behaviour = Behaviour(install_delay_s=60)
    hasty = attrs.evolve(base.client, operation_timeout_s=0.05)

    unclear = await hasty.install(base.address, "orders", "1", URL)

    assert isinstance(unclear, Unclear)
    assert isinstance(await base.install("orders:1"), Busy)
    assert await base.listed() == {"orders:1": BizState.RESOLVED}
    base.clock.advance(60)
    assert await base.listed() == {"orders:1": BizState.ACTIVATED}


async def test_a_base_that_restarts_drops_the_call_and_has_lost_its_modules(base: Simulated) -> None:
    await base.install("stock:1")
    base.arklet.behaviour = Behaviour(install_delay_s=60)
    outcomes = []

    async def call() -> None:
        outcomes.append(await base.install("orders:1"))

    async with anyio.create_task_group() as group:
        group.start_soon(call)
        while "orders:1" not in base.arklet.modules():
            await anyio.lowlevel.checkpoint()
        base.arklet.restart()

    assert [isinstance(outcome, Unclear) for outcome in outcomes] == [True]
    assert await base.listed() == {}


async def test_a_base_that_never_answers_is_unclear(base: Simulated) -> None:
    base.arklet.behaviour = Behaviour(silent=True)

    answer = await attrs.evolve(base.client, query_timeout_s=0.05).query(base.address)

    assert isinstance(answer, Unclear)
    assert answer.why == "timeout"
