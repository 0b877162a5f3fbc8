"""Contexts for fixtures."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@contextlib.asynccontextmanager
async def in_own_task(context: contextlib.AbstractAsyncContextManager[Any]) -> AsyncIterator[Any]:
    """Enter and leave the context in one task, as task groups demand and a fixture's two halves don't."""
    entered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    leave = asyncio.Event()

    async def hold() -> None:
        async with context as value:
            entered.set_result(value)
            await leave.wait()

    holder = asyncio.create_task(hold())
    await asyncio.wait({entered, holder}, return_when=asyncio.FIRST_COMPLETED)
    if holder.done():
        await holder
    try:
        yield entered.result()
    finally:
        leave.set()
        await holder
