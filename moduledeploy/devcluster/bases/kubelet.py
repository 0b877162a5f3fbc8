"""Kubelet and Arklet of many pods: one level-triggered pass over a pod brings what runs, and what is reported, up to date.

    no node -> bound -> starting (Running, not ready) -> up (Ready, Arklet answers) -> stopping -> gone
                            ^------- restart -------------/

The pass reads the pod as last seen and may be repeated at any time.  It acts on the cluster through `Cluster`; on the machine
it opens and closes listening sockets.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs
import structlog

from moduledeploy.devcluster.arklet import (
    INSTANT,
    AnnotationError,
    ArkletPorts,
    Behaviour,
    Effects,
    Fate,
    SimulatedArklet,
    Timings,
    kind_fate,
)
from moduledeploy.devcluster.bases.addresses import AddressPool, is_loopback
from moduledeploy.devcluster.bases.status import Report, Run, evicted_status, running_status, terminated, timestamp
from moduledeploy.devcluster.bases.switches import Switches, switches_from_annotations
from moduledeploy.kube.errors import KubeError
from moduledeploy.kube.resources import ObjectKey
from moduledeploy.kube.worker import Done, RequeueAfter

if TYPE_CHECKING:
    from collections.abc import Callable

    from moduledeploy.devcluster.bases.pods import Node, Pod
    from moduledeploy.runtime.clock import Clock

_log: Final = structlog.get_logger()
_ADDRESS_TRIES: Final = 256  # another simulated cluster on this machine may have the first addresses
_KILLED: Final = 137  # 128 + SIGKILL


class Cluster(Protocol):
    """What a kubelet needs of an API server; a write that failed raises `KubeError` and is tried again."""

    def pod(self, key: ObjectKey) -> Pod | None:
        """The pod as last seen, None if it is none of ours."""
        ...

    def node(self, name: str) -> Node | None:
        """The node as last seen."""
        ...

    async def bind(self, pod: Pod) -> None:
        """Give the pod a node."""
        ...

    async def report(self, pod: Pod, status: dict[str, Any]) -> None:
        """Write the pod's status."""
        ...

    async def remove(self, pod: Pod) -> None:
        """Delete the pod for good."""
        ...


@attrs.define(kw_only=True, eq=False)
class Base:
    """One pod that is played; `up_at` and `stop_at` are monotonic seconds."""

    uid: str
    arklet: SimulatedArklet
    address: str
    port: int
    run: Run
    first_started_at: str
    up_at: float
    switches: Switches
    is_up: bool = False
    stop_at: float | None = None
    is_restart_due: bool = False
    behaviour: Behaviour | None = None  # in the place of what the annotations say
    reported: Report | None = None


@attrs.define(kw_only=True, eq=False)
class Kubelet:
    """Plays every pod that `cluster` shows; `sync` is the one entry."""

    cluster: Cluster
    ports: ArkletPorts
    clock: Clock
    start_delay_s: float
    timings: Timings = INSTANT
    fate_of: Callable[[ObjectKey], Fate] = lambda _key: kind_fate
    addresses: AddressPool = attrs.field(factory=AddressPool)
    bases: dict[ObjectKey, Base] = attrs.field(factory=dict)
    effects: dict[str, Effects] = attrs.field(factory=dict)

    async def sync(self, key: ObjectKey) -> Done | RequeueAfter:
        """Bring one pod up to date; when to look again where only time is missing."""
        pod = self.cluster.pod(key)
        base = self.bases.get(key)
        if base is not None and (pod is None or pod.metadata.uid != base.uid):
            self._forget(key, base)
            base = None
        if pod is None or not self._is_ours(pod, base):
            return Done()
        if pod.has_ended and base is not None:
            self._stop(base)
        if pod.metadata.deletionTimestamp:
            return await self._terminate(pod, base)
        if pod.has_ended:
            return Done()
        if not pod.spec.nodeName:
            await self.cluster.bind(pod)
            return Done()
        if base is None:
            base = self.bases[key] = self._admit(key, pod)
        return await self._run(pod, base)

    def restart(self, key: ObjectKey) -> None:
        """Have the container restarted at the next `sync` of the pod."""
        self.bases[key].is_restart_due = True

    def behave(self, key: ObjectKey, behaviour: Behaviour | None) -> None:
        """Have the pod's Arklet behave so at once, whatever the annotations say; None gives them back their word."""
        base = self.bases[key]
        base.behaviour = behaviour
        base.arklet.behaviour = behaviour or base.switches.behaviour

    def _is_ours(self, pod: Pod, base: Base | None) -> bool:
        """Pods whose address isn't on loopback have a kubelet of their own."""
        return base is not None or not pod.status.podIP or is_loopback(pod.status.podIP)

    def _admit(self, key: ObjectKey, pod: Pod) -> Base:
        """Begin to play a pod: a new one, or one that another process played before, whose container starts anew."""
        now = self.clock.monotonic()
        switches = self._switches(pod, Switches())
        run, port = self._first_run(pod), pod.arklet_port
        address = self._address(pod, port)
        effects = self.effects.setdefault(pod.metadata.uid, Effects())
        arklet = SimulatedArklet(
            identity=address,
            clock=self.clock,
            spawn=self.ports.spawn,
            effects=effects,
            timings=self.timings,
            fate=self.fate_of(key),
        )
        return Base(
            uid=pod.metadata.uid,
            arklet=arklet,
            address=address,
            port=port,
            run=run,
            first_started_at=run.started_at,
            up_at=now + self._start_delay_s(switches),
            switches=switches,
        )

    def _first_run(self, pod: Pod) -> Run:
        started_at = timestamp(self.clock.wall())
        for status in pod.status.containerStatuses:
            if status.get("name") != pod.spec.base_container:
                continue
            former = Run(container_id=status.get("containerID", ""), started_at=started_at)
            end = terminated(former, at=started_at, reason="Error", exit_code=_KILLED)
            restarts = status.get("restartCount", 0) + 1
            return Run(container_id=_container_id(), started_at=started_at, restarts=restarts, last_terminated=end)
        return Run(container_id=_container_id(), started_at=started_at)

    def _address(self, pod: Pod, port: int) -> str:
        former = pod.status.podIP
        if former and self.addresses.claim(former):
            if self.ports.claim(former, port):
                return former
            self.addresses.free(former)
        for _ in range(_ADDRESS_TRIES):
            address = self.addresses.take()
            if self.ports.claim(address, port):
                return address
        text = f"port {port} is taken on {_ADDRESS_TRIES} loopback addresses: is another simulated cluster running?"
        raise KubeError(text)

    async def _run(self, pod: Pod, base: Base) -> Done | RequeueAfter:
        node = self.cluster.node(pod.spec.nodeName)
        is_lost = node is not None and node.is_lost
        self._obey(pod, base, is_lost=is_lost)
        if base.switches.evict and base.reported is not None:
            await self.cluster.report(pod, evicted_status(pod, now=timestamp(self.clock.wall())))
            self._stop(base)
            return Done()
        wait_s = base.up_at - self.clock.monotonic()
        if wait_s <= 0 and not base.is_up:
            self._open(base)
        reason = "NodeStatusUnknown" if is_lost else "ContainersNotReady"
        is_ready = base.is_up and not base.switches.not_ready and not is_lost
        report = Report(
            address=base.address,
            run=base.run,
            first_started_at=base.first_started_at,
            is_ready=is_ready,
            unready_reason=reason,
        )
        # After an outage the node life cycle controller has marked pods not ready: what is reported is what is shown.
        if report != base.reported or pod.status.is_ready != is_ready:
            await self.cluster.report(pod, running_status(pod, report, now=timestamp(self.clock.wall())))
            base.reported = report
        if base.switches.evict:
            return RequeueAfter(0.0)
        return Done() if base.is_up else RequeueAfter(wait_s)

    def _open(self, base: Base) -> None:
        try:
            self.ports.open(base.address, base.port, base.arklet)
        except OSError as error:
            raise KubeError(f"Arklet can't listen on {base.address}:{base.port}: {error}") from error
        base.is_up = True

    def _obey(self, pod: Pod, base: Base, *, is_lost: bool) -> None:
        """Take in what the annotations say now."""
        before, base.switches = base.switches, self._switches(pod, base.switches)
        behaviour = base.behaviour or base.switches.behaviour
        base.arklet.behaviour = attrs.evolve(behaviour, silent=True) if is_lost else behaviour
        if base.is_restart_due or base.switches.restart != before.restart:
            base.is_restart_due = False
            self._restart(base)

    def _restart(self, base: Base) -> None:
        """Kill the container: connections drop, modules are lost, the next run begins."""
        self._stop(base)
        now = timestamp(self.clock.wall())
        end = terminated(base.run, at=now, reason="Error", exit_code=_KILLED)
        base.run = Run(
            container_id=_container_id(), started_at=now, restarts=base.run.restarts + 1, last_terminated=end
        )
        base.up_at = self.clock.monotonic() + self._start_delay_s(base.switches)

    async def _terminate(self, pod: Pod, base: Base | None) -> Done | RequeueAfter:
        node = self.cluster.node(pod.spec.nodeName)
        if node is not None and node.is_lost and pod.metadata.deletionGracePeriodSeconds:
            return Done()  # an unreachable kubelet carries nothing out; its node's return comes as a change
        if base is not None and not pod.has_ended:
            if base.stop_at is None:
                grace_s = float(pod.metadata.deletionGracePeriodSeconds or 0)
                base.stop_at = self.clock.monotonic() + min(grace_s, base.switches.stop_delay_s or 0.0)
            if (wait_s := base.stop_at - self.clock.monotonic()) > 0:
                return RequeueAfter(wait_s)
            self._stop(base)
        await self.cluster.remove(pod)
        return Done()

    def _switches(self, pod: Pod, before: Switches) -> Switches:
        try:
            return switches_from_annotations(pod.metadata.annotations)
        except AnnotationError as error:
            _log.warning("annotation not understood", pod=pod.metadata.name, error=str(error))
            return before

    def _start_delay_s(self, switches: Switches) -> float:
        return self.start_delay_s if switches.start_delay_s is None else switches.start_delay_s

    def _stop(self, base: Base) -> None:
        self.ports.close(base.address, base.port)
        base.arklet.restart()
        base.is_up = False

    def _forget(self, key: ObjectKey, base: Base) -> None:
        self._stop(base)
        self.ports.give_back(base.address, base.port)
        self.addresses.free(base.address)
        del self.bases[key]


def _container_id() -> str:
    return f"simulated://{uuid.uuid4().hex}{uuid.uuid4().hex}"
