"""Pods of the embedded cluster behind which a base runs that somebody else started, a real one or a simulated one.

The next pods that a base Deployment creates get the addresses, one each and for as long as they live: the pod's IP and its
port named `arklet` are those of the base.  Such a pod is Ready while Arklet answers there.  The container counts as restarted
when the process behind the port began later than the one seen before, by its own account (`run time(s)` in its health): so a
restart is seen however short it was.  Nothing is started or stopped here; when a pod is deleted its base runs on, with all
that is installed there, and is given to the next pod.
"""

from __future__ import annotations

import ipaddress
import uuid
from typing import TYPE_CHECKING, Any, Final, Protocol

import anyio
import attrs
import msgspec

from moduledeploy.devcluster.bases.pods import ARKLET_PORT_NAME, ATTACHED, PORT_ANNOTATION, Pod
from moduledeploy.devcluster.bases.status import Report, Run, running_status, terminated, timestamp
from moduledeploy.kube.worker import Done, RequeueAfter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from moduledeploy.devcluster.bases.kubelet import Cluster
    from moduledeploy.devcluster.local import LocalApi
    from moduledeploy.devcluster.resources import Resource
    from moduledeploy.devcluster.storage import Object
    from moduledeploy.devcluster.writes import Writes
    from moduledeploy.kube.resources import ObjectKey
    from moduledeploy.runtime.clock import Clock

PROBE_INTERVAL_S: Final = 1.0
_PROBE_TIMEOUT_S: Final = 3.0
_TOLERATED_MISSES: Final = 3  # an install stalls some of Arklet's connections; kubelet's failureThreshold is the same
_SAME_RUN_S: Final = 0.5  # two readings of one run differ by less
_MAX_ANSWER: Final = 1 << 20
_KILLED: Final = 137  # 128 + SIGKILL


class NotAnswered(Exception):
    """Raised when Arklet gave no usable answer in time; the process may live."""


class Refused(NotAnswered):
    """Raised when nobody listens at the address."""


class Probe(Protocol):
    """Asks a base how long it has been running."""

    async def __call__(self, host: str, port: int) -> float:
        """Seconds since the process began; raises `NotAnswered`."""
        ...


def parse_addresses(text: str) -> tuple[str, ...]:
    """`IP:PORT,…`; raises `ValueError` with what is allowed."""
    found = tuple(part.strip() for part in text.split(","))
    for address in found:
        host, _, port = address.rpartition(":")
        try:
            ipaddress.IPv4Address(host)
        except ValueError as error:
            raise ValueError(f"{address!r} is not IP:PORT") from error
        if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise ValueError(f"{address!r} is not IP:PORT, with a port from 1 to 65535")
    if len(set(found)) < len(found):
        raise ValueError(f"{text!r} names an address twice")
    return found


def attach_at_birth(
    api: LocalApi, addresses: Sequence[str], plays: Callable[[LocalApi, Pod], bool]
) -> Callable[[Writes, Resource, Object, Object | None, str], None]:
    """Admission that gives a new base pod the first address that no other pod has; pods beyond them are simulated."""

    def attach(_writes: Writes, resource: Resource, obj: Object, old: Object | None, _subresource: str) -> None:
        if resource.table != "pods" or old is not None:
            return
        if not plays(api, msgspec.convert(obj, Pod)):
            return
        containers = obj["spec"].get("containers") or []
        ports = [p for c in containers for p in c.get("ports") or [] if p.get("name") == ARKLET_PORT_NAME]
        taken = {(pod["metadata"].get("annotations") or {}).get(ATTACHED) for pod in api.list("pods")}
        if (address := next((item for item in addresses if item not in taken), None)) is not None:
            annotations = obj["metadata"].setdefault("annotations", {})
            annotations[ATTACHED] = address
            port = address.rpartition(":")[2]
            if ports:
                ports[0]["containerPort"] = int(port)
            else:
                annotations[PORT_ANNOTATION] = port

    return attach


async def ask_uptime(host: str, port: int) -> float:
    """What Arklet's health says of the JVM; raises `NotAnswered`."""
    body = b'{"type":"system","metrics":["jvm"]}'
    head = f"POST /health HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    answer = b""
    try:
        with anyio.fail_after(_PROBE_TIMEOUT_S):
            async with await anyio.connect_tcp(host, port) as stream:
                await stream.send(head + body)
                async for chunk in stream:
                    answer += chunk
                    if len(answer) > _MAX_ANSWER:
                        raise NotAnswered("the answer has no end")
        figures = msgspec.json.decode(answer.partition(b"\r\n\r\n")[2])["data"]["healthData"]["jvm"]
        return float(figures["run time(s)"])
    except OSError as error:
        if isinstance(error.__cause__, ConnectionRefusedError):  # anyio tells it so
            raise Refused(f"nobody listens at {host}:{port}") from error
        raise NotAnswered(f"{host}:{port}: {error}") from error
    except (anyio.BrokenResourceError, msgspec.MsgspecError, LookupError, TypeError, ValueError) as error:
        raise NotAnswered(f"{host}:{port}: {error}") from error


@attrs.define(kw_only=True, eq=False)
class _Watched:
    """One attached base; `began_at` is when its process began at the latest, in monotonic seconds."""

    uid: str
    host: str
    port: int
    run: Run | None = None
    first_started_at: str = ""
    began_at: float = 0.0
    misses: int = 0
    reported: Report | None = None


@attrs.define(kw_only=True, eq=False)
class AttachedBases:
    """Tells of the pods that are attached what their bases tell; `sync` is the one entry."""

    cluster: Cluster
    clock: Clock
    probe: Probe = ask_uptime
    _watched: dict[ObjectKey, _Watched] = attrs.field(factory=dict, init=False)

    def forget(self, key: ObjectKey) -> None:
        """The pod has gone."""
        self._watched.pop(key, None)

    async def sync(self, key: ObjectKey, pod: Pod) -> Done | RequeueAfter:
        """Look at one base and report what changed; returns when to look again."""
        if pod.metadata.deletionTimestamp:
            await self.cluster.remove(pod)
            return Done()
        if not pod.spec.nodeName:
            await self.cluster.bind(pod)
            return Done()
        base = self._watched.get(key)
        if base is None or base.uid != pod.metadata.uid:
            host, _, port = pod.attached_to.rpartition(":")
            base = self._watched[key] = _Watched(uid=pod.metadata.uid, host=host, port=int(port))
        is_ready = await self._look(base)
        if base.run is not None:
            report = Report(address=base.host, run=base.run, first_started_at=base.first_started_at, is_ready=is_ready)
            if report != base.reported:
                await self.cluster.report(pod, running_status(pod, report, now=timestamp(self.clock.wall())))
                base.reported = report
        return RequeueAfter(PROBE_INTERVAL_S)

    async def _look(self, base: _Watched) -> bool:
        """Whether the base is up; a new run of its process is noted."""
        asked_at = self.clock.monotonic()
        try:
            uptime_s = await self.probe(base.host, base.port)
        except Refused:
            base.misses = _TOLERATED_MISSES
        except NotAnswered:
            base.misses += 1
        else:
            base.misses = 0
            # The reading was made between question and answer: only what began after the latest possible is another run.
            if base.run is None or asked_at - uptime_s > base.began_at + _SAME_RUN_S:
                base.run = self._next_run(base.run)
                base.first_started_at = base.first_started_at or base.run.started_at
                base.began_at = self.clock.monotonic() - uptime_s
        return base.run is not None and base.misses < _TOLERATED_MISSES

    def _next_run(self, before: Run | None) -> Run:
        now, container_id = timestamp(self.clock.wall()), f"attached://{uuid.uuid4().hex}"
        if before is None:
            return Run(container_id=container_id, started_at=now)
        end: dict[str, Any] = terminated(before, at=now, reason="Error", exit_code=_KILLED)
        return Run(container_id=container_id, started_at=now, restarts=before.restarts + 1, last_terminated=end)
