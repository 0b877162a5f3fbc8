"""The library against a server that fails on demand: whatever happened, in the end everything is as without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from moduledeploy.devcluster.cluster import DevCluster
from moduledeploy.devcluster.faults import Fault
from moduledeploy.kube.consistency import WrittenVersions
from moduledeploy.kube.errors import AlreadyExists, Unreachable
from moduledeploy.kube.phases import Means
from moduledeploy.kube.queue import Queue
from moduledeploy.kube.reflector import WatchRules
from moduledeploy.kube.resources import ObjectKey
from moduledeploy.kube.worker import Done, RequeueAfter, run_workers
from moduledeploy.kube.writer import OpenGate, Writer
from moduledeploy.runtime.backoff import Backoff
from moduledeploy.runtime.metrics import Metrics
from tests.clock import eventually
from tests.kube.test_on_cluster import SERVICES, Mutator, body, connected, held, services_informer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# Short lives, so that a silent watch is given up within the patience of a test.
QUICK = WatchRules(min_watch_s=1.0, max_watch_s=1.0, end_margin_s=0.2, marker_within_s=0.5, marker_silence_s=0.2)
IN_PAGES = WatchRules(min_watch_s=1.0, max_watch_s=1.0, end_margin_s=0.2, initial=Means.PAGES, page_size=5)


@pytest.fixture
async def cluster() -> AsyncIterator[DevCluster]:
    async with DevCluster(controllers=False) as cluster:
        yield cluster


@pytest.mark.parametrize("rules", [QUICK, IN_PAGES], ids=["stream", "pages"])
@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="cut", verb="watch", events=2, times=2),
        Fault(kind="cut", verb="watch", events=0, times=2),
        Fault(kind="gone", verb="watch", times=2),
        Fault(kind="half_open", verb="watch", events=3, times=1),
        Fault(kind="no_bookmarks", verb="watch"),
        Fault(kind="error", verb="watch", code=503, times=2),
        Fault(kind="error", verb="list", code=500, times=2),
        Fault(kind="gone", verb="list", times=1),
        Fault(kind="too_many", verb="watch", times=1),
        Fault(kind="delay", seconds=0.3, times=3),
        Fault(kind="stale", verb="list", versions=15, times=1),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.verb}-{fault.code}-{fault.events}",
)
async def test_a_store_is_equal_to_the_server_in_the_end(cluster: DevCluster, fault: Fault, rules: WatchRules) -> None:
    mutator = Mutator(cluster, seed=5)
    for _ in range(30):
        mutator.act()
    cluster.faults.add(fault)
    async with connected(cluster.url) as transport, anyio.create_task_group() as group:
        informer = services_informer(transport, Metrics(), rules)
        group.start_soon(informer.run)
        for _ in range(30):
            await anyio.sleep(0.01)
            mutator.act()

        await eventually(lambda: held(informer) == mutator.there())

        informer.store.check_invariants()
        group.cancel_scope.cancel()


async def test_a_creation_whose_answer_was_lost_is_found_by_its_name(cluster: DevCluster) -> None:
    cluster.faults.add(Fault(kind="lost_reply", verb="create", times=1))
    async with connected(cluster.url) as transport:
        writer = Writer(transport=transport, gate=OpenGate())

        with pytest.raises(Unreachable):
            await writer.create(SERVICES, "default", body("web"))
        with pytest.raises(AlreadyExists):
            await writer.create(SERVICES, "default", body("web"))


async def test_24_reconciles_converge_through_a_storm_of_errors_and_conflicts_without_a_write_too_many(
    cluster: DevCluster,
) -> None:
    for fault in (
        Fault(kind="conflict", verb="patch", probability=0.3),
        Fault(kind="error", code=500, probability=0.2),
        Fault(kind="lost_reply", verb="create", probability=0.2),
        Fault(kind="lost_reply", verb="patch", probability=0.2),
    ):
        cluster.faults.add(fault)
    before = cluster.api.store.version
    metrics, keys = Metrics(), [ObjectKey("default", f"s{number}") for number in range(20)]
    queue: Queue[ObjectKey] = Queue(name="storm", metrics=metrics.queue, retry=Backoff(base_s=0.005, cap_s=0.05))
    written = WrittenVersions[ObjectKey](metrics=metrics.informer)
    async with connected(cluster.url) as transport, anyio.create_task_group() as group:
        informer = services_informer(transport, metrics, QUICK)
        informer.add_handler(lambda change: queue.add(change.key) if change.key in keys else None)
        writer = Writer(transport=transport, gate=OpenGate())

        async def reconcile(key: ObjectKey) -> Done | RequeueAfter:
            if not written.is_ready(key, {SERVICES: informer.store}):
                return RequeueAfter(0.01)
            there = informer.store.get(key)
            if there is None:
                answer = await writer.create(SERVICES, key.namespace, body(key.name))
            elif there.metadata.labels.get("step") != "done":
                precondition = {"resourceVersion": there.metadata.resourceVersion, "labels": {"step": "done"}}
                answer = await writer.patch(SERVICES, key, {"metadata": precondition})
            else:
                return Done()
            written.wrote(key, SERVICES, answer.resource_version)
            return Done()

        group.start_soon(lambda: run_workers(queue, reconcile, count=8, timeout_s=5, metrics=metrics.reconcile))
        group.start_soon(informer.run)
        for key in keys:
            queue.add(key)
        await eventually(lambda: [_step(cluster, key) for key in keys] == ["done"] * 20)
        await anyio.sleep(0.1)

        for key in keys:
            service = cluster.api.get("services", key.name, namespace="default")
            assert service["metadata"]["labels"] == {"step": "done"}
        group.cancel_scope.cancel()
    assert cluster.api.store.version - before == 40, "each was created once and changed once"


def _step(cluster: DevCluster, key: ObjectKey) -> str:
    for service in cluster.api.list("services", namespace=key.namespace):
        if service["metadata"]["name"] == key.name:
            return str((service["metadata"].get("labels") or {}).get("step", "created"))
    return "missing"
