"""Pages of a list, asked for one ahead: while one is decoded, the server makes the next."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import anyio
import attrs

from moduledeploy.kube.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

# A list's own metadata stands before its items or after them, by the server's encoder. No item's metadata has this field; should
# a text in it look the same, then a page is asked for that nobody takes.
_TOKEN: Final = re.compile(rb'"continue":"([^"\\]+)"')
_WHERE_BYTES: Final = 2048


@attrs.define
class _Page:
    token: str
    is_there: anyio.Event = attrs.field(factory=anyio.Event)
    body: bytes = b""
    error: ApiError | None = None


@attrs.define
class PagesAhead:
    """Fetches pages in order, each as soon as the one before is there; `fetch` raises ApiError, which then comes out of `read`.

    Holds one page that was not asked for yet, some megabytes at most.
    """

    group: TaskGroup
    fetch: Callable[[str], Awaitable[bytes]]
    _next: _Page | None = attrs.field(default=None, init=False)

    async def read(self, token: str) -> bytes:
        """The page that `token` names; the first one for an empty token."""
        page, self._next = self._next, None
        if page is None or page.token != token:
            page = _Page(token)
            await self._fetch(page)
        await page.is_there.wait()
        if page.error is not None:
            raise page.error
        following = _token_of(page.body)
        if following:
            self._next = _Page(following)
            self.group.start_soon(self._fetch, self._next)
            # Sent before the caller begins to decode.
            await anyio.lowlevel.checkpoint()
        return page.body

    async def _fetch(self, page: _Page) -> None:
        try:
            page.body = await self.fetch(page.token)
        except ApiError as error:
            page.error = error
        page.is_there.set()


def _token_of(body: bytes) -> str:
    found = _TOKEN.search(body[:_WHERE_BYTES]) or _TOKEN.search(body[-_WHERE_BYTES:])
    return found[1].decode() if found else ""
