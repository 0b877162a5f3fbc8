"""Read your own writes: which versions an owner's cache must have reached before it may be planned on again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import attrs

from moduledeploy.kube.versions import is_at_least, is_comparable

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from moduledeploy.kube.resources import Resource
    from moduledeploy.runtime.metrics import InformerMetrics

K = TypeVar("K", bound="Hashable")


class Versioned(Protocol):
    """A cache that knows how far it is; `Store` is one."""

    def has_seen(self, version: str) -> bool:
        """Tell whether a write answered with `version` is contained."""


@attrs.define(kw_only=True)
class WrittenVersions(Generic[K]):
    """Remembers the newest version that each owner wrote, per kind, until the cache has it.

    Compares with ≥, never for equality: a write that another one overtook never shows up itself. Nothing waits here: a pass
    on a stale cache is skipped and comes again, at the latest by the event that makes the cache fresh. As in
    kube-controller-manager's util/consistency.
    """

    metrics: InformerMetrics
    _written: dict[K, dict[Resource, str]] = attrs.field(factory=dict, init=False)

    def wrote(self, owner: K, resource: Resource, rv: str) -> None:
        """Note what a write on behalf of `owner` was answered with; a version that is no number can't be waited for."""
        if not is_comparable(rv):
            return
        versions = self._written.setdefault(owner, {})
        if resource not in versions or is_at_least(rv, versions[resource]):
            versions[resource] = rv

    def is_ready(self, owner: K, stores: Mapping[Resource, Versioned]) -> bool:
        """Tell whether `stores` contain everything that `owner` wrote; kinds without a store there are not waited for."""
        versions = self._written.get(owner)
        if versions is None:
            return True
        for resource, rv in list(versions.items()):
            store = stores.get(resource)
            if store is not None and not store.has_seen(rv):
                self.metrics.stale_skips.labels(resource.plural).inc()
                return False
            del versions[resource]
        del self._written[owner]
        return True

    def forget(self, owner: K) -> None:
        """Drop what is known of an owner that is gone."""
        self._written.pop(owner, None)

    def __len__(self) -> int:
        """Owners whose cache may be stale."""
        return len(self._written)
