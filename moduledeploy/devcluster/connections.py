"""Connections of the HTTP server: what aiohttp's parser refuses to read is answered as kube-apiserver would."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMethod

from moduledeploy.devcluster.bodies import MAX_BODY

if TYPE_CHECKING:
    from aiohttp import StreamReader
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http import RawRequestMessage

    from moduledeploy.devcluster.server import Server

_LIMIT: Final = 1 << 20  # Go's net/http DefaultMaxHeaderBytes
_REQUEST_LINE: Final = re.compile(r"b'([A-Z-]+) (/\S*) HTTP/")


class Listener(web.Server):
    """Makes a connection for each client."""

    def __init__(self, server: Server) -> None:
        super().__init__(server.handle, request_factory=_request)
        self._server = server

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, self._server)


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: web.RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_BODY)


class _Connection(web.RequestHandler):
    """Answers methods that HTTP doesn't know, and then closes."""

    def __init__(self, listener: Listener, server: Server) -> None:
        super().__init__(
            listener, loop=asyncio.get_running_loop(), max_line_size=_LIMIT, max_field_size=_LIMIT, max_headers=_LIMIT,
            auto_decompress=False,
        )  # fmt: skip
        self._server = server

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        line = _REQUEST_LINE.search(message or "") if isinstance(exc, BadHttpMethod) else None
        if line is None:
            return super().handle_error(request, status, exc, message)
        response = self._server.refuse_method(line[1], unquote(urlsplit(line[2]).path))
        response.force_close()
        return response
