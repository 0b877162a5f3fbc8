"""Metrics over TLS for those whom the API server knows and lets, on the embedded server with authorization on."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aiohttp
import attrs
import pytest
import yaml

from moduledeploy.devcluster.cluster import DevCluster
from moduledeploy.kube.config import load_credentials
from moduledeploy.kube.guard import Guard
from moduledeploy.kube.reviews import Reviewer
from moduledeploy.kube.transport import Transport
from moduledeploy.runtime.certificate import ServingCertificate
from moduledeploy.runtime.http import metrics_app, serving
from moduledeploy.runtime.metrics import Metrics
from tests.clock import ManualClock
from tests.ops.tools import MANIFESTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CERTS: Final = Path(__file__).parents[1] / "kube" / "certs"
RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"


@attrs.frozen
class World:
    """The API server with two accounts, of which `reader` may read metrics, and an address that serves them."""

    transport: Transport
    clock: ManualClock
    metrics: Metrics
    port: int

    async def token(self, account: str) -> str:
        path = f"/api/v1/namespaces/default/serviceaccounts/{account}/token"
        spec = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
        return str(json.loads(await self.transport.request("POST", path, body=spec))["status"]["token"])

    async def read(self, authorization: str | None = None) -> int:
        trusted = ssl.create_default_context(cafile=str(CERTS / "first-ca.crt"))
        headers = {"Authorization": authorization} if authorization else {}
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"https://127.0.0.1:{self.port}/metrics", headers=headers, ssl=trusted) as response,
        ):
            body = await response.text()
            assert ("moduledeploy_build_info" in body) == (response.status == 200)
            return response.status

    def reviews(self) -> float:
        return sum(
            sample.value
            for family in self.metrics.registry.collect()
            for sample in family.samples
            if sample.name == "rest_client_requests_total" and sample.labels["method"] == "POST"
        )


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    metrics, clock = Metrics(), ManualClock()
    async with DevCluster(rbac=True) as cluster:
        cluster.write_kubeconfig(folder / "kubeconfig")
        credentials = await load_credentials(kubeconfig=str(folder / "kubeconfig"))
        async with Transport(credentials=credentials, user_agent="test", metrics=metrics.client) as transport:
            await prepare(transport)
            for name in ("crt", "key"):
                shutil.copy(CERTS / f"first-server.{name}", folder / f"tls.{name}")
            app = metrics_app(metrics.registry, guard=Guard(Reviewer(transport, clock)))
            certificate = ServingCertificate(folder, clock, metrics.certificate)
            async with serving(app, host="127.0.0.1", port=0, tls=certificate.context) as port:
                yield World(transport, clock, metrics, port)


async def prepare(transport: Transport) -> None:
    role = yaml.safe_load((MANIFESTS / "rbac" / "metrics-reader-role.yaml").read_text())
    binding = {
        "metadata": {"name": "scraper"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role["metadata"]["name"]},
        "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": "default"}],
    }
    for account in ("reader", "stranger"):
        body = {"metadata": {"name": account}}
        await transport.request("POST", "/api/v1/namespaces/default/serviceaccounts", body=body)
    await transport.request("POST", f"{RBAC}/clusterroles", body=role)
    await transport.request("POST", f"{RBAC}/clusterrolebindings", body=binding)


async def test_who_has_the_role_reads_the_metrics(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        assert await here.read(f"Bearer {await here.token('reader')}") == 200


async def test_who_lacks_it_is_refused_by_name(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        assert await here.read(f"Bearer {await here.token('stranger')}") == 403


@pytest.mark.parametrize("authorization", [None, "Bearer", "Bearer x.y.z", "Basic dTpw", "Bearer " + "x" * 20_000])
async def test_who_is_nobody_is_asked_for_a_token(tmp_path: Path, authorization: str | None) -> None:
    async with world(tmp_path) as here:
        assert await here.read(authorization) in ({401} if len(authorization or "") < 10_000 else {400, 401})


async def test_an_answer_is_kept_for_a_minute(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        bearer = f"Bearer {await here.token('reader')}"
        before = here.reviews()
        assert {await here.read(bearer) for _ in range(5)} == {200}
        assert here.reviews() == before + 2

        here.clock.advance(61)
        assert await here.read(bearer) == 200
        assert here.reviews() == before + 3


async def test_a_right_that_was_given_counts_within_half_a_minute(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        bearer = f"Bearer {await here.token('stranger')}"
        assert await here.read(bearer) == 403
        change = {"subjects": [{"kind": "ServiceAccount", "name": "stranger", "namespace": "default"}]}
        path = f"{RBAC}/clusterrolebindings/scraper"
        await here.transport.request("PATCH", path, body=change, content_type="application/merge-patch+json")

        here.clock.advance(31)

        assert await here.read(bearer) == 200


async def test_metrics_stay_closed_when_nobody_can_tell(tmp_path: Path) -> None:
    class Broken:
        async def request(self, *_: object, **__: object) -> bytes:
            return b"no review"

    guard = Guard(Reviewer(Broken(), ManualClock()))  # type: ignore[arg-type]

    assert await guard.status("Bearer token", "GET", "/metrics") == 500


async def served_certificate(port: int) -> bytes | None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
        return tls.getpeercert(binary_form=True)
    finally:
        writer.close()
        await writer.wait_closed()


async def test_a_new_certificate_is_served_without_a_restart(tmp_path: Path) -> None:
    def put(name: str) -> None:
        for kind in ("crt", "key"):
            shutil.copy(CERTS / f"{name}-server.{kind}", tmp_path / f"tls.{kind}")

    put("first")
    metrics = Metrics()
    certificate = ServingCertificate(tmp_path, ManualClock(), metrics.certificate)
    async with serving(metrics_app(metrics.registry), host="127.0.0.1", port=0, tls=certificate.context) as port:
        first = await served_certificate(port)
        put("second")
        certificate.look()
        second = await served_certificate(port)
    assert metrics.registry.get_sample_value("certwatcher_read_certificate_total") == 2

    assert first != second
    assert second == ssl.PEM_cert_to_DER_cert((CERTS / "second-server.crt").read_text())


async def test_a_pair_that_does_not_match_leaves_the_old_one_in_service(tmp_path: Path) -> None:
    for kind in ("crt", "key"):
        shutil.copy(CERTS / f"first-server.{kind}", tmp_path / f"tls.{kind}")
    metrics = Metrics()
    certificate = ServingCertificate(tmp_path, ManualClock(), metrics.certificate)
    shutil.copy(CERTS / "second-server.crt", tmp_path / "tls.crt")

    certificate.look()

    value = metrics.registry.get_sample_value
    assert value("certwatcher_read_certificate_total") == 1
    assert value("certwatcher_read_certificate_errors_total") == 1
    async with serving(metrics_app(metrics.registry), host="127.0.0.1", port=0, tls=certificate.context) as port:
        assert await served_certificate(port) == ssl.PEM_cert_to_DER_cert((CERTS / "first-server.crt").read_text())
