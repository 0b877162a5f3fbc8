from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from moduledeploy.runtime.parts import EndedEarly, run_for_good

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


async def together(*parts: Callable[[], Awaitable[object]]) -> None:
    async with anyio.create_task_group() as group:
        for part in parts:
            group.start_soon(run_for_good, part)


async def test_34_a_part_that_returns_early_takes_the_others_down_and_is_named() -> None:
    was_cancelled = False

    async def other() -> None:
        nonlocal was_cancelled
        try:
            await anyio.sleep_forever()
        finally:
            was_cancelled = True

    async def broken() -> None:
        await anyio.lowlevel.checkpoint()

    with pytest.raises(ExceptionGroup) as raised:
        await together(other, broken)

    (error,) = raised.value.exceptions
    assert isinstance(error, EndedEarly)
    assert "broken ended by itself" in str(error)
    assert was_cancelled


async def test_34_a_part_that_fails_takes_the_others_down_with_its_own_error() -> None:
    async def broken() -> None:
        raise OSError("no space left")

    with pytest.raises(ExceptionGroup) as raised:
        await together(anyio.sleep_forever, broken)

    assert [str(error) for error in raised.value.exceptions] == ["no space left"]
