"""A process from its start to its end."""

from __future__ import annotations

import os
import socket
import ssl
import uuid
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import attrs
import structlog

from moduledeploy import __version__
from moduledeploy.app.caches import INFORMED, Caches, build_caches
from moduledeploy.app.keys import Keys
from moduledeploy.arklet.client import ArkletClient, open_session
from moduledeploy.controllers import cluster as views
from moduledeploy.controllers.audit import AuditSchedule
from moduledeploy.controllers.base import BaseController
from moduledeploy.controllers.counters import RolloutCounters
from moduledeploy.controllers.facts import BaseKey, FamilyKey
from moduledeploy.controllers.measured import MeasuredPool, ModuleDurations
from moduledeploy.controllers.preflight import StartError, check_cluster
from moduledeploy.controllers.refusals import RefusalsOnBases
from moduledeploy.controllers.rollout import RolloutController
from moduledeploy.controllers.rows import RowSource
from moduledeploy.controllers.statuses import StatusWriter
from moduledeploy.kube.config import is_in_cluster, load_credentials
from moduledeploy.kube.consistency import WrittenVersions
from moduledeploy.kube.events import Recorder
from moduledeploy.kube.guard import Guard
from moduledeploy.kube.lease import Elector, LeaderGate
from moduledeploy.kube.queue import Queue
from moduledeploy.kube.resources import ObjectKey
from moduledeploy.kube.reviews import Reviewer
from moduledeploy.kube.transport import Transport
from moduledeploy.kube.watchdog import Watchdog
from moduledeploy.kube.worker import run_workers
from moduledeploy.kube.writer import OpenGate, Writer
from moduledeploy.runtime.certificate import ServingCertificate
from moduledeploy.runtime.clock import SystemClock
from moduledeploy.runtime.http import health_app, metrics_app, serving
from moduledeploy.runtime.lag import LoopLag
from moduledeploy.runtime.memory import collect_rarely, exempt_present_objects
from moduledeploy.runtime.metrics import Metrics
from moduledeploy.runtime.object_metrics import ObjectCollector, Rows
from moduledeploy.runtime.parts import run_for_good
from moduledeploy.runtime.signals import watch_signals

if TYPE_CHECKING:
    from collections.abc import Callable

    from moduledeploy.app.settings import Settings

_log: Final = structlog.get_logger()
DRAIN_S: Final = 2.0  # a pass may be cut between any two writes; whoever waits for the lease shall not wait for us
CALLS_DRAIN_S: Final = 0.5  # calls may take minutes; a base ends what it began, and its list tells the next leader
SYNC_REPORT_S: Final = 10.0
LEASE_NAME: Final = "moduledeploy"
ROLLOUT_WORKERS: Final = 4  # passes are short and the planner is one thread
BASE_WORKERS: Final = 64  # bases operated on at once; an install holds its worker for as long as it takes
ROLLOUT_PASS_S: Final = 120.0
BASE_PASS_S: Final = 900.0  # several operations of at most 300 s each


async def run(settings: Settings) -> None:
    """Run the controller until a signal comes. Raises StartError, ConfigError, or an ExceptionGroup of what ended early."""
    collect_rarely()
    clock, metrics = SystemClock(), Metrics(version=__version__)
    credentials = await load_credentials(kubeconfig=settings.kubeconfig)
    agent = f"moduledeploy/{__version__}"
    async with AsyncExitStack() as stack:
        transport = await stack.enter_async_context(
            Transport(credentials=credentials, user_agent=agent, metrics=metrics.client)
        )
        lease = ObjectKey(settings.lease_namespace or credentials.namespace, LEASE_NAME)
        await check_cluster(
            transport,
            kinds=INFORMED,
            namespace=settings.namespace,
            lease=lease if settings.leader_election else None,
            in_pod=settings.kubeconfig is None and is_in_cluster(),
        )
        gate = LeaderGate(clock=clock) if settings.leader_election else OpenGate()
        process = _Process(settings=settings, clock=clock, metrics=metrics, transport=transport, gate=gate)
        if isinstance(gate, LeaderGate):
            lease_transport = await stack.enter_async_context(
                Transport(credentials=credentials, user_agent=agent, metrics=metrics.client)
            )
            process.elector = Elector(
                transport=lease_transport,
                lease=lease,
                identity=f"{socket.gethostname()}_{uuid.uuid4().hex[:8]}",
                gate=gate,
                metrics=metrics.election,
                clock=clock,
            )
        await process.run()


@attrs.define(kw_only=True)
class _Process:
    """Everything that lives as long as the process."""

    settings: Settings
    clock: SystemClock
    metrics: Metrics
    transport: Transport
    gate: LeaderGate | OpenGate
    elector: Elector | None = None
    _stopping: anyio.Event = attrs.field(factory=anyio.Event, init=False)

    async def run(self) -> None:
        families: Queue[FamilyKey] = Queue(name="rollout", clock=self.clock, metrics=self.metrics.queue)
        bases: Queue[BaseKey] = Queue(name="base", clock=self.clock, metrics=self.metrics.queue)
        informers = build_caches(
            transport=self.transport,
            metrics=self.metrics.informer,
            namespace=self.settings.namespace,
            clock=self.clock,
        )
        keys = Keys(families, bases)
        cluster = views.Cluster(informers.stores(), keys)
        informers.subscribe(cluster)
        durations = ModuleDurations(self.metrics.rollout, self.clock, self._is_leading)
        informers.modules.add_handler(durations.on_module)
        objects = self._objects(informers, RowSource(cluster))
        lag = LoopLag(histogram=self.metrics.process.loop_lag, clock=self.clock)
        async with AsyncExitStack() as stack, anyio.create_task_group() as group:
            certificate = self._certificate()
            if certificate is not None:
                group.start_soon(run_for_good, certificate.watch)
            await self._serve(stack, informers, objects, certificate)
            await group.start(watch_signals, self._stopping.set)
            group.start_soon(run_for_good, lag.run)
            async with anyio.create_task_group() as reading:
                for informer in informers.all():
                    reading.start_soon(run_for_good, informer.run)
                await self._wait_synced(informers)
                if not self._stopping.is_set():
                    await self._lead(cluster, keys)
                reading.cancel_scope.cancel()
            group.cancel_scope.cancel()

    def _is_leading(self) -> bool:
        return not isinstance(self.gate, LeaderGate) or self.gate.is_leading

    def _objects(self, informers: Caches, source: RowSource) -> ObjectCollector:
        """What there is, told by the one that acts on it: two tellers would double every sum."""

        def rows() -> Rows:
            return source.read() if self._is_leading() and informers.unsynced() is None else Rows()

        collector = ObjectCollector(rows, max_objects=self.settings.metrics_max_objects)
        self.metrics.registry.register(collector)
        return collector

    def _certificate(self) -> ServingCertificate | None:
        folder = self.settings.metrics_tls_dir
        if folder is None:
            return None
        try:
            return ServingCertificate(Path(folder), self.clock, self.metrics.certificate)
        except (OSError, ssl.SSLError) as error:
            raise StartError(f"no certificate for the metrics in {folder} (tls.crt, tls.key): {error}") from error

    async def _serve(
        self,
        stack: AsyncExitStack,
        informers: Caches,
        objects: ObjectCollector,
        certificate: ServingCertificate | None,
    ) -> None:
        """Health and metrics from the first moment on."""

        def elects() -> str | None:
            return None if self.elector is None or self.elector.is_healthy else "the lease is held but not renewed"

        def stops() -> str | None:
            return "stopping" if self._stopping.is_set() else None

        def stands_by() -> str | None:
            """A standby that is refused the lease would never take over, and nobody would notice."""
            elector = self.elector
            return (
                f"the lease can't be had: {elector.last_error}" if elector is not None and elector.last_error else None
            )

        health = health_app(
            live={"lease": elects, "informers": informers.stuck},
            ready={"informers": informers.unready, "lease": stands_by, "running": stops},
            metrics=self.metrics.health,
        )
        guard = Guard(Reviewer(self.transport, self.clock)) if self.settings.metrics_auth else None
        metrics = metrics_app(self.metrics.registry, prepare=objects.take, guard=guard)
        tls = certificate.context if certificate else None
        for app, (host, port), context in (
            (health, self.settings.health_address, None),
            (metrics, self.settings.metrics_address, tls),
        ):
            try:
                await stack.enter_async_context(serving(app, host=host, port=port, tls=context))
            except OSError as error:
                why = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
                raise StartError(f"can't listen on {host or '*'}:{port}: {why}") from error

    async def _wait_synced(self, informers: Caches) -> None:
        """Return once every store is complete, or the process is to stop."""
        reported_at = self.clock.monotonic()
        while (why := informers.unsynced()) and not self._stopping.is_set():
            await self.clock.sleep(0.02)
            if self.clock.monotonic() - reported_at > SYNC_REPORT_S:
                reported_at = self.clock.monotonic()
                _log.warning("waiting for the API server", why=why)
        exempt_present_objects()  # the cache is there to stay: no need to look through it again and again

    async def _lead(self, cluster: views.Cluster, keys: Keys) -> None:
        """Wait for the lease where there is one, then work until stopped or the lease is lost."""
        if self.elector is None or not isinstance(self.gate, LeaderGate):
            await self._work(cluster, keys)
            return
        if not await self._acquire(self.elector):
            await self.elector.release()  # it may have come together with the signal
            return
        watchdog = Watchdog(deadline=self.gate, clock=self.clock)
        watchdog.start()
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(run_for_good, self.elector.hold)
                await self._work(cluster, keys)
                group.cancel_scope.cancel()
            await self.elector.release()
        finally:
            watchdog.stop()

    async def _acquire(self, elector: Elector) -> bool:
        """Wait for the lease; False when the process is to stop before it came."""
        async with anyio.create_task_group() as group:

            async def stop() -> None:
                await self._stopping.wait()
                group.cancel_scope.cancel()

            group.start_soon(stop)
            await elector.acquire()
            group.cancel_scope.cancel()
        return not self._stopping.is_set()

    async def _work(self, cluster: views.Cluster, keys: Keys) -> None:
        writer = Writer(transport=self.transport, gate=self.gate)
        recorder = Recorder(
            writer=writer,
            controller="koupleless.alipay.com/moduledeploy",
            instance=socket.gethostname(),
            metrics=self.metrics.events,
            clock=self.clock,
        )
        written: WrittenVersions[FamilyKey] = WrittenVersions(metrics=self.metrics.informer, clock=self.clock)
        statuses = StatusWriter(
            cluster=cluster,
            writer=writer,
            recorder=recorder,
            written=written,
            counters=RolloutCounters(self.metrics.rollout),
            clock=self.clock,
        )
        rollout = RolloutController(
            cluster=cluster,
            writer=writer,
            statuses=statuses,
            written=written,
            clock=self.clock,
            url_schemes=self.settings.url_schemes,
            placer=lambda pool: MeasuredPool(pool, self.metrics.placement, self.clock),
        )
        session = open_session()
        base = BaseController(
            cluster=cluster,
            writer=writer,
            arklet=ArkletClient(session=session, metrics=self.metrics.arklet, gate=self.gate),
            recorder=recorder,
            written=WrittenVersions(metrics=self.metrics.informer, clock=self.clock),
            audits=AuditSchedule(interval_s=self.settings.audit_interval_s, clock=self.clock),
            url_schemes=self.settings.url_schemes,
            clock=self.clock,
        )
        told = RefusalsOnBases(base.reconcile, recorder)
        families, bases = keys.families, keys.bases
        async with session, anyio.create_task_group() as group:
            await keys.begin(cluster)
            _log.info("working", families=len(families), bases=len(bases))
            group.start_soon(run_for_good, recorder.run)
            async with anyio.create_task_group() as workers, anyio.create_task_group() as calls:
                workers.start_soon(self._drain, families, bases, workers.cancel_scope, calls.cancel_scope)
                self._start_workers(workers, families, rollout.reconcile, ROLLOUT_WORKERS, ROLLOUT_PASS_S)
                self._start_workers(calls, bases, told, BASE_WORKERS, BASE_PASS_S)
            await recorder.flush(timeout_s=2.0)
            group.cancel_scope.cancel()

    def _start_workers(
        self,
        group: anyio.abc.TaskGroup,
        queue: Queue[Any],
        reconcile: Callable[[Any], Any],
        count: int,
        timeout_s: float,
    ) -> None:
        async def work() -> None:
            await run_workers(
                queue, reconcile, count=count, timeout_s=timeout_s, metrics=self.metrics.reconcile, clock=self.clock
            )

        group.start_soon(work)

    async def _drain(
        self, families: Queue[Any], bases: Queue[Any], workers: anyio.CancelScope, calls: anyio.CancelScope
    ) -> None:
        """At the signal: let workers end what they are at, but not for longer than the bounds."""
        await self._stopping.wait()
        for queue in (families, bases):
            queue.shut_down()
        await bases.wait_drained(CALLS_DRAIN_S)
        calls.cancel()
        await families.wait_drained(DRAIN_S)
        workers.cancel()
