"""What only the network shows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from moduledeploy.devcluster.arklet import Behaviour

if TYPE_CHECKING:
    from tests.clock import ManualClock
    from tests.devcluster.arklet.conftest import Base


def post(path: str, body: bytes = b"{}", *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: base", *(headers or [f"Content-Length: {len(body)}"])]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def body_of(answer: bytes) -> dict[str, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head == b"HTTP/1.1 200 OK"
    parsed: dict[str, Any] = json.loads(body)
    return parsed


INSTALL_SLOW = json.dumps({"bizName": "slow", "bizVersion": "1.0.0", "bizUrl": "https://jars/slow.jar"}).encode()


async def test_an_answer_has_no_headers_and_ends_the_connection(base: Base) -> None:
    answer, is_closed = await base.raw(post("/queryAllBiz"))

    assert answer == b'HTTP/1.1 200 OK\r\n\r\n{"baseIdentity":"10.244.1.7","code":"SUCCESS","data":[]}'
    assert is_closed


async def test_a_second_request_on_a_connection_is_dropped(base: Base) -> None:
    answer, is_closed = await base.raw(post("/queryAllBiz") * 2)

    assert body_of(answer)["data"] == []
    assert is_closed


async def test_bad_json_is_never_answered_but_a_good_request_after_it_is(base: Base) -> None:
    answer, is_closed = await base.raw(post("/nope", b"[1") + post("/queryAllBiz"))

    assert body_of(answer)["code"] == "SUCCESS"
    assert is_closed


async def test_the_query_string_and_content_type_are_ignored(base: Base) -> None:
    answer, _ = await base.raw(post("/queryAllBiz?x=1", b"{}", "Content-Length: 2", "Content-Type: text/plain"))

    assert body_of(answer)["code"] == "SUCCESS"


@pytest.mark.parametrize("line", [b"PUT /help HTTP/1.1", b"HEAD /help HTTP/1.1", b"rubbish", b"POST /help"])
async def test_what_is_no_post_is_refused_in_plain_text(base: Base, line: bytes) -> None:
    answer, is_closed = await base.raw(line + b"\r\nHost: base\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 500 Internal Server Error\r\nContent_Length: ")
    assert answer.endswith(b"\r\n\r\nPOST http request only supported by arklet")
    assert is_closed


async def test_a_body_of_a_mebibyte_is_read_and_a_larger_one_refused(base: Base) -> None:
    padding = 1024 * 1024 - len(b'{"x":""}')
    whole, _ = await base.raw(post("/queryAllBiz", b'{"x":"%s"}' % (b"a" * padding)))
    larger, is_closed = await base.raw(post("/queryAllBiz", b'{"x":"%s"}' % (b"a" * (padding + 1))), wait_s=0.05)

    assert body_of(whole)["code"] == "SUCCESS"
    assert larger == b"HTTP/1.1 413 Request Entity Too Large\r\ncontent-length: 0\r\n\r\n"
    assert not is_closed


async def test_chunks_and_expect_continue_work(base: Base) -> None:
    chunked = b"3;x=y\r\n{} \r\n0\r\nTrailer: t\r\n\r\n"
    answer, _ = await base.raw(post("/queryAllBiz", chunked, "Transfer-Encoding: chunked"))
    expected, _ = await base.raw(post("/queryAllBiz", b"{}", "Content-Length: 2", "Expect: 100-continue"))

    assert body_of(answer)["code"] == "SUCCESS"
    assert body_of(expected.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n"))["code"] == "SUCCESS"


async def test_a_command_blocks_its_loop_and_so_every_later_connection_dealt_to_it(
    base: Base, clock: ManualClock
) -> None:
    base.arklet.behaviour = Behaviour(cores=2)
    answered: list[int] = []

    async def query(number: int) -> None:
        await base.raw(post("/queryAllBiz"))
        answered.append(number)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(base.raw, post("/installBiz", INSTALL_SLOW))
        await anyio.sleep(0.02)
        for number in range(1, 9):
            tasks.start_soon(query, number)
            await anyio.sleep(0.005)
        await anyio.sleep(0.02)
        before = list(answered)
        await clock.run_for(6)

    assert before == [1, 2, 3, 5, 6, 7]
    assert sorted(answered) == list(range(1, 9))


async def test_an_operation_outlives_its_client(base: Base, clock: ManualClock) -> None:
    _, writer = await base.connect()
    writer.write(post("/installBiz", INSTALL_SLOW))
    await anyio.sleep(0.02)

    writer.transport.abort()
    await anyio.sleep(0.02)
    await clock.run_for(6)

    assert base.arklet.modules() == {"slow:1.0.0": "activated"}
    assert base.arklet.effects.installs == {"slow:1.0.0": 1}


async def test_a_closed_port_refuses_connections_and_drops_open_ones(base: Base) -> None:
    async with anyio.create_task_group() as tasks:

        async def install() -> None:
            assert await base.raw(post("/installBiz", INSTALL_SLOW)) == (b"", True)

        tasks.start_soon(install)
        await anyio.sleep(0.02)
        base.ports.close("127.0.0.1", base.port)

    with pytest.raises(OSError, match=r"refused|Connect"):
        await base.connect()


async def test_a_restart_ends_running_commands_without_an_answer(base: Base) -> None:
    async with anyio.create_task_group() as tasks:

        async def install() -> None:
            assert await base.raw(post("/installBiz", INSTALL_SLOW)) == (b"", True)

        tasks.start_soon(install)
        await anyio.sleep(0.02)
        base.arklet.restart()

    assert base.arklet.modules() == {}
    assert base.arklet.effects.installs == {}


async def test_a_silent_base_accepts_and_never_answers(base: Base) -> None:
    base.arklet.behaviour = Behaviour(silent=True)

    assert await base.raw(post("/queryAllBiz"), wait_s=0.05) == (b"", False)


async def test_two_bases_share_a_port_number_on_different_addresses(base: Base) -> None:
    base.ports.open("127.0.0.2", base.port, base.arklet)

    with pytest.raises(OSError, match="in use"):
        base.ports.open("127.0.0.2", base.port, base.arklet)
