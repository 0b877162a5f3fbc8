from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

import aiohttp
import pytest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from moduledeploy.runtime.http import health_app, metrics_app, serving
from moduledeploy.runtime.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import web
    from prometheus_client.metrics_core import Metric


async def get(app: web.Application, path: str, **headers: str) -> tuple[int, str]:
    async with (
        serving(app, host="127.0.0.1", port=0) as port,
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}{path}", headers=headers) as response,
    ):
        return response.status, await response.text()


@pytest.mark.parametrize(
    ("path", "code", "text"),
    [
        ("/healthz", 200, "ok"),
        ("/healthz?verbose", 200, "[+]loop ok\nhealthz check passed\n"),
        ("/healthz/loop", 200, "ok"),
        ("/healthz/none", 404, "no such check\n"),
        ("/readyz", 503, "[+]modules ok\n[-]pods failed: pods is forbidden\nreadyz check failed\n"),
        ("/readyz?exclude=pods", 200, "ok"),
        ("/readyz?exclude=pods&verbose", 200, "[+]modules ok\n[+]pods excluded\nreadyz check passed\n"),
        ("/readyz/pods", 503, "pods is forbidden\n"),
        ("/readyz/modules", 200, "ok"),
    ],
)
async def test_health_is_told_by_named_checks(path: str, code: int, text: str) -> None:
    ready = {"pods": lambda: "pods is forbidden", "modules": lambda: None}
    app = health_app(live={"loop": lambda: None}, ready=ready, metrics=Metrics().health)

    assert await get(app, path) == (code, text)


async def test_what_checks_came_to_is_counted() -> None:
    metrics, value = Metrics(), {}
    app = health_app(live={"loop": lambda: None}, ready={"pods": lambda: "forbidden"}, metrics=metrics.health)
    async with serving(app, host="127.0.0.1", port=0) as port, aiohttp.ClientSession() as session:
        for path in ("/healthz", "/healthz/loop", "/readyz"):
            await session.get(f"http://127.0.0.1:{port}{path}")
    for family in metrics.health.state, metrics.health.total:
        for sample in next(iter(family.collect())).samples:
            value[sample.name, *sample.labels.values()] = sample.value

    assert value == {
        ("kubernetes_healthcheck", "loop", "healthz"): 1,
        ("kubernetes_healthcheck", "pods", "readyz"): 0,
        ("kubernetes_healthchecks_total", "loop", "healthz", "success"): 2,
        ("kubernetes_healthchecks_total", "pods", "readyz", "error"): 1,
    }


async def test_checks_may_be_added_while_serving() -> None:
    ready: dict[str, object] = {}
    app = health_app(live={}, ready=ready, metrics=Metrics().health)  # type: ignore[arg-type]
    ready["late"] = lambda: "not yet"

    assert (await get(app, "/readyz"))[0] == 503


async def test_metrics_are_rendered_in_another_thread_after_preparation_in_this_one() -> None:
    threads: dict[str, int] = {}

    class Probe(Collector):
        def collect(self) -> Iterator[Metric]:
            threads["collect"] = threading.get_ident()
            yield GaugeMetricFamily("probe", "A probe.", value=1)

    metrics = Metrics(version="1.2.3")
    metrics.registry.register(Probe())
    threads.clear()

    code, text = await get(
        metrics_app(metrics.registry, prepare=lambda: threads.update(prepare=threading.get_ident())), "/metrics"
    )

    assert code == 200
    assert "probe 1.0" in text
    assert 'moduledeploy_build_info{version="1.2.3"} 1.0' in text
    assert threads["prepare"] == threading.get_ident()
    assert threads["collect"] != threading.get_ident()


async def test_many_scrapers_at_once_are_answered_one_after_the_other() -> None:
    seen: list[str] = []

    class Watched(Collector):
        def collect(self) -> Iterator[Metric]:
            seen.append("begun")
            time.sleep(0.005)
            seen.append("over")
            yield GaugeMetricFamily("here", "")

    metrics = Metrics()
    metrics.registry.register(Watched())
    seen.clear()
    async with (
        serving(metrics_app(metrics.registry), host="127.0.0.1", port=0) as port,
        aiohttp.ClientSession() as session,
        asyncio.TaskGroup() as group,
    ):
        answers = [group.create_task(session.get(f"http://127.0.0.1:{port}/metrics")) for _ in range(5)]
        statuses = [(await answer).status for answer in answers]

    assert statuses == [200] * 5
    assert seen == ["begun", "over"] * 5


async def test_a_scraper_may_ask_for_open_metrics() -> None:
    _, text = await get(
        metrics_app(Metrics().registry), "/metrics", Accept="application/openmetrics-text; version=1.0.0"
    )

    assert text.endswith("# EOF\n")


async def test_a_port_that_is_taken_is_an_error_at_the_start() -> None:
    app = health_app(live={}, ready={}, metrics=Metrics().health)
    async with serving(app, host="127.0.0.1", port=0) as port:
        with pytest.raises(OSError, match="address"):
            async with serving(health_app(live={}, ready={}, metrics=Metrics().health), host="127.0.0.1", port=port):
                pass
