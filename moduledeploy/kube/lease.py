"""Leader election on a coordination.k8s.io/v1 Lease, and the gate that follows from it.

A lease is no fence: it keeps two processes from believing at the same time that they lead, as long as their clocks run at
about the same rate, and nothing more. So a holder counts its own time from *before* it sent a renewal and stops writing
before that time is over, and a challenger counts from when it first *saw* the holder's last renewal. Timestamps in the
Lease are for people; nobody's clock is ever compared with another's.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Final

import attrs
import msgspec
import structlog

from moduledeploy.kube.errors import AlreadyExists, ApiError, Conflict, KubeError, NotFound, NotLeading, Unreachable
from moduledeploy.kube.resources import ObjectKey, Resource
from moduledeploy.kube.times import micro_time
from moduledeploy.runtime.clock import Clock, SystemClock, fail_after

if TYPE_CHECKING:
    from collections.abc import Callable

    from moduledeploy.kube.transport import Transport
    from moduledeploy.runtime.metrics import ElectionMetrics

_log: Final = structlog.get_logger()

LEASES: Final = Resource("coordination.k8s.io", "v1", "leases", "Lease")
# Between a gate's check and the server's doing lies a network: writes stop this much before the lease runs out.
_GATE_MARGIN_S: Final = 1.0
_LAST_TRY_S: Final = 0.25
_HEALTH_MARGIN_S: Final = 20.0  # client-go, healthzadaptor.go


class LeaseLost(KubeError):
    """Raised when this process led and must not any more; it can only exit."""


def _positive(instance: LeaseRules, _: object, __: float) -> None:
    # client-go's rules; with them the holder gives up before a challenger may take over.
    if not instance.lease_s > instance.renew_s > 1.2 * instance.retry_s > 0:
        raise ValueError("a lease needs duration > renew deadline > 1.2 × retry period > 0")


@attrs.frozen(kw_only=True)
class LeaseRules:
    """Times of the election in seconds; the defaults are those of every Kubernetes component."""

    lease_s: float = 15.0
    renew_s: float = 10.0
    retry_s: float = attrs.field(default=2.0, validator=_positive)


@attrs.define
class LeaderGate:
    """Lets writes through while this process may believe that it leads; safe to read from another thread."""

    clock: Clock
    # When the lease runs out if it isn't renewed, on the monotonic clock; minus infinity while not leading.
    valid_until: float = attrs.field(default=float("-inf"), init=False)
    # The lease's count of changes of hands: grows with every new leader.
    epoch: int = attrs.field(default=0, init=False)

    def check(self) -> None:
        """Return while leading; raise NotLeading from one second before the lease runs out."""
        if self.clock.monotonic() >= self.valid_until - _GATE_MARGIN_S:
            raise NotLeading("this process doesn't hold the lease; nothing was sent")

    @property
    def is_leading(self) -> bool:
        """Whether `check` would return."""
        return self.clock.monotonic() < self.valid_until - _GATE_MARGIN_S

    def open_until(self, valid_until: float, epoch: int) -> None:
        """Let writes through until then; for the elector alone."""
        self.valid_until = valid_until
        self.epoch = epoch

    def close(self) -> None:
        """Let nothing through any more; for the elector alone."""
        self.valid_until = float("-inf")


class _Record(msgspec.Struct, frozen=True, rename="camel"):
    """The Lease's spec."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class _Meta(msgspec.Struct, rename="camel", omit_defaults=True):
    """All of the metadata that an update would take away by leaving it out."""

    name: str = ""
    namespace: str = ""
    resource_version: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    finalizers: list[str] | None = None
    owner_references: list[dict[str, object]] | None = None


class _Lease(msgspec.Struct):
    metadata: _Meta
    spec: _Record = msgspec.field(default_factory=_Record)


_DECODER: Final = msgspec.json.Decoder(_Lease)


@attrs.define(kw_only=True)
class Elector:
    """Acquires, holds and releases one lease; give it a Transport of its own, so that no other traffic delays it."""

    transport: Transport
    lease: ObjectKey
    identity: str
    gate: LeaderGate
    metrics: ElectionMetrics
    clock: Clock = attrs.field(factory=SystemClock)
    rules: LeaseRules = attrs.field(factory=LeaseRules)
    draw: Callable[[], float] = random.random
    last_error: str = attrs.field(default="", init=False)
    _observed: _Lease | None = attrs.field(default=None, init=False)
    _observed_at: float = attrs.field(default=float("-inf"), init=False)
    _renewed_at: float = attrs.field(default=float("-inf"), init=False)

    def __attrs_post_init__(self) -> None:
        self.metrics.master_status.labels(self.lease.name).set(0)
        self.metrics.slowpath.labels(self.lease.name)

    async def acquire(self) -> None:
        """Wait until this process leads; faults of the server only make it wait longer."""
        leader = ""
        while not await self._try():
            if self._holder() not in ("", leader, self.identity):
                leader = self._holder()
                _log.info("standing by", lease=str(self.lease), leader=leader, lasts_s=self._duration_s())
            # 50–90 % of the period: standbys spread out, and a leader's end, its last half second of work included, is
            # found within three seconds.
            await self.clock.sleep(self.rules.retry_s * (0.5 + 0.4 * self.draw()))
        self.metrics.master_status.labels(self.lease.name).set(1)
        _log.info("leading", lease=str(self.lease), identity=self.identity, epoch=self.gate.epoch)

    async def hold(self) -> None:
        """Renew until it is lost, then close the gate and raise LeaseLost; never returns.

        Keep it running until the last write is done; cancelled, it leaves the lease to `release`.
        """
        while True:
            await self.clock.sleep(self._until_next_try_s())
            if self._until_deadline_s() > 0:
                await self._try()
            if self._holder() != self.identity:
                self._step_down()
                raise LeaseLost(f"lease {self.lease} is held by {self._holder() or 'nobody'}")
            if self._until_deadline_s() <= 0:
                self._step_down()
                raise LeaseLost(f"lease {self.lease} not renewed for {self.rules.renew_s:g} s: {self.last_error}")

    async def release(self) -> None:
        """Give the lease up so that a standby need not wait; call it after the last write. Does nothing if not holding."""
        was_leading = self.gate.valid_until > float("-inf")
        self._step_down()
        if not was_leading:
            return
        try:
            with fail_after(self.clock, self.rules.renew_s / 2):
                lease = await self._read()
                # After a partition it may be a successor's by now: only our own may be emptied.
                if lease is None or lease.spec.holder_identity != self.identity:
                    return
                given_up = msgspec.structs.replace(
                    lease.spec, holder_identity=None, lease_duration_seconds=1, renew_time=micro_time(self.clock.wall())
                )
                await self._put(lease, given_up)
        except (ApiError, TimeoutError) as error:
            _log.warning("lease not released", lease=str(self.lease), error=str(error))
            return
        _log.info("lease released", lease=str(self.lease))

    @property
    def is_healthy(self) -> bool:
        """False when a holder's last renewal is older than the lease and 20 seconds: then this process is stuck."""
        if self.gate.valid_until == float("-inf"):
            return True
        return self.clock.monotonic() - self._renewed_at < self.rules.lease_s + _HEALTH_MARGIN_S

    async def _try(self) -> bool:
        """Acquire or renew once; False on any fault or while another's lease is valid."""
        timeout_s = max(1.0, self.rules.renew_s / 2)
        if self._holder() == self.identity:
            # Half of what is left: a connection that died must not take the last chance with it.
            left_s = self._until_deadline_s()
            timeout_s = min(timeout_s, max(left_s / 2, min(1.0, left_s), 0.001))
        try:
            with fail_after(self.clock, timeout_s):
                leads = await self._try_once()
        except (ApiError, TimeoutError) as error:
            text = f"no answer within {timeout_s:.1f} s" if isinstance(error, TimeoutError) else str(error)
            if text != self.last_error:
                _log.warning("lease not acquired or renewed", lease=str(self.lease), error=text)
            self.last_error = text
            return False
        self.last_error = ""
        return leads

    async def _try_once(self) -> bool:
        lease = self._observed
        if lease is not None and lease.spec.holder_identity == self.identity and self.gate.is_leading:
            try:
                return await self._take(lease)
            except Conflict:
                self.metrics.slowpath.labels(self.lease.name).inc()
        lease = await self._read()
        # A deleted Lease ends nobody's time: whoever held it when it was last seen counts on it until it runs out, by the
        # rules that all candidates share. A duration that says otherwise was somebody's edit, and went with the Lease.
        if self._is_anothers(self._duration_s() if lease is not None else self.rules.lease_s):
            return False
        if lease is None:
            return await self._create()
        try:
            return await self._take(lease)
        except Conflict:
            return False

    def _is_anothers(self, lasts_s: float) -> bool:
        """Somebody else held the lease when it was last seen, and may think so still."""
        if self._holder() in ("", self.identity):
            return False
        return self.clock.monotonic() < self._observed_at + lasts_s

    def _duration_s(self) -> float:
        """How long the lease last seen is valid without a renewal."""
        return (self._observed and self._observed.spec.lease_duration_seconds) or self.rules.lease_s

    async def _read(self) -> _Lease | None:
        try:
            body = await self.transport.request("GET", self._path(), max_tries=1, timeout_s=self.rules.renew_s)
        except NotFound:
            return None
        lease = _decode(body)
        self._observe(lease)
        return lease

    def _observe(self, lease: _Lease) -> None:
        if self._observed is None or self._observed.spec != lease.spec:
            self._observed_at = self.clock.monotonic()
        self._observed = lease

    async def _create(self) -> bool:
        sent_at = self.clock.monotonic()
        now = micro_time(self.clock.wall())
        transitions = 0
        if self._observed is not None:  # it was deleted: its count goes on
            is_ours = self._holder() == self.identity
            transitions = (self._observed.spec.lease_transitions or 0) + (0 if is_ours else 1)
            _log.warning("lease was deleted and is made again", lease=str(self.lease))
        record = _Record(self.identity, math.ceil(self.rules.lease_s), now, now, transitions)
        body = {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": {"name": self.lease.name, "namespace": self.lease.namespace},
            "spec": record,
        }
        try:
            answer = await self.transport.request(
                "POST", LEASES.path(self.lease.namespace), body=body, max_tries=1, timeout_s=self.rules.renew_s
            )
        except AlreadyExists:
            return False
        self._lead(_decode(answer), sent_at)
        return True

    async def _take(self, lease: _Lease) -> bool:
        """Write our own record over the one that was read; raises Conflict when it has changed since."""
        sent_at = self.clock.monotonic()
        old = lease.spec
        now = micro_time(self.clock.wall())
        is_ours = old.holder_identity == self.identity
        transitions = (old.lease_transitions or 0) + (0 if is_ours else 1)
        record = _Record(
            self.identity, math.ceil(self.rules.lease_s), old.acquire_time if is_ours else now, now, transitions
        )
        self._lead(await self._put(lease, record), sent_at)
        return True

    async def _put(self, lease: _Lease, record: _Record) -> _Lease:
        body = {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": msgspec.structs.replace(lease.metadata, name=self.lease.name, namespace=self.lease.namespace),
            "spec": record,
        }
        answer = await self.transport.request("PUT", self._path(), body=body, max_tries=1, timeout_s=self.rules.renew_s)
        return _decode(answer)

    def _lead(self, lease: _Lease, sent_at: float) -> None:
        self._observe(lease)
        self._renewed_at = sent_at
        self.gate.open_until(sent_at + self.rules.lease_s, lease.spec.lease_transitions or 0)

    def _until_next_try_s(self) -> float:
        """The retry period; shorter towards the deadline, so that a server that is back just in time is found."""
        left_s = self._until_deadline_s()
        return min(self.rules.retry_s, max(left_s / 2, _LAST_TRY_S), left_s)

    def _step_down(self) -> None:
        self.gate.close()
        self.metrics.master_status.labels(self.lease.name).set(0)

    def _until_deadline_s(self) -> float:
        return self._renewed_at + self.rules.renew_s - self.clock.monotonic()

    def _holder(self) -> str:
        return (self._observed.spec.holder_identity or "") if self._observed is not None else ""

    def _path(self) -> str:
        return LEASES.path(self.lease.namespace, self.lease.name)


def _decode(body: bytes) -> _Lease:
    try:
        return _DECODER.decode(body)
    except msgspec.MsgspecError as error:
        raise Unreachable(f"the answer is no Lease: {error}", reason="protocol") from error
