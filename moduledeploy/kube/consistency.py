"""Read your own writes: which versions an owner's cache must have reached before it may be planned on again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

import attrs
import structlog

from moduledeploy.kube.versions import is_at_least, is_comparable
from moduledeploy.runtime.clock import Clock, SystemClock

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from moduledeploy.kube.resources import Resource
    from moduledeploy.runtime.metrics import InformerMetrics

_log: Final = structlog.get_logger()
K = TypeVar("K", bound="Hashable")
# kube-controller-manager gives up its expectations after this time. What isn't there by then never will be: a storage restored
# from a backup has lost it (kubernetes #107457).
_PATIENCE_S: Final = 300.0


class Versioned(Protocol):
    """A cache that knows how far it is; `Store` is one."""

    def has_seen(self, version: str) -> bool:
        """Tell whether a write answered with `version` is contained."""


@attrs.define(kw_only=True)
class WrittenVersions(Generic[K]):
    """Remembers the newest version that each owner wrote, per kind, until the cache has it.

    Compares with ≥, never for equality: a write that another one overtook never shows up itself. Nothing waits here: a pass
    on a stale cache is skipped and comes again, at the latest by the event that makes the cache fresh. As in
    kube-controller-manager's util/consistency. After five minutes an owner is ready whatever the cache says.
    """

    metrics: InformerMetrics
    clock: Clock = attrs.field(factory=SystemClock)
    _written: dict[K, dict[Resource, str]] = attrs.field(factory=dict, init=False)
    _wrote_at: dict[K, float] = attrs.field(factory=dict, init=False)

    def wrote(self, owner: K, resource: Resource, rv: str) -> None:
        """Note what a write on behalf of `owner` was answered with; a version that is no number can't be waited for."""
        if not is_comparable(rv):
            return
        versions = self._written.setdefault(owner, {})
        if resource not in versions or is_at_least(rv, versions[resource]):
            versions[resource] = rv
        self._wrote_at[owner] = self.clock.monotonic()

    def is_ready(self, owner: K, stores: Mapping[Resource, Versioned]) -> bool:
        """Tell whether `stores` contain everything that `owner` wrote; kinds without a store there are not waited for."""
        versions = self._written.get(owner)
        if versions is None:
            return True
        for resource, rv in list(versions.items()):
            store = stores.get(resource)
            if store is not None and not store.has_seen(rv):
                if self.clock.monotonic() - self._wrote_at[owner] < _PATIENCE_S:
                    self.metrics.stale_skips.labels(resource.plural).inc()
                    return False
                _log.error(
                    "an own write never came into the cache", owner=str(owner), resource=str(resource), version=rv
                )
            del versions[resource]
        self.forget(owner)
        return True

    def forget(self, owner: K) -> None:
        """Drop what is known of an owner that is gone."""
        self._written.pop(owner, None)
        self._wrote_at.pop(owner, None)

    def __len__(self) -> int:
        """Owners whose cache may be stale."""
        return len(self._written)
