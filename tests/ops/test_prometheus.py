"""A real Prometheus scrapes real controllers, over TLS and with a token, through rollouts, troubles and a failover.

Rollouts are confirmed, fail, lack bases and lose them; the leader is killed. Every alert is seen pending, those that take longer
than a minute under shorter limits. Every query of every panel is answered: none is empty, none is refused, and what they say is
what the API says.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import ssl
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import anyio
import attrs
import pytest
import yaml

from moduledeploy.devcluster.bases.choice import is_base
from moduledeploy.devcluster.bases.local import LocalBases
from moduledeploy.devcluster.cluster import DevCluster
from moduledeploy.devcluster.faults import Fault
from tests.ops.test_least_privilege import People
from tests.ops.test_metrics_guard import CERTS
from tests.ops.test_monitoring import BOARDS, RULES, expressions
from tests.ops.tools import MANIFESTS, MONITORING, run, tool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SAMPLES: Final = MANIFESTS / "samples"
# What Grafana puts in the place of its variables.
VARIABLES: Final = {"$__rate_interval": "30s", "$namespace": ".*", "$moduledeployment": ".*", "$job": ".*"}
# Limits and windows that a test can reach, in the place of those that are shipped.
SHORTER: Final = {
    "ModuleDeployReconcileErrors": {"[5m]": "[20s]"},
    "ModuleDeployWatchStale": {"> 300": "> 65"},  # bookmarks come each 60 s, and a dead watch is given up after 80
    "ModuleDeployQueueLatencyHigh": {"[5m]": "[15s]", "> 10": "> 1"},
    "ModuleDeployStuckWorker": {"> 1000": "> 5"},
}
TOLD_AT_MOST: Final = 5  # ModuleDeployments in the metrics; the last by name is left out
LEADING: Final = 'leader_election_master_status{name="moduledeploy"}'


def write(file: Path, text: str) -> Path:
    file.write_text(text)
    return file


def free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    found = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return found


@attrs.frozen
class Prometheus:
    """The running server."""

    url: str

    async def get(self, path: str, **parameters: str) -> dict[str, Any]:
        async with aiohttp.ClientSession() as session, session.get(self.url + path, params=parameters) as answer:
            found: dict[str, Any] = await answer.json()
            return found

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """The result now; an AssertionError with Prometheus' words where the query is refused."""
        answer = await self.get("/api/v1/query", query=expression)
        assert answer["status"] == "success", f"{expression}: {answer.get('error')}"
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    async def value(self, expression: str) -> float | None:
        found = await self.query(expression)
        return float(found[0]["value"][1]) if found else None

    async def wait(self, expression: str, value: float, at_most_s: float = 60.0) -> None:
        for _ in range(int(at_most_s / 0.25)):
            if await self.value(expression) == value:
                return
            await asyncio.sleep(0.25)
        pytest.fail(f"{expression} never was {value}, but {await self.value(expression)}")

    async def wait_alert(self, alertname: str, **labels: str) -> None:
        """Until the alert was pending or firing at some moment, for these labels; it may be over by then."""
        chosen = ", ".join(f'{key}="{value}"' for key, value in {"alertname": alertname, **labels}.items())
        await self.wait(f"count(max_over_time(ALERTS{{{chosen}}}[1h])) > bool 0", 1)

    async def alerts_seen(self) -> set[str]:
        """Every alert that was pending or firing at some moment."""
        found = await self.query("count by (alertname) (max_over_time(ALERTS[1h]))")
        return {one["metric"]["alertname"] for one in found}


@asynccontextmanager
async def process(log: Path, *command: str) -> AsyncIterator[anyio.abc.Process]:
    async with await anyio.open_file(log, "wb") as output:
        started = await anyio.open_process(command, stdout=output.wrapped, stderr=output.wrapped)
        try:
            yield started
        finally:
            if started.returncode is None:
                started.terminate()
            with anyio.move_on_after(30, shield=True):
                await started.wait()
            await started.aclose()


def shorter_rules() -> str:
    rules = yaml.safe_load((MONITORING / "rules.yaml").read_text())
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        for shipped, shorter in SHORTER.get(rule["alert"], {}).items():
            assert shipped in rule["expr"]
            rule["expr"] = rule["expr"].replace(shipped, shorter)
    return yaml.safe_dump(rules)


@asynccontextmanager
async def prometheus(folder: Path, targets: list[int], token: str) -> AsyncIterator[Prometheus]:
    (port,) = free_ports(1)
    scraped = [
        {"targets": [f"127.0.0.1:{port}"], "labels": {"pod": f"moduledeploy-{at}"}} for at, port in enumerate(targets)
    ]
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(write(folder / "rules.yaml", shorter_rules()))],
        "scrape_configs": [
            {
                "job_name": "moduledeploy",
                "honor_labels": True,
                "scheme": "https",
                "tls_config": {"ca_file": str(CERTS / "first-ca.crt")},
                "authorization": {"credentials_file": str(write(folder / "token", token))},
                "static_configs": scraped,
            }
        ],
    }
    file = write(folder / "prometheus.yml", yaml.safe_dump(config))
    storage, listen = f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}"
    async with process(folder / "prometheus.log", tool("prometheus"), f"--config.file={file}", storage, listen):
        server = Prometheus(f"http://127.0.0.1:{port}")
        for _ in range(100):
            try:
                await server.get("/api/v1/query", query="1")
            except aiohttp.ClientError:  # not listening, or not ready yet
                await asyncio.sleep(0.1)
            else:
                break
        yield server


def controller(kubeconfig: Path, metrics: int, *flags: str) -> list[str]:
    tls = kubeconfig.parent / "tls"
    tls.mkdir(exist_ok=True)
    for kind in ("crt", "key"):
        shutil.copy(CERTS / f"first-server.{kind}", tls / f"tls.{kind}")
    command = [sys.executable, "-m", "moduledeploy", "run", "--kubeconfig", str(kubeconfig), "--url-schemes", "file"]
    command += ["--leader-election", "--lease-namespace", "default", "--health-address", "127.0.0.1:0"]
    command += ["--metrics-tls-dir", str(tls), "--metrics-auth", "--metrics-max-objects", str(TOLD_AT_MOST)]
    return [*command, "--metrics-address", f"127.0.0.1:{metrics}", *flags]


async def scraper(people: People) -> str:
    """A token of an account that may read metrics and nothing else."""
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "scraper"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "moduledeploy-metrics-reader",
        },
        "subjects": [{"kind": "ServiceAccount", "name": "scraper", "namespace": "default"}],
    }
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "scraper", "namespace": "default"}}
    await people.apply("-f", str(MANIFESTS / "rbac" / "metrics-reader-role.yaml"))
    await people.apply("-f", "-", text=yaml.safe_dump_all([binding, account]))
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    made = await people.send("POST", "/api/v1/namespaces/default/serviceaccounts/scraper/token", request)
    return str(made["status"]["token"])


@attrs.frozen
class Stage:
    """Everything that runs."""

    folder: Path
    cluster: DevCluster
    people: People
    prometheus: Prometheus
    controllers: dict[str, anyio.abc.Process]
    ports: list[int]
    token: str

    async def metrics(self) -> bytes:
        """What the controller that is left tells."""
        running = [one.returncode is None for one in self.controllers.values()]
        url = f"https://127.0.0.1:{self.ports[running.index(True)]}/metrics"
        trusted = ssl.create_default_context(cafile=str(CERTS / "first-ca.crt"))
        headers = {"Authorization": f"Bearer {self.token}"}
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers, ssl=trusted) as answer:
            return await answer.read()


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[Stage]:
    ports = free_ports(3)  # the last is for the one who doesn't belong here
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(DevCluster())
        # The initial list comes, and nothing after it.
        cluster.faults.add(Fault(kind="half_open", verb="watch", resource="services", events=2))
        playing = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(playing.cancel_scope.cancel)
        await playing.start(LocalBases(cluster.api, plays=is_base, faults=cluster.faults).run)
        kubeconfig = cluster.write_kubeconfig(folder / "kubeconfig")
        people = People(cluster.url, kubeconfig)
        crds = [argument for crd in sorted((MANIFESTS / "crd").glob("module*.yaml")) for argument in ("-f", str(crd))]
        await people.apply(*crds, "-f", str(SAMPLES / "base.yaml"))
        token = await scraper(people)
        server = await stack.enter_async_context(prometheus(folder, ports, token))
        await server.wait_alert("ModuleDeployAbsent")
        controllers = {
            f"moduledeploy-{at}": await stack.enter_async_context(
                process(folder / f"controller-{at}.log", *controller(kubeconfig, port))
            )
            for at, port in enumerate(ports[:2])
        }
        yield Stage(folder, cluster, people, server, controllers, ports, token)


async def live(here: Stage) -> None:
    """Rollouts with a confirmation, a failure, a lack and a loss of bases, the death of the leader, and other troubles."""
    people = here.people
    await people.apply("-f", str(SAMPLES / "orders-v1.yaml"), "-f", str(SAMPLES / "audit-peer.yaml"))
    for name in ("orders", "audit"):
        await people.wait_progress(name, "Completed")
    await confirm(here)
    await fail_over(here)
    await fail(here)
    await people.change("audit", {"replicas": -1, "minReadySeconds": 1})
    await lack_bases(here)
    await be_left_out(here)
    await lose_bases(here)
    await have_trouble(here)
    await here.prometheus.wait_alert("ModuleDeployWatchStale", kind="services")
    await asyncio.sleep(3)  # two more scrapes, so that rates have a last sample


async def confirm(here: Stage) -> None:
    """A rollout waits, for five hours by its status, and is confirmed."""
    people, server = here.people, here.prometheus
    await people.apply("-f", str(SAMPLES / "orders-v2.yaml"))
    await people.wait_progress("orders", "WaitingForConfirmation")
    await server.wait('max(moduledeploy_phase{moduledeployment="orders", phase="WaitingForConfirmation"})', 1)
    since = (datetime.now(UTC) - timedelta(hours=5)).isoformat(timespec="seconds").replace("+00:00", "Z")
    status = {"status": {"releaseStatus": {"lastTransitionTime": since}}}
    await people.send("PATCH", f"{people.group}/moduledeployments/orders/status", status)
    await server.wait_alert("ModuleRolloutAwaitingConfirmation", moduledeployment="orders")
    await people.change("orders", {"operationStrategy": {"needConfirm": False}})
    await people.wait_progress("orders", "Completed")


async def fail_over(here: Stage) -> None:
    """Kill who leads; the other takes over and tells what there is, alone."""
    await here.prometheus.wait(f"sum({LEADING})", 1)
    (leading,) = await here.prometheus.query(f"{LEADING} == 1")
    here.controllers[leading["metric"]["pod"]].kill()
    await here.prometheus.wait_alert("ModuleDeployNoLeader")
    others = f'max(leader_election_master_status{{pod!="{leading["metric"]["pod"]}"}})'
    await here.prometheus.wait(others, 1)
    await here.prometheus.wait("count(moduledeploy_spec_replicas)", 2)


async def fail(here: Stage) -> None:
    """A version that can't start, stopped in its first batch, and one that is tried on every base at once."""
    await here.people.apply("-f", str(SAMPLES / "orders-broken.yaml"))
    await here.people.wait_progress("orders", "Failed")
    await here.prometheus.wait_alert("ModuleRolloutFailed", moduledeployment="orders")
    here.cluster.faults.add(Fault(kind="arklet_slow", verb="installBiz", module="payments:.*", seconds=12, times=1))
    everywhere = {"batchCount": 1, "failureThreshold": 10}
    await here.people.apply("-f", "-", text=like_orders("payments", version="1.0.0-bad", operationStrategy=everywhere))
    await here.prometheus.wait_alert("ModuleInstallFailureRatioHigh")
    await here.prometheus.wait_alert("ModuleDeployStuckWorker")


async def lack_bases(here: Stage) -> None:
    """More replicas than bases, and a base Deployment without any."""
    await here.people.apply("-f", "-", text=like_orders("reports", replicas=12))
    await here.people.apply("-f", "-", text=like_orders("nowhere", replicas=1, baseDeploymentName="nowhere"))
    lacking = 'sum(max by (moduledeployment, reason) (moduledeploy_unschedulable_replicas{moduledeployment="%s"}))'
    await here.prometheus.wait(lacking % "reports", 2)
    await here.prometheus.wait(lacking % "nowhere", 1)
    await here.prometheus.wait_alert("ModuleUnschedulable", moduledeployment="reports")
    await here.prometheus.wait_alert("ModuleRolloutStuck", moduledeployment="nowhere")


async def be_left_out(here: Stage) -> None:
    """One ModuleDeployment more than are told."""
    await here.people.apply("-f", "-", text=like_orders("untold", replicas=0))
    await here.prometheus.wait_alert("ModuleDeployMetricsIncomplete")


async def lose_bases(here: Stage) -> None:
    """Four of ten bases are NotReady: more than may be missing; nothing disruptive begins."""
    pods = "/api/v1/namespaces/default/pods"
    names = [pod["metadata"]["name"] for pod in (await here.people.send("GET", pods))["items"]]
    for name in sorted(names)[:4]:
        lost = {"metadata": {"annotations": {"devcluster.koupleless.alipay.com/not-ready": "true"}}}
        await here.people.send("PATCH", f"{pods}/{name}", lost)
    await here.prometheus.wait('max(moduledeploy_status_replicas_unavailable{moduledeployment="audit"})', 4)
    await here.prometheus.wait_alert("ModuleRolloutUnavailableAboveLimit", moduledeployment="audit")
    audit = await here.people.send("GET", f"{here.people.group}/moduledeployments/audit")
    conditions = {item["type"]: item.get("reason") for item in audit["status"]["conditions"]}
    assert conditions["Available"] == "MaxUnavailableExceeded"


async def have_trouble(here: Stage) -> None:
    """The API server is slow with writes, then fails them; a second installation leads as well, and stands still."""
    here.cluster.faults.add(Fault(kind="delay", verb="patch", resource="moduledeployments", seconds=2, times=4))
    here.cluster.faults.add(Fault(kind="error", verb="patch", resource="moduledeployments"))
    for name in ("orders", "audit", "reports", "payments", "nowhere"):
        path = f"{here.people.group}/moduledeployments/{name}"
        changed = await here.people.send("GET", path)
        changed["spec"]["progressDeadlineSeconds"] = 900
        await here.people.send("PUT", path, changed)  # no patch, which is what fails
    await here.prometheus.wait_alert("ModuleDeploymentNotObserved", moduledeployment="orders")
    await here.prometheus.wait_alert("ModuleDeployReconcileErrors")
    await here.prometheus.wait_alert("ModuleDeployQueueLatencyHigh", name="rollout")
    here.cluster.faults.clear()
    behind = "max by (moduledeployment) (moduledeploy_metadata_generation - moduledeploy_status_observed_generation)"
    await here.prometheus.wait(f"max({behind})", 0)
    flags = ("--namespace", "kube-system", "--lease-namespace", "kube-system")
    command = controller(here.folder / "kubeconfig", here.ports[2], *flags)
    async with process(here.folder / "stranger.log", *command) as stranger:
        await here.prometheus.wait_alert("ModuleDeployMultipleLeaders")
        stranger.send_signal(signal.SIGSTOP)
        await asyncio.sleep(3)
        stranger.send_signal(signal.SIGCONT)
        await here.prometheus.wait_alert("ModuleDeployEventLoopBlocked")


def like_orders(name: str, *, version: str = "1.0.0", **spec: object) -> str:
    """A ModuleDeployment of another module."""
    made = yaml.safe_load((SAMPLES / "orders-v1.yaml").read_text())
    made["metadata"]["name"] = name
    made["spec"] |= spec
    source = {"name": name, "version": version, "url": f"file:///modules/{name}-{version}-ark-biz.jar"}
    made["spec"]["template"]["spec"]["module"] = source
    return yaml.safe_dump(made)


async def answers(here: Stage) -> dict[str, int]:
    """How many series each query of the boards gives, by panel."""
    counted = {}
    for name, board in BOARDS.items():
        for panel in board["panels"]:
            for number, expression in enumerate(expressions(panel)):
                text = expression
                for variable, value in VARIABLES.items():
                    text = text.replace(variable, value)
                counted[f"{name} / {panel['title']} / {number}"] = len(await here.prometheus.query(text))
    return counted


async def wrong_numbers(here: Stage) -> list[str]:
    """Where Prometheus and the API say different things of a ModuleDeployment."""
    pairs = {
        "moduledeploy_status_replicas": "replicas",
        "moduledeploy_status_replicas_updated": "updatedReplicas",
        "moduledeploy_status_replicas_ready": "readyReplicas",
        "moduledeploy_status_replicas_available": "availableReplicas",
        "moduledeploy_status_replicas_updated_available": "updatedAvailableReplicas",
        "moduledeploy_status_replicas_unavailable": "unavailableReplicas",
        "moduledeploy_spec_replicas": "desiredReplicas",
        "moduledeploy_spec_max_unavailable": "maxUnavailable",
        "moduledeploy_status_observed_generation": "observedGeneration",
    }
    wrong = []
    for deployment in (await here.people.send("GET", f"{here.people.group}/moduledeployments"))["items"]:
        name, status = deployment["metadata"]["name"], deployment["status"]
        if name == "untold":
            continue
        own = f'{{namespace="default", moduledeployment="{name}"}}'
        for metric, field in pairs.items():
            told = await here.prometheus.value(f"max({metric}{own})")
            if told != status.get(field, 0):
                wrong.append(f"{name}: {metric} is {told}, status.{field} is {status.get(field)}")
        phases = await here.prometheus.query(f"moduledeploy_phase{own} == 1")
        if [phase["metric"]["phase"] for phase in phases] != [status["releaseStatus"]["progress"]]:
            wrong.append(f"{name}: {phases} is not {status['releaseStatus']['progress']}")
    return wrong


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_every_rule_is_evaluated_and_every_panel_answered(tmp_path: Path) -> None:
    tool("prometheus")
    async with stage(tmp_path) as here:
        await live(here)

        empty = [panel for panel, count in (await answers(here)).items() if not count]
        wrong = await wrong_numbers(here)
        groups = (await here.prometheus.get("/api/v1/rules"))["data"]["groups"]
        sick = {
            rule["name"]: rule["lastError"] for group in groups for rule in group["rules"] if rule["health"] != "ok"
        }
        seen = await here.prometheus.alerts_seen()
        linted = run(tool("promtool"), "check", "metrics", "--extended", stdin=await here.metrics())

    assert empty == []
    assert wrong == []
    assert sick == {}
    assert seen == {rule["alert"] for rule in RULES}
    assert linted.returncode == 0, linted.stdout + linted.stderr
