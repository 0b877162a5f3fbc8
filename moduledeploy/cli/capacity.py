"""How many module slots of each base Deployment are used and free, and whether its rollouts can finish."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import attrs
from rich.text import Text

from moduledeploy.api.fields import DecodeError
from moduledeploy.cli.access.connection import run_connected
from moduledeploy.cli.access.console import console, emit, say
from moduledeploy.cli.access.exits import Exit
from moduledeploy.cli.pictures.documents import documents
from moduledeploy.cli.pictures.table import Fit, table
from moduledeploy.cli.pictures.verdicts import bases_of, cap_of, obstacle
from moduledeploy.cli.pictures.words import BAD, GOOD, NONE
from moduledeploy.cli.reading.cluster import read_stores, view_of
from moduledeploy.cli.reading.future import forecast
from moduledeploy.cli.reading.kinds import ReadDeployment
from moduledeploy.controllers.facts import PoolKey

if TYPE_CHECKING:
    from moduledeploy.cli.access.connection import Connection
    from moduledeploy.cli.access.flags import Access
    from moduledeploy.controllers.cluster import Cluster, Stores

LEAST: Final = 30  # cells of a reason that keep other columns in their place


@attrs.frozen(kw_only=True)
class RolloutCapacity:
    """One rollout on these bases: whether it can finish, and why not."""

    name: str
    module: str
    desired: int
    can_finish: bool
    reason: str


@attrs.frozen(kw_only=True)
class Capacity:
    """The bases of one Deployment. slots and free are None where a base has no cap."""

    namespace: str
    deployment: str
    bases: int
    usable: int
    slots: int | None
    used: int
    free: int | None
    full: int
    rollouts: tuple[RolloutCapacity, ...]


def show_capacity(access: Access, *, all_namespaces: bool, output: str) -> int:
    """Print it; 1 where a rollout can't finish."""

    async def show(connection: Connection) -> int:
        stores = await read_stores(connection, None if all_namespaces else connection.namespace)
        found = capacities(stores, time.time())
        if output != "table":
            emit(documents("Capacity", found), output)
        else:
            say(_lines(found, console().width))
        return Exit.REACHED if all(rollout.can_finish for item in found for rollout in item.rollouts) else Exit.FAILED

    return run_connected(access, show)


def capacities(stores: Stores, now: float) -> list[Capacity]:
    """Every Deployment that a ModuleDeployment names."""
    cluster = view_of(stores)
    asked: dict[PoolKey, list[ReadDeployment]] = {}
    for item in stores.deployments.values():
        if isinstance(item, ReadDeployment):
            asked.setdefault(
                PoolKey(item.metadata.namespace, str(item.spec.get("baseDeploymentName") or NONE)), []
            ).append(item)
    return [_capacity_of(cluster, key, asked[key], now) for key in sorted(asked)]


def _capacity_of(cluster: Cluster, key: PoolKey, deployments: list[ReadDeployment], now: float) -> Capacity:
    pods = bases_of(cluster, key)
    pool = cluster.pool(key)
    counts = [pool.count(pod.metadata.uid) for pod in pods]
    caps = [cap_of(cluster, key, pod)[0] for pod in pods]
    bounded = [cap for cap in caps if cap is not None]
    usable = [not obstacle(cluster, key, pod) for pod in pods]
    free = sum(
        max(0, cap - count) for cap, count, ok in zip(caps, counts, usable, strict=True) if cap is not None and ok
    )
    is_bounded = len(bounded) == len(pods)
    return Capacity(
        namespace=key.namespace,
        deployment=key.deployment,
        bases=len(pods),
        usable=sum(usable),
        slots=sum(bounded) if is_bounded else None,
        used=sum(counts),
        free=free if is_bounded else None,
        full=sum(cap is not None and count >= cap for cap, count in zip(caps, counts, strict=True)),
        rollouts=tuple(_rollout(cluster.stores, item, now) for item in sorted(deployments, key=_name)),
    )


def _name(deployment: ReadDeployment) -> str:
    return deployment.metadata.name


def _rollout(stores: Stores, deployment: ReadDeployment, now: float) -> RolloutCapacity:
    name = deployment.metadata.name
    try:
        future = forecast(stores, deployment, now)
    except DecodeError as error:
        return RolloutCapacity(name=name, module="", desired=0, can_finish=False, reason=str(error))
    return RolloutCapacity(
        name=name,
        module=f"{future.module}:{future.version}",
        desired=future.desired,
        can_finish=future.completes,
        reason=future.unplaced or future.stuck,
    )


def _lines(found: list[Capacity], width: int) -> list[Text]:
    if not found:
        return [Text("no ModuleDeployment names a base Deployment here")]
    rows = [
        (
            item.namespace,
            item.deployment,
            str(item.bases),
            str(item.usable),
            "∞" if item.slots is None else str(item.slots),
            str(item.used),
            "∞" if item.free is None else str(item.free),
            str(item.full),
        )
        for item in found
    ]
    lines = table(
        ("NAMESPACE", "BASES-OF", "BASES", "USABLE", "SLOTS", "USED", "FREE", "FULL"),
        rows,
        Fit(width=width, drop=("FULL", "USED", "SLOTS", "NAMESPACE")),
    )
    rollouts = [
        (
            rollout.name,
            item.deployment,
            rollout.module,
            str(rollout.desired),
            Text("✔ yes", GOOD) if rollout.can_finish else Text("✖ no", BAD),
            rollout.reason,
        )
        for item in found
        for rollout in item.rollouts
    ]
    fit = Fit(width=width, drop=("MODULE", "BASES-OF", "DESIRED"), least=LEAST, wraps=True)
    return [*lines, Text(), *table(("ROLLOUT", "BASES-OF", "MODULE", "DESIRED", "CAN-FINISH", "REASON"), rollouts, fit)]
