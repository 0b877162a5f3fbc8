from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from moduledeploy.kube.errors import AlreadyExists, Conflict, NotLeading
from moduledeploy.kube.resources import JSON_PATCH, ObjectKey
from moduledeploy.kube.writer import OpenGate, Writer, Written
from tests.clock import ManualClock
from tests.kube.server import Answer, Reply, ScriptedServer, failure
from tests.kube.things import THINGS, key, thing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class ClosedGate:
    def check(self) -> None:
        raise NotLeading("not leading")


@asynccontextmanager
async def writing(*script: Answer) -> AsyncIterator[tuple[Writer, ScriptedServer]]:
    server = ScriptedServer(*script)
    async with server.running(), server.transport(ManualClock()) as transport:
        yield Writer(transport=transport, gate=OpenGate()), server


async def test_a_creation_gives_what_the_server_made_of_it() -> None:
    async with writing(Reply(thing("a", 11), status=201)) as (writer, server):
        written = await writer.create(THINGS, "default", {"spec": {"size": 1}})

    assert written == Written("a", "uid-a", "11")
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/apis/example.com/v1/namespaces/default/things")
    assert json.loads(request.body) == {"spec": {"size": 1}}


async def test_a_patch_is_a_merge_of_the_named_subresource_unless_told_otherwise() -> None:
    async with writing(Reply(thing("a", 12)), Reply(thing("a", 13))) as (writer, server):
        await writer.patch(THINGS, key("a"), {"status": {"n": 1}}, subresource="status")
        await writer.patch(THINGS, key("a"), [{"op": "remove", "path": "/x"}], content_type=JSON_PATCH)

    merge, json_patch = server.requests
    assert merge.path == "/apis/example.com/v1/namespaces/default/things/a/status"
    assert merge.headers["Content-Type"] == "application/merge-patch+json"
    assert json_patch.headers["Content-Type"] == "application/json-patch+json"


async def test_a_deletion_carries_its_preconditions() -> None:
    async with writing(Reply(thing("a", 12))) as (writer, server):
        written = await writer.delete(THINGS, key("a"), uid="uid-a", resource_version="11", propagation="Background")

    assert written.resource_version == "12", "it has finalizers and stays for now"
    assert json.loads(server.requests[0].body) == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": "uid-a", "resourceVersion": "11"},
        "propagationPolicy": "Background",
    }


async def test_a_deletion_that_is_done_at_once_has_no_version() -> None:
    answer = {"kind": "Status", "status": "Success", "metadata": {}, "details": {"name": "a", "uid": "uid-a"}}
    async with writing(Reply(answer)) as (writer, _):
        assert await writer.delete(THINGS, key("a")) == Written("a", "uid-a", "")


@pytest.mark.parametrize(("reason", "expected"), [("Conflict", Conflict), ("AlreadyExists", AlreadyExists)])
async def test_a_refused_write_is_never_sent_again(reason: str, expected: type[Exception]) -> None:
    async with writing(failure(409, reason), Reply(thing("a", 1))) as (writer, server):
        with pytest.raises(expected):
            await writer.create(THINGS, "default", {})

    assert len(server.requests) == 1


async def test_a_closed_gate_lets_nothing_through() -> None:
    server = ScriptedServer(Reply(thing("a", 1)))
    async with server.running(), server.transport(ManualClock()) as transport:
        writer = Writer(transport=transport, gate=ClosedGate())
        for call in (
            writer.create(THINGS, "default", {}),
            writer.patch(THINGS, key("a"), {}),
            writer.delete(THINGS, key("a")),
        ):
            with pytest.raises(NotLeading):
                await call

    assert server.requests == []


async def test_cluster_wide_kinds_have_no_namespace_in_their_path() -> None:
    async with writing(Reply(thing("a", 1))) as (writer, server):
        await writer.patch(THINGS, ObjectKey("", "a"), {})

    assert server.requests[0].path == "/apis/example.com/v1/things/a"


async def test_a_gate_that_closes_while_a_connection_is_made_lets_nothing_through() -> None:
    """A process that was stopped in that very moment goes on with the request when it wakes."""
    server, asked = ScriptedServer(Reply(), Reply()), list[int]()

    class ClosingGate:
        def check(self) -> None:
            asked.append(1)
            if len(asked) == 2:
                raise NotLeading("no more")

    async with server.running(), server.transport(ManualClock()) as transport:
        writer = Writer(transport=transport, gate=ClosingGate())
        with pytest.raises(NotLeading):
            await writer.patch(THINGS, key("a"), {})
        assert server.requests == []

        await writer.patch(THINGS, key("a"), {})

    assert len(server.requests) == 1
