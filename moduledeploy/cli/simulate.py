"""What would happen to availability and placement if bases went, the number of replicas or the cap changed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

from moduledeploy.api.names import DEPLOYMENT_LABEL
from moduledeploy.cli.access.connection import run
from moduledeploy.cli.access.console import console, emit, say
from moduledeploy.cli.access.exits import CliError, Exit
from moduledeploy.cli.access.refusals import no_deployment
from moduledeploy.cli.pictures.documents import document
from moduledeploy.cli.pictures.forecast_text import forecast_text
from moduledeploy.cli.plan import live_one, read_cluster
from moduledeploy.cli.reading.cluster import names_in
from moduledeploy.cli.reading.future import altered, forecast, with_spec

if TYPE_CHECKING:
    from moduledeploy.cli.access.flags import Access
    from moduledeploy.cli.reading.kinds import ReadDeployment
    from moduledeploy.controllers.cluster import Stores


@attrs.frozen(kw_only=True)
class Change:
    """What is supposed to be otherwise; lost bases are taken as not coming back."""

    lost: tuple[str, ...] = ()
    scale: int | None = None
    cap: int | None = None


def simulate(access: Access, change: Change, *, name: str, snapshot: str | None, output: str) -> int:
    """Print what would happen; 1 where the rollout wouldn't complete."""

    async def show() -> int:
        stores, namespace = await read_cluster(access, snapshot)
        deployment = _scaled(stores, namespace, name, change.scale)
        found = forecast(altered(stores, namespace, lost=change.lost, cap=change.cap), deployment, time.time())
        found = attrs.evolve(found, others=_others(stores, namespace, name, change.lost))
        if output == "text":
            say(forecast_text(found, console().width))
        else:
            emit(document("Simulation", found), output)
        return Exit.REACHED if found.completes else Exit.FAILED

    return run(show)


def _others(stores: Stores, namespace: str, name: str, lost: tuple[str, ...]) -> tuple[str, ...]:
    """ModuleDeployments that lose a replica with the same bases."""
    found = {
        module.metadata.label(DEPLOYMENT_LABEL)
        for module in stores.modules.values()
        if module.metadata.namespace == namespace and module.spec.base.name in lost
    }
    return tuple(sorted(other for other in found if other and other != name))


def _scaled(stores: Stores, namespace: str, name: str, scale: int | None) -> ReadDeployment:
    deployment = live_one(stores, namespace, name)
    if deployment is None:
        raise no_deployment(name, namespace, names_in(stores, namespace))
    if scale is None:
        return deployment
    if deployment.spec.get("replicas") == -1:
        raise CliError(f"{name} has one replica on every base and can't be scaled by itself", Exit.USAGE)
    return with_spec(deployment, replicas=scale, scaledReplicas=None)
