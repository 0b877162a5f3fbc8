"""How a Deployment's replicas are shared among its ReplicaSets, as plain arithmetic.

Follows pkg/controller/deployment: rolling.go, recreate.go, sync.go (proportional scaling) and util/deployment_util.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moduledeploy.devcluster.storage import Object

DESIRED: Final = "deployment.kubernetes.io/desired-replicas"
MAXIMUM: Final = "deployment.kubernetes.io/max-replicas"


@attrs.frozen(kw_only=True)
class Share:
    """One ReplicaSet as the arithmetic sees it."""

    name: str
    replicas: int
    available: int
    created: str
    annotated_maximum: int = 0


@attrs.frozen(kw_only=True)
class Limits:
    """What a Deployment's strategy allows, in replicas."""

    desired: int
    surge: int
    unavailable: int

    @property
    def maximum(self) -> int:
        """How many replicas there may be at once."""
        return self.desired + self.surge

    @property
    def minimum(self) -> int:
        """How many must be available."""
        return self.desired - self.unavailable


def share_of(obj: Object) -> Share:
    """A ReplicaSet's share."""
    meta = obj["metadata"]
    annotated = (meta.get("annotations") or {}).get(MAXIMUM, "0")
    return Share(
        name=meta["name"],
        replicas=obj["spec"]["replicas"],
        available=obj.get("status", {}).get("availableReplicas", 0),
        created=meta["creationTimestamp"],
        annotated_maximum=int(annotated) if annotated.isdigit() else 0,
    )


def limits_of(deployment: Object) -> Limits:
    """The limits of a Deployment; both zero after rounding means one unavailable."""
    spec = deployment["spec"]
    desired = spec["replicas"]
    if spec["strategy"]["type"] == "Recreate":
        return Limits(desired=desired, surge=0, unavailable=desired)
    rolling = spec["strategy"].get("rollingUpdate") or {}
    surge = _resolve(rolling.get("maxSurge", 0), desired, round_up=True)
    unavailable = _resolve(rolling.get("maxUnavailable", 0), desired, round_up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Limits(desired=desired, surge=surge, unavailable=min(unavailable, desired))


def _resolve(value: int | str, total: int, *, round_up: bool) -> int:
    if isinstance(value, int):
        return value
    share = int(value.removesuffix("%")) * total
    return -(-share // 100) if round_up else share // 100


def roll(new: Share, old: Sequence[Share], limits: Limits) -> dict[str, int]:
    """The next step of a rolling update: new sizes by name, of the new ReplicaSet or else of old ones."""
    current = new.replicas + sum(share.replicas for share in old)
    if new.replicas > limits.desired:
        return {new.name: limits.desired}
    if new.replicas < limits.desired and current < limits.maximum:
        return {new.name: new.replicas + min(limits.maximum - current, limits.desired - new.replicas)}
    return _shrink_old(new, old, limits, current)


def _shrink_old(new: Share, old: Sequence[Share], limits: Limits, current: int) -> dict[str, int]:
    by_age = sorted(old, key=lambda share: share.created)
    removable = current - limits.minimum - (new.replicas - new.available)
    if removable <= 0:
        return {}
    sizes = {share.name: share.replicas for share in by_age if share.replicas}
    for share in by_age:  # those that don't serve go first
        unhealthy = min(removable, max(0, share.replicas - share.available))
        if unhealthy:
            sizes[share.name] -= unhealthy
            removable -= unhealthy
    spare = new.available + sum(share.available for share in old) - limits.minimum
    for share in by_age:
        down = min(sizes.get(share.name, 0), max(0, spare))
        if down:
            sizes[share.name] -= down
            spare -= down
    return {share.name: sizes[share.name] for share in by_age if share.replicas and sizes[share.name] != share.replicas}


def scale(new: Share | None, old: Sequence[Share], limits: Limits) -> dict[str, int]:
    """Sizes after the Deployment itself was scaled: all to the only active one, or in proportion to several."""
    everyone = [*([new] if new else []), *old]
    active = [share for share in everyone if share.replicas]
    if len(active) <= 1:
        target = active[0] if active else new or max(old, key=lambda share: share.created, default=None)
        return {target.name: limits.desired} if target and target.replicas != limits.desired else {}
    if new is not None and new.replicas == new.available == limits.desired:
        return {share.name: 0 for share in old if share.replicas}
    return _in_proportion(active, limits)


def _in_proportion(active: Sequence[Share], limits: Limits) -> dict[str, int]:
    allowed = limits.maximum if limits.desired else 0
    to_add = allowed - sum(share.replicas for share in active)
    if to_add == 0:
        return {}
    by_age = sorted(active, key=lambda share: share.created, reverse=to_add > 0)
    largest_first = sorted(by_age, key=lambda share: -share.replicas)
    added = 0
    sizes: dict[str, int] = {}
    for share in largest_first:
        basis = share.annotated_maximum or sum(other.replicas for other in active)
        part = int(share.replicas * allowed / basis + 0.5) - share.replicas
        part = max(min(part, to_add - added), 0) if to_add > 0 else min(max(part, to_add - added), 0)
        sizes[share.name] = share.replicas + part
        added += part
    first = largest_first[0].name
    sizes[first] = max(0, sizes[first] + to_add - added)
    return {share.name: sizes[share.name] for share in active if sizes[share.name] != share.replicas}
