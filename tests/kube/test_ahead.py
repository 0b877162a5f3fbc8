from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from moduledeploy.kube.ahead import PagesAhead
from moduledeploy.kube.errors import Gone

BUILT_IN = b'{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"9","continue":"%s"},"items":[%s]}'
CUSTOM = b'{"apiVersion":"v1","items":[%s],"kind":"ThingList","metadata":{"continue":"%s","resourceVersion":"9"}}'


class Server:
    """Gives pages by token, and notes when each was asked for."""

    def __init__(self, **pages: bytes | Exception) -> None:
        self.pages = pages
        self.asked: list[str] = []

    async def fetch(self, token: str) -> bytes:
        self.asked.append(token)
        await anyio.lowlevel.checkpoint()
        page = self.pages[token or "first"]
        if isinstance(page, Exception):
            raise page
        return page


@pytest.mark.parametrize("first", [BUILT_IN % (b"t1", b"{}" * 2000), CUSTOM % (b"{}" * 2000, b"t1")])
async def test_the_next_page_is_asked_for_before_the_one_before_it_is_decoded(first: bytes) -> None:
    server = Server(first=first, t1=BUILT_IN % (b"", b""))
    async with anyio.create_task_group() as group:
        pages = PagesAhead(group, server.fetch)

        assert await pages.read("") == first
        assert server.asked == ["", "t1"]
        assert await pages.read("t1") == server.pages["t1"]
    assert server.asked == ["", "t1"]


async def test_a_fault_of_a_page_that_was_asked_for_ahead_comes_when_it_is_wanted_and_the_page_can_be_read_again() -> (
    None
):
    server = Server(first=BUILT_IN % (b"t1", b""), t1=Gone("too old"))
    async with anyio.create_task_group() as group:
        pages = PagesAhead(group, server.fetch)
        await pages.read("")

        with pytest.raises(Gone):
            await pages.read("t1")

        server.pages["t1"] = b"{}"
        assert await pages.read("t1") == b"{}"


async def test_a_reading_that_begins_anew_takes_nothing_of_the_one_before() -> None:
    server = Server(first=BUILT_IN % (b"t1", b""), t1=b"old")
    async with anyio.create_task_group() as group:
        pages = PagesAhead(group, server.fetch)
        await pages.read("")
        server.pages["first"] = b"new"

        assert await pages.read("") == b"new"


async def test_what_only_looks_like_a_token_costs_a_request_and_nothing_else() -> None:
    item = b'{"metadata":{"annotations":{"note":"x","continue":"never"}}}'
    server = Server(first=CUSTOM % (item, b""), never=Gone("no such token"))
    async with anyio.create_task_group() as group:
        pages = PagesAhead(group, server.fetch)

        assert await pages.read("") == server.pages["first"]
    assert server.asked == ["", "never"]
