"""Health and metrics over HTTP, each on a port of its own."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Protocol

import anyio
import anyio.to_thread
import attrs
from aiohttp import web
from prometheus_client import exposition

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Mapping

    from prometheus_client import CollectorRegistry

    from moduledeploy.runtime.metrics import HealthMetrics

    # A check gives nothing while all is well, else one line that says what is not.
    Check = Callable[[], str | None]

_SHUTDOWN_S: Final = 1.0


def health_app(*, live: Mapping[str, Check], ready: Mapping[str, Check], metrics: HealthMetrics) -> web.Application:
    """Serve /healthz and /readyz, each also by sub-check (/readyz/<name>), with ?verbose and ?exclude=<name>.

    The mappings are read at each request, so checks may be added later. 200 when every check passes, else 503 and the names
    of those that don't, with their reasons.
    """
    app = web.Application()
    for kind, checks in (("healthz", live), ("readyz", ready)):
        made = _Checks(kind, checks, metrics)
        app.router.add_get(f"/{kind}", made.all)
        app.router.add_get(f"/{kind}/{{name}}", made.one)
    return app


@attrs.frozen
class _Checks:
    """The checks of one path; what each came to is counted."""

    kind: str
    checks: Mapping[str, Check]
    metrics: HealthMetrics

    async def all(self, request: web.Request) -> web.Response:
        excluded = set(request.query.getall("exclude", []))
        results = {name: self._make(name, check) for name, check in sorted(self.checks.items()) if name not in excluded}
        failed = {name: why for name, why in results.items() if why is not None}
        if not failed and "verbose" not in request.query:
            return web.Response(text="ok")
        lines = [f"[+]{name} ok" if why is None else f"[-]{name} failed: {why}" for name, why in results.items()]
        lines += [f"[+]{name} excluded" for name in sorted(excluded & self.checks.keys())]
        lines.append(f"{self.kind} check {'failed' if failed else 'passed'}")
        return web.Response(text="\n".join(lines) + "\n", status=503 if failed else 200)

    async def one(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        check = self.checks.get(name)
        if check is None:
            raise web.HTTPNotFound(text="no such check\n")
        why = self._make(name, check)
        return web.Response(text="ok") if why is None else web.Response(text=f"{why}\n", status=503)

    def _make(self, name: str, check: Check) -> str | None:
        why = check()
        self.metrics.state.labels(name, self.kind).set(why is None)
        self.metrics.total.labels(name, self.kind, "success" if why is None else "error").inc()
        return why


class Guard(Protocol):
    """Decides who may read."""

    async def status(self, authorization: str | None, method: str, path: str) -> int:
        """The HTTP status for a request with this Authorization header; 200 lets it through."""


class NoGuard:
    """Lets everybody read."""

    async def status(self, authorization: str | None, method: str, path: str) -> int:  # noqa: ARG002  # the protocol's
        """Give 200."""
        return 200


def metrics_app(
    registry: CollectorRegistry, *, prepare: Callable[[], object] = lambda: None, guard: Guard | None = None
) -> web.Application:
    """Serve /metrics in the format the scraper asks for, rendered in a thread: 30 000 series take 0.2 s.

    One rendering at a time, so that many scrapers take no more of the processor than one. `prepare` is called in the event
    loop before each, for collectors that read what changes there.
    """

    checked = guard or NoGuard()
    turn = anyio.Lock()

    async def handle(request: web.Request) -> web.Response:
        status = await checked.status(request.headers.get("Authorization"), request.method, request.path)
        if status != 200:
            return web.Response(status=status, headers={"WWW-Authenticate": "Bearer"} if status == 401 else None)
        encode, content_type = exposition.choose_encoder(request.headers.get("Accept", ""))
        async with turn:
            prepare()
            # Not abandoned by a scraper that goes away: the next would render beside it.
            body = await anyio.to_thread.run_sync(encode, registry)
        return web.Response(body=body, headers={"Content-Type": content_type})

    app = web.Application()
    app.router.add_get("/metrics", handle)
    return app


@asynccontextmanager
async def serving(
    app: web.Application, *, host: str, port: int, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Serve `app` while inside, with TLS where a context is given; gives the port, a free one when `port` is 0.

    Raises OSError when the port is taken.
    """
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, ssl_context=tls).start()
        yield runner.addresses[0][1]
    finally:
        with anyio.move_on_after(2 * _SHUTDOWN_S, shield=True):
            await runner.cleanup()
