"""Many at once only once it is known that one succeeds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import attrs
import pytest

from moduledeploy.controllers.slowstart import PROVEN_S, SlowStart
from tests.clock import ManualClock


@attrs.define
class Writes:
    """What was begun and has not ended; a test ends them one by one."""

    begun: list[int] = attrs.field(factory=list)
    called_off: list[int] = attrs.field(factory=list)
    _ends: dict[int, anyio.Event] = attrs.field(factory=dict)
    _refused: set[int] = attrs.field(factory=set)

    async def run(self, number: int) -> None:
        self.begun.append(number)
        self._ends[number] = anyio.Event()
        try:
            await self._ends[number].wait()
        except BaseException:
            self.called_off.append(number)
            raise
        if number in self._refused:
            raise PermissionError(number)

    async def succeed(self, *numbers: int) -> None:
        for number in numbers:
            self._ends.pop(number).set()
        await anyio.wait_all_tasks_blocked()

    async def fail(self, number: int) -> None:
        self._refused.add(number)
        await self.succeed(number)


@asynccontextmanager
async def running(start: SlowStart, writes: Writes, count: int) -> AsyncIterator[list[Exception]]:
    """What a run raises."""
    raised: list[Exception] = []

    async def run() -> None:
        try:
            await start.run(range(count), writes.run)
        except PermissionError as error:
            raised.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await anyio.wait_all_tasks_blocked()
        yield raised


async def begun_at_first(start: SlowStart) -> int:
    """How many of ten a run begins at once; all of them succeed."""
    writes = Writes()
    async with running(start, writes, 10):
        count = len(writes.begun)
        for number in range(10):
            await writes.succeed(number)
    return count


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def start(clock: ManualClock) -> SlowStart:
    return SlowStart(clock=clock, at_most=4)


async def test_the_first_goes_alone_and_each_success_lets_one_more_go_at_a_time(start: SlowStart) -> None:
    writes = Writes()

    async with running(start, writes, 9):
        assert writes.begun == [0]
        await writes.succeed(0)
        assert writes.begun == [0, 1, 2]
        await writes.succeed(1)
        assert writes.begun == [0, 1, 2, 3, 4]  # number 2 may take as long as it likes
        await writes.succeed(2)
        assert len(writes.begun) == 7
        await writes.succeed(3)
        assert len(writes.begun) == 8  # never more than four at once
        await writes.succeed(4, 5, 6, 7)
        await writes.succeed(8)

    assert writes.begun == list(range(9))


async def test_a_run_goes_on_where_the_one_before_ended__but_not_for_long(start: SlowStart, clock: ManualClock) -> None:
    assert await begun_at_first(start) == 1
    clock.advance(PROVEN_S)
    assert await begun_at_first(start) == 4
    clock.advance(PROVEN_S + 1)
    assert await begun_at_first(start) == 1


async def test_what_may_begin_at_once_does() -> None:
    assert await begun_at_first(SlowStart(clock=ManualClock(), at_least=4, at_most=4)) == 4


@pytest.mark.parametrize("succeeded", [0, 1, 2])
async def test_after_a_failure_nothing_begins_and_what_is_under_way_is_called_off(
    succeeded: int, start: SlowStart
) -> None:
    writes = Writes()

    async with running(start, writes, 100) as raised:
        for number in range(succeeded):
            await writes.succeed(number)
        under_way = writes.begun[succeeded:]
        await writes.fail(succeeded)

    assert [error.args for error in raised] == [(succeeded,)]
    assert writes.begun == [*range(succeeded), *under_way]
    assert sorted(writes.called_off) == under_way[1:]
    assert len(under_way) <= succeeded + 1
    assert await begun_at_first(start) == 1
