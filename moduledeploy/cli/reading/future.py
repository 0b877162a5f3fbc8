"""A cluster's view made for a forecast: a copy of what was read, with what people want to know changed in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from moduledeploy.api import names
from moduledeploy.cli.access.exits import CliError, Exit
from moduledeploy.cli.pictures.forecast import Forecast, Simulation
from moduledeploy.cli.reading.cluster import view_of
from moduledeploy.cli.reading.family import family_of
from moduledeploy.cli.reading.kinds import ReadDeployment
from moduledeploy.controllers.indexes import INDEXES
from moduledeploy.kube.resources import ObjectKey
from moduledeploy.kube.store import Store

if TYPE_CHECKING:
    from collections.abc import Collection

    from moduledeploy.api.cluster import Pod
    from moduledeploy.controllers.cluster import Stores


def altered(stores: Stores, namespace: str, *, lost: Collection[str] = (), cap: int | None = None) -> Stores:
    """The same objects without those base pods, and with this cap on every other. Raises CliError for a pod that isn't there."""
    for name in lost:
        if ObjectKey(namespace, name) not in stores.pods:
            raise CliError(f"no pod {name} in namespace {namespace}", Exit.NOT_FOUND)
    pods: Store[Pod] = Store(INDEXES["pods"])
    for key, pod in stores.pods.items():
        if key.namespace == namespace and key.name in lost:
            continue
        meta = pod.metadata
        if cap is not None:
            meta = attrs.evolve(meta, labels={**(meta.labels or {}), names.CAP_LABEL: str(cap)})
        pods.put(key, attrs.evolve(pod, metadata=meta))
    return attrs.evolve(stores, pods=pods)


def forecast(stores: Stores, deployment: ReadDeployment, now: float) -> Forecast:
    """What the rollout of this ModuleDeployment will do from `now` on. Raises DecodeError."""
    family = family_of(view_of(stores), deployment)
    pods = {pod.metadata.uid: pod for pod in stores.pods.values()}
    return Simulation(
        view=attrs.evolve(family.view, revisions=dict(family.view.revisions)),
        pool=family.pool,
        now=now,
        base_names={uid: pod.metadata.name for uid, pod in pods.items()},
        ready=frozenset(uid for uid, pod in pods.items() if pod.is_ready and not pod.metadata.is_terminating),
    ).run()


def merged(live: ReadDeployment | None, wanted: ReadDeployment) -> ReadDeployment:
    """What the server holds after this manifest is applied: fields that others own stay."""
    if live is None:
        return wanted
    others = ("scaledReplicas", "pause")
    kept: dict[str, Any] = {name: live.spec[name] for name in others if name in live.spec and name not in wanted.spec}
    meta = attrs.evolve(live.metadata, generation=live.metadata.generation + 1)
    return ReadDeployment(metadata=meta, spec={**wanted.spec, **kept}, status=live.status)


def with_spec(deployment: ReadDeployment, **changes: Any) -> ReadDeployment:  # noqa: ANN401  # JSON fields
    """The same with fields of its spec changed; None takes one away."""
    spec = {name: value for name, value in {**deployment.spec, **changes}.items() if value is not None}
    return attrs.evolve(deployment, spec=spec)
