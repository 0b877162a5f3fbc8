"""The whole library against the embedded API server, which answers as a real one does, and a network that doesn't."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest

from moduledeploy.devcluster.cluster import DevCluster
from moduledeploy.kube.config import load_credentials
from moduledeploy.kube.credentials import Credentials
from moduledeploy.kube.errors import AlreadyExists, Conflict, Invalid, NotFound
from moduledeploy.kube.events import Recorder, Reference
from moduledeploy.kube.informer import Informer
from moduledeploy.kube.lease import Elector, LeaderGate
from moduledeploy.kube.phases import Means
from moduledeploy.kube.reflector import WatchRules
from moduledeploy.kube.resources import ObjectKey, Resource
from moduledeploy.kube.transport import Transport
from moduledeploy.kube.writer import OpenGate, Writer
from moduledeploy.runtime.clock import SystemClock
from moduledeploy.runtime.metrics import Metrics
from tests.clock import eventually
from tests.kube.proxy import proxied

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SERVICES = Resource("", "v1", "services", "Service")


@attrs.frozen
class Meta:
    name: str
    namespace: str
    uid: str
    resourceVersion: str  # noqa: N815  # as on the wire
    labels: dict[str, str] = attrs.field(factory=dict)


@attrs.frozen
class Service:
    metadata: Meta


def body(name: str, **labels: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default", "labels": labels},
        "spec": {"ports": [{"port": 80}]},
    }


@pytest.fixture
async def cluster() -> AsyncIterator[DevCluster]:
    async with DevCluster(controllers=False) as cluster:
        yield cluster


@asynccontextmanager
async def connected(url: str, metrics: Metrics | None = None) -> AsyncIterator[Transport]:
    async with Transport(
        credentials=Credentials(host=url), user_agent="moduledeploy/test", metrics=(metrics or Metrics()).client
    ) as transport:
        yield transport


def services_informer(transport: Transport, metrics: Metrics, rules: WatchRules | None = None) -> Informer[Service]:
    return Informer(
        resource=SERVICES,
        object_type=Service,
        transport=transport,
        metrics=metrics.informer,
        namespace="default",
        indexes={"colour": lambda obj: [obj.metadata.labels.get("colour", "")]},
        rules=rules,
        draw=lambda: 1.0,  # the shortest pauses there are
    )


class Mutator:
    """Changes Services at random and knows what there should be."""

    def __init__(self, cluster: DevCluster, seed: int) -> None:
        self.cluster = cluster
        self.random = random.Random(seed)

    def act(self) -> None:
        name = f"s{self.random.randrange(20)}"
        colour = self.random.choice(["red", "green", "blue"])
        exists = name in self.there()
        if not exists:
            self.cluster.api.create("services", body(name, colour=colour))
        elif self.random.random() < 0.4:
            self.cluster.api.delete("services", name, namespace="default")
        else:
            patch = {"metadata": {"labels": {"colour": colour}}}
            self.cluster.api.patch("services", name, patch, namespace="default")

    def there(self) -> dict[str, tuple[str, str]]:
        found = self.cluster.api.list("services", namespace="default")
        return {obj["metadata"]["name"]: (obj["metadata"]["uid"], obj["metadata"]["resourceVersion"]) for obj in found}


def held(informer: Informer[Service]) -> dict[str, tuple[str, str]]:
    return {obj.metadata.name: (obj.metadata.uid, obj.metadata.resourceVersion) for obj in informer.store.values()}


@pytest.mark.parametrize("initial", [Means.STREAM, Means.PAGES])
async def test_a_store_is_equal_to_the_server_after_any_changes(cluster: DevCluster, initial: Means) -> None:
    metrics, mutator = Metrics(), Mutator(cluster, seed=1)
    for _ in range(30):
        mutator.act()
    async with connected(cluster.url) as transport, anyio.create_task_group() as group:
        informer = services_informer(transport, metrics, WatchRules(initial=initial, page_size=7))
        await group.start(informer.run)
        assert held(informer) == mutator.there()

        for _ in range(300):
            mutator.act()
        await eventually(lambda: held(informer) == mutator.there())

        informer.store.check_invariants()
        assert metrics.registry.get_sample_value(
            "moduledeploy_lists_total", {"kind": "services", "mode": initial.value, "result": "success"}
        )
        group.cancel_scope.cancel()


async def test_a_server_whose_storage_reports_no_progress_is_read_all_the_same() -> None:
    async with DevCluster(controllers=False, watch_progress=False) as cluster:
        mutator = Mutator(cluster, seed=2)
        for _ in range(30):
            mutator.act()
        async with connected(cluster.url) as transport, anyio.create_task_group() as group:
            informer = services_informer(transport, Metrics())
            await group.start(informer.run)
            mutator.act()
            await eventually(lambda: held(informer) == mutator.there())
            group.cancel_scope.cancel()


async def test_5_nothing_is_lost_when_every_connection_is_cut_again_and_again(cluster: DevCluster) -> None:
    metrics, mutator = Metrics(), Mutator(cluster, seed=3)
    async with proxied(cluster.url) as proxy, connected(proxy.url) as transport, anyio.create_task_group() as group:
        informer = services_informer(transport, metrics)
        await group.start(informer.run)
        for _ in range(5):
            for _ in range(20):
                mutator.act()
            await anyio.sleep(0.02)
            proxy.cut()
            mutator.act()
        await eventually(lambda: held(informer) == mutator.there())

        assert (
            metrics.registry.get_sample_value(
                "moduledeploy_lists_total", {"kind": "services", "mode": "watchlist", "result": "success"}
            )
            == 1
        ), "a cut is resumed where it was, nothing is listed again"
        informer.store.check_invariants()
        group.cancel_scope.cancel()


async def test_7_nothing_is_lost_on_a_connection_that_is_dead_without_saying_so(cluster: DevCluster) -> None:
    metrics, mutator = Metrics(), Mutator(cluster, seed=4)
    # Without bookmarks in so short a time, the end that was asked for is what counts.
    rules = WatchRules(min_watch_s=1.0, max_watch_s=1.0, end_margin_s=0.2)
    async with proxied(cluster.url) as proxy, connected(proxy.url) as transport, anyio.create_task_group() as group:
        informer = services_informer(transport, metrics, rules)
        await group.start(informer.run)
        proxy.freeze()
        for _ in range(20):
            mutator.act()

        await eventually(lambda: held(informer) == mutator.there())

        group.cancel_scope.cancel()


async def test_writes_are_answered_and_refused_as_a_real_server_does(cluster: DevCluster) -> None:
    async with connected(cluster.url) as transport:
        writer = Writer(transport=transport, gate=OpenGate())
        key = ObjectKey("default", "web")
        created = await writer.create(SERVICES, "default", body("web"))
        assert created.name == "web"

        with pytest.raises(AlreadyExists):
            await writer.create(SERVICES, "default", body("web"))
        with pytest.raises(Invalid):
            await writer.create(SERVICES, "default", body("Not A Name"))
        with pytest.raises(NotFound):
            await writer.patch(SERVICES, ObjectKey("default", "none"), {})

        patched = await writer.patch(SERVICES, key, {"metadata": {"labels": {"a": "b"}}})
        assert int(patched.resource_version) > int(created.resource_version)
        stale = {"metadata": {"resourceVersion": created.resource_version, "labels": {"a": "c"}}}
        with pytest.raises(Conflict):
            await writer.patch(SERVICES, key, stale)
        unchanged = await writer.patch(SERVICES, key, {"metadata": {"labels": {"a": "b"}}})
        assert unchanged.resource_version == patched.resource_version

        with pytest.raises(Conflict):
            await writer.delete(SERVICES, key, uid="00000000-0000-0000-0000-000000000000")
        with pytest.raises(Conflict):
            await writer.delete(SERVICES, key, uid=created.uid, resource_version=created.resource_version)
        deleted = await writer.delete(SERVICES, key, uid=created.uid, resource_version=patched.resource_version)
        assert deleted.uid == created.uid


async def test_own_writes_show_up_in_the_store_at_the_version_they_were_answered_with(cluster: DevCluster) -> None:
    async with connected(cluster.url) as transport, anyio.create_task_group() as group:
        informer = services_informer(transport, Metrics())
        await group.start(informer.run)
        writer = Writer(transport=transport, gate=OpenGate())

        written = await writer.create(SERVICES, "default", body("web"))
        await eventually(lambda: informer.store.has_seen(written.resource_version))

        obj = informer.store.get(ObjectKey("default", "web"))
        assert obj is not None
        assert obj.metadata.resourceVersion == written.resource_version
        group.cancel_scope.cancel()


async def test_events_are_accepted_and_counted(cluster: DevCluster) -> None:
    async with connected(cluster.url) as transport, anyio.create_task_group() as group:
        recorder = Recorder(
            writer=Writer(transport=transport, gate=OpenGate()),
            controller="koupleless.alipay.com/moduledeploy",
            instance="test",
            metrics=Metrics().events,
        )
        group.start_soon(recorder.run)
        about = Reference(api_version="v1", kind="Service", namespace="default", name="web")
        for number in range(3):
            recorder.event(
                regarding=about, type="Normal", reason="Tested", action="Test", note=f"for the {number}. time"
            )
        assert await recorder.flush(5)

        (event,) = cluster.api.list("events", namespace="default")
        assert event["message"] == "for the 0. time"
        assert event["series"]["count"] == 2
        group.cancel_scope.cancel()


async def test_a_lease_is_acquired_renewed_and_released(cluster: DevCluster) -> None:
    metrics, clock = Metrics(), SystemClock()

    def elector(name: str) -> Elector:
        return Elector(
            transport=transport,
            lease=ObjectKey("default", "leader"),
            identity=name,
            gate=LeaderGate(clock),
            metrics=metrics.election,
        )

    async with connected(cluster.url) as transport:
        first, second = elector("first"), elector("second")
        await first.acquire()
        first.gate.check()
        await first.release()
        await second.acquire()

        (lease,) = cluster.api.list("leases.coordination.k8s.io", namespace="default")
        assert lease["spec"]["holderIdentity"] == "second"
        assert lease["spec"]["leaseDurationSeconds"] == 15
        assert lease["spec"]["leaseTransitions"] == 1
        assert second.gate.epoch == 1


async def test_the_cluster_s_kubeconfig_is_all_it_takes(cluster: DevCluster, tmp_path: Path) -> None:
    file = cluster.write_kubeconfig(tmp_path / "config")

    credentials = await load_credentials(kubeconfig=str(file))

    async with Transport(credentials=credentials, user_agent="t", metrics=Metrics().client) as transport:
        assert b'"gitVersion"' in await transport.request("GET", "/version")
