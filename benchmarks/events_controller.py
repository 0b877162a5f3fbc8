"""The whole controller, with a stopwatch: `python -m benchmarks.events_controller KUBECONFIG HEALTH_PORT`.

Between the moment that a Module's `lastTransitionTime` names (see `benchmarks.settled`) and the beginning of the next pass for
its family, and of the next one for its base. What was found is printed at the end, as JSON: milliseconds.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import TYPE_CHECKING

import anyio
import structlog

from moduledeploy.app import Settings, run
from moduledeploy.controllers.base import BaseController
from moduledeploy.controllers.cluster import Cluster
from moduledeploy.controllers.facts import family_of
from moduledeploy.controllers.rollout import RolloutController

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from moduledeploy.api.kinds import Module
    from moduledeploy.kube.informer import Change


class Stopwatch:
    """Moments of changes that no pass has begun for yet, and how old those were for which one began."""

    def __init__(self) -> None:
        self.waiting: dict[object, list[float]] = {}
        self.ages_ms: list[float] = []

    def changed(self, key: object, at: float) -> None:
        """A change of that moment is told for a key."""
        self.waiting.setdefault(key, []).append(at)

    def timing(self, reconcile: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
        """The same reconcile; what waited for its key is over when it begins."""

        async def timed(controller: object, key: object) -> object:
            now = time.time()
            self.ages_ms += [(now - at) * 1000 for at in self.waiting.pop(getattr(key, "uid", str(key)), ())]
            return await reconcile(controller, key)

        return timed


def main(kubeconfig: str, port: int) -> None:
    """Run until a signal comes."""
    families, bases = Stopwatch(), Stopwatch()
    told = Cluster.on_module

    def on_module(cluster: Cluster, change: Change[Module]) -> None:
        if change.old is not None and change.new is not None:
            moment = change.new.status.lastTransitionTime
            assert moment is not None
            families.changed(str(family_of(change.new)), moment.timestamp())
            bases.changed(change.new.spec.base.uid, moment.timestamp())
        told(cluster, change)

    Cluster.on_module = on_module  # type: ignore[method-assign, assignment]  # the stopwatch's place, around the real one
    RolloutController.reconcile = families.timing(RolloutController.reconcile)  # type: ignore[method-assign, assignment]  # likewise
    BaseController.reconcile = bases.timing(BaseController.reconcile)  # type: ignore[method-assign, assignment]  # likewise
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    settings = Settings(
        kubeconfig=kubeconfig,
        health_address=("127.0.0.1", port),
        metrics_address=("127.0.0.1", 0),
        audit_interval_s=3600,
    )
    anyio.run(run, settings)
    print(json.dumps({"families": families.ages_ms, "bases": bases.ages_ms}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
