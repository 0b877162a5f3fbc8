"""Why a base does or doesn't take a module: each filter's verdict, and the order of those that could."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from moduledeploy.api import names
from moduledeploy.api.spec import SchedulingPolicy
from moduledeploy.controllers.facts import placement_base, read_cap
from moduledeploy.kube.resources import ObjectKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moduledeploy.api.cluster import Pod
    from moduledeploy.controllers.cluster import Cluster
    from moduledeploy.controllers.facts import PoolKey

FILTERS: Final = ("running", "ready", "staying", "address", "cap-label", "without-module", "below-cap")


@attrs.frozen(kw_only=True)
class Filter:
    """One filter on one base."""

    name: str
    passes: bool
    reason: str = ""


@attrs.frozen(kw_only=True)
class BaseVerdict:
    """One base. `rank`: which of the takers it is, 1 being the next; None for one that doesn't take the module."""

    base: str
    takes: bool
    rank: int | None
    modules: int
    cap: int | None
    installed: tuple[str, ...]
    filters: tuple[Filter, ...]

    @property
    def reason(self) -> str:
        """The first filter that refuses, in words."""
        return next((item.reason for item in self.filters if not item.passes), "")


def base_verdicts(cluster: Cluster, pool_key: PoolKey, module: str, policy: SchedulingPolicy) -> list[BaseVerdict]:
    """Every base of the base Deployment by name."""
    found = [_verdict(cluster, pool_key, pod, module) for pod in bases_of(cluster, pool_key)]
    takers = [(verdict, newest) for verdict, newest in found if verdict.takes]
    sign = 1 if policy is SchedulingPolicy.SCATTER else -1
    takers.sort(key=lambda pair: (not pair[1], sign * pair[0].modules, pair[0].base))
    ranks = {verdict.base: rank for rank, (verdict, _) in enumerate(takers, start=1)}
    return [attrs.evolve(verdict, rank=ranks.get(verdict.base)) for verdict, _ in found]


def bases_of(cluster: Cluster, pool_key: PoolKey) -> list[Pod]:
    """The pods of a base Deployment by name."""
    pods = [pod for pod in cluster.stores.pods.values() if cluster.pool_of(pod.metadata.uid) == pool_key]
    return sorted(pods, key=lambda pod: pod.metadata.name)


def cap_of(cluster: Cluster, pool_key: PoolKey, pod: Pod) -> tuple[int | None, bool]:
    """The cap of a base, None for no limit, and whether its label is no number."""
    return read_cap(_cap_label(cluster, pool_key, pod)[0])


def _cap_label(cluster: Cluster, pool_key: PoolKey, pod: Pod) -> tuple[str | None, str]:
    """The value that limits a base, and whose it is: the pod's own, else that of its Deployment."""
    label = pod.metadata.label(names.CAP_LABEL)
    if label is not None:
        return label, f"label {names.CAP_LABEL}"
    deployment = cluster.stores.base_deployments.get(ObjectKey(*pool_key))
    default = deployment.metadata.label(names.CAP_LABEL) if deployment else None
    return default, f"label {names.CAP_LABEL} of Deployment {pool_key.deployment}"


def is_newest(cluster: Cluster, pod: Pod) -> bool:
    """It is of the newest ReplicaSet of its Deployment."""
    owner = pod.metadata.controller
    own = cluster.stores.base_replica_sets.get(ObjectKey(pod.metadata.namespace, owner.name)) if owner else None
    controller = own.metadata.controller if own else None
    if own is None or controller is None:
        return False
    siblings = cluster.stores.base_replica_sets.by_index("owner", f"{pod.metadata.namespace}/{controller.name}")
    return own.revision == max(sibling.revision for sibling in siblings)


def _verdict(cluster: Cluster, pool_key: PoolKey, pod: Pod, module: str) -> tuple[BaseVerdict, bool]:
    cap, _ = cap_of(cluster, pool_key, pod)
    there = cluster.stores.modules.by_index("base", pod.metadata.uid)
    installed = tuple(sorted(item.spec.module.identity for item in there))
    filters = tuple(_filters(cluster, pool_key, pod, module))
    newest = is_newest(cluster, pod)
    verdict = BaseVerdict(
        base=pod.metadata.name,
        takes=all(item.passes for item in filters),
        rank=None,
        modules=cluster.pool(pool_key).count(pod.metadata.uid),
        cap=cap,
        installed=installed,
        filters=filters,
    )
    return verdict, newest


def _filters(cluster: Cluster, pool_key: PoolKey, pod: Pod, module: str) -> Iterator[Filter]:
    def one(name: str, reason: str, *, passes: bool) -> Filter:
        return Filter(name=name, passes=passes, reason="" if passes else reason)

    cap, is_bad = cap_of(cluster, pool_key, pod)
    there = cluster.stores.modules.by_index("base", pod.metadata.uid)
    own = next((item.spec.module.identity for item in there if item.spec.module.name == module), "")
    used = cluster.pool(pool_key).count(pod.metadata.uid)
    label, whose = _cap_label(cluster, pool_key, pod)
    yield one("running", f"its phase is {pod.status.phase or 'unknown'}", passes=pod.status.phase == "Running")
    yield one("ready", "it is not Ready", passes=pod.is_ready)
    yield one("staying", "it is terminating", passes=not pod.metadata.is_terminating)
    yield one("address", "it has no address yet", passes=bool(pod.status.podIP))
    yield one("cap-label", f"{whose} is {label!r}, no number from 0", passes=not is_bad)
    yield one("without-module", f"it has {own}", passes=not own)
    yield one("below-cap", f"it has {used}, and {cap} is its cap", passes=bool(own) or cap is None or used < cap)


def refusals(cluster: Cluster, pool_key: PoolKey, pod: Pod) -> list[str]:
    """Why a base takes no new module, whatever the module."""
    return [item.reason for item in _filters(cluster, pool_key, pod, "") if not item.passes]


def obstacle(cluster: Cluster, pool_key: PoolKey, pod: Pod) -> str:
    """What keeps a base from taking any module, one word; empty where nothing does."""
    deployment = cluster.stores.base_deployments.get(ObjectKey(*pool_key))
    default = deployment.metadata.label(names.CAP_LABEL) if deployment else None
    found = placement_base(pod, default, is_newest=True).obstacle
    return found.value if found else ""
