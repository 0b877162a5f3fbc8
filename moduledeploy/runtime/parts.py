"""Parts of a process that live as long as it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import NoReturn


class EndedEarly(Exception):
    """Raised when a part came to an end that has none; only a new process is whole again."""


async def run_for_good(part: Callable[[], Awaitable[object]]) -> NoReturn:
    """Run a part until cancelled; whatever it raises comes out, and should it just end, EndedEarly with its name.

    Start it in the task group of all parts: then the others end with it, and the process with them.
    """
    await part()
    raise EndedEarly(f"{getattr(part, '__qualname__', part)} ended by itself")
