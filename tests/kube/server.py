"""An API server that says what a test tells it to, over real HTTP on loopback."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from enum import Enum
from typing import TYPE_CHECKING

import attrs
from aiohttp import web

from moduledeploy.kube.credentials import Credentials
from moduledeploy.kube.errors import Status
from moduledeploy.kube.transport import Transport
from moduledeploy.runtime.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from moduledeploy.kube.credentials import TokenSource
    from moduledeploy.runtime.clock import Clock


class Then(Enum):
    """How a stream goes on after its last line."""

    HANG = "the connection stays open, and nothing comes"
    END = "the server ends the answer in order"
    CUT = "the connection breaks"


@attrs.frozen
class Reply:
    """One whole answer."""

    body: object = attrs.field(factory=dict)
    status: int = 200
    headers: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen
class Stream:
    """A watch: these bytes, then what `then` says; `until` holds the rest back."""

    lines: list[bytes] = attrs.field(factory=list)
    then: Then = Then.HANG


@attrs.frozen
class Request:
    """What came in."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes
    headers: dict[str, str]


class Hang:
    """No answer at all."""


class Refuse:
    """The connection is broken before any answer."""


Answer = Reply | Stream | Hang | Refuse


class ScriptedServer:
    """Answers requests in order from `script`; when that is used up it hangs."""

    def __init__(self, *script: Answer) -> None:
        self.script = list(script)
        self.requests: list[Request] = []
        self.open_streams: list[web.StreamResponse] = []
        self._stopping = asyncio.Event()
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(
            Request(
                request.method,
                request.path,
                dict(request.query),
                await request.read(),
                dict(request.headers),
            )
        )
        answer = self.script.pop(0) if self.script else Hang()
        match answer:
            case Reply(body=body, status=status, headers=headers):
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                return web.Response(body=data, status=status, headers=headers, content_type="application/json")
            case Stream(lines=lines, then=then):
                return await self._stream(request, lines, then)
            case Refuse():
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            case Hang():
                await self._stopping.wait()
                return web.Response()

    async def _stream(self, request: web.Request, lines: list[bytes], then: Then) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        for line in lines:
            await response.write(line)
        if then is Then.CUT:
            await asyncio.sleep(0)
            assert request.transport is not None
            request.transport.abort()
        if then is Then.HANG:
            self.open_streams.append(response)
            await self._stopping.wait()
        return response

    @asynccontextmanager
    async def running(self) -> AsyncIterator[ScriptedServer]:
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self.answer)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        try:
            yield self
        finally:
            self._stopping.set()
            await runner.cleanup()

    def transport(
        self, clock: Clock, metrics: Metrics | None = None, token: TokenSource | None = None, **options: int
    ) -> Transport:
        """A client of this server that never adds jitter."""
        credentials = Credentials(host=self.url) if token is None else Credentials(host=self.url, token=token)
        return Transport(
            credentials=credentials,
            user_agent="moduledeploy/test",
            metrics=(metrics or Metrics()).client,
            clock=clock,
            draw=lambda: 0.0,
            **options,
        )


def status(code: int, reason: str, *, causes: tuple[str, ...] = (), message: str = "") -> dict[str, object]:
    """A Status body as the API sends it."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message or reason,
        "reason": reason,
        "code": code,
        "details": {"causes": [{"reason": cause, "message": cause} for cause in causes]},
    }


def failure(code: int, reason: str, *, causes: tuple[str, ...] = (), retry_after: int | None = None) -> Reply:
    """An answer that is no success."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Reply(status(code, reason, causes=causes), status=code, headers=headers)


__all__ = ["Answer", "Hang", "Refuse", "Reply", "Request", "ScriptedServer", "Status", "Stream", "Then"]
