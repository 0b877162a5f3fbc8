"""Replaced certificates, on a TLS server that knows who is calling."""

from __future__ import annotations

import shutil
import ssl
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from moduledeploy.kube.credentials import Credentials, TlsFiles
from moduledeploy.kube.errors import Unreachable
from moduledeploy.kube.transport import Transport
from moduledeploy.runtime.metrics import Metrics
from tests.clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CERTS = Path(__file__).parent / "certs"


@asynccontextmanager
async def tls_server(name: str, *, trusts: str = "", port: int = 0) -> AsyncIterator[int]:
    """Answers with the name on the client's certificate."""

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        peer = request.transport.get_extra_info("peercert")
        return web.Response(text=str(dict(field[0] for field in peer["subject"])["commonName"]) if peer else "nobody")

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTS / f"{name}-server.crt", CERTS / f"{name}-server.key")
    if trusts:
        context.load_verify_locations(CERTS / trusts)
        context.verify_mode = ssl.CERT_REQUIRED
    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context, reuse_address=True).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    use("first", tmp_path)
    return TlsFiles(
        ca_file=str(tmp_path / "ca.crt"), cert_file=str(tmp_path / "tls.crt"), key_file=str(tmp_path / "tls.key")
    )


def use(name: str, folder: Path) -> None:
    for source, target in (("ca.crt", "ca.crt"), ("client.crt", "tls.crt"), ("client.key", "tls.key")):
        (folder / target).unlink(missing_ok=True)
        shutil.copy(CERTS / f"{name}-{source}", folder / target)


def client(port: int, files: TlsFiles, clock: ManualClock) -> Transport:
    return Transport(
        credentials=Credentials(host=f"https://127.0.0.1:{port}", tls=files),
        user_agent="test",
        metrics=Metrics().client,
        clock=clock,
    )


async def test_14_a_replaced_client_certificate_is_used_within_a_minute(files: TlsFiles, tmp_path: Path) -> None:
    clock = ManualClock()
    both = tmp_path / "both.crt"
    both.write_bytes((CERTS / "first-ca.crt").read_bytes() + (CERTS / "second-ca.crt").read_bytes())
    async with tls_server("first", trusts=str(both)) as port, client(port, files, clock) as transport:
        assert await transport.request("GET", "/") == b"first-client"
        use("second", tmp_path)
        shutil.copy(CERTS / "first-ca.crt", tmp_path / "ca.crt")

        assert await transport.request("GET", "/") == b"first-client"
        clock.advance(61)

        assert await transport.request("GET", "/") == b"second-client"


async def test_14_a_replaced_authority_is_trusted_at_once_when_the_old_one_fails(
    files: TlsFiles, tmp_path: Path
) -> None:
    clock = ManualClock()
    async with tls_server("first") as port:
        transport = client(port, files, clock)
        await transport.request("GET", "/")
    async with transport, tls_server("second", port=port):
        use("second", tmp_path)
        with pytest.raises(Unreachable) as caught:
            await transport.request("GET", "/")
        assert caught.value.reason == "tls"

        assert await transport.request("GET", "/") == b"nobody"


async def test_14_a_half_replaced_pair_keeps_the_old_one(files: TlsFiles, tmp_path: Path) -> None:
    clock = ManualClock()
    async with tls_server("first", trusts="first-ca.crt") as port, client(port, files, clock) as transport:
        await transport.request("GET", "/")
        shutil.copy(CERTS / "second-client.crt", tmp_path / "tls.crt")  # the key is still the old one's
        clock.advance(61)

        assert await transport.request("GET", "/") == b"first-client"


async def test_a_server_nobody_vouches_for_is_refused_unless_verification_is_off(tmp_path: Path) -> None:
    async with tls_server("second") as port:
        async with client(port, TlsFiles(ca_file=str(CERTS / "first-ca.crt")), ManualClock()) as transport:
            with pytest.raises(Unreachable) as caught:
                await transport.request("GET", "/")
        async with client(port, TlsFiles(is_verified=False), ManualClock()) as transport:
            assert await transport.request("GET", "/") == b"nobody"

    assert caught.value.reason == "tls"
    assert "certificate verify failed" in str(caught.value)


async def test_the_time_to_resolve_a_name_is_told_and_an_address_needs_none(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes((CERTS / "first-ca.crt").read_bytes())
    counts = []
    async with tls_server("first") as port:
        for name in ("localhost", "127.0.0.1"):
            metrics, host = Metrics(), f"{name}:{port}"
            credentials = Credentials(host=f"https://{host}", tls=TlsFiles(ca_file=str(tmp_path / "ca.crt")))
            async with Transport(credentials=credentials, user_agent="test", metrics=metrics.client) as transport:
                await transport.request("GET", "/")
            value = metrics.registry.get_sample_value
            counts.append(value("rest_client_dns_resolution_duration_seconds_count", {"host": host}))

    assert counts == [1, 0]
