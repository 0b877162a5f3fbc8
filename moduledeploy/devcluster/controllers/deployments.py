"""Deployments: a ReplicaSet per template, sizes moved from the old to the new within the limits of the strategy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from moduledeploy.devcluster.controllers.deployment_status import Progress, status_of
from moduledeploy.devcluster.controllers.feeds import Feed, key_of
from moduledeploy.devcluster.controllers.ownership import Controlled, Unsettled, controller_of
from moduledeploy.devcluster.controllers.podstate import is_active, is_terminating
from moduledeploy.devcluster.controllers.recorder import Recorder
from moduledeploy.devcluster.controllers.revisions import (
    REVISION,
    find_new,
    is_of_template,
    new_replica_set,
    renumbered,
    revision_of,
    size_annotations,
)
from moduledeploy.devcluster.controllers.rolling import DESIRED, Limits, limits_of, roll, scale, share_of
from moduledeploy.devcluster.errors import ApiError
from moduledeploy.kube.worker import Done, RequeueAfter

if TYPE_CHECKING:
    from moduledeploy.devcluster.local import LocalApi, Seen
    from moduledeploy.devcluster.storage import Key, Object
    from moduledeploy.kube.queue import Queue
    from moduledeploy.runtime.clock import Clock

RESOURCE: Final = "deployments.apps"
_SETS: Final = "replicasets.apps"
_SETTLE_S: Final = 0.01  # changes of ReplicaSets within it are handled in one pass


class Deployments:
    """Keeps every Deployment's ReplicaSets; a pass costs its ReplicaSets, not their pods."""

    def __init__(
        self, *, api: LocalApi, deployments: Feed, sets: Feed, pods: Feed, queue: Queue[Key], clock: Clock
    ) -> None:
        self._api: Final = api
        self._events: Final = Recorder(api, "deployment-controller", clock)
        self._deployments: Final = deployments
        self._sets: Final = sets
        self._pods: Final = pods
        self._queue: Final = queue
        self._index: Final = Controlled()
        self._unsettled: Final = Unsettled(api, sets, deployments, self._index)
        sets.add_handler(self._see_set)
        deployments.add_handler(self._see_deployment)

    def _see_deployment(self, event: Seen) -> None:
        self._unsettled.apply_owner(event)
        self._queue.add(key_of(event.obj))

    def _see_set(self, event: Seen) -> None:
        self._index.apply(event)
        owner, namespace = controller_of(event.obj), event.obj["metadata"]["namespace"]
        if owner is not None and owner["kind"] == "Deployment":
            self._queue.add_after((namespace, owner["name"]), _SETTLE_S)
        if self._unsettled.apply(event) and owner is None:
            for key in self._deployments.objects:
                if key[0] == namespace:
                    self._queue.add_after(key, _SETTLE_S)

    async def sync(self, key: Key) -> Done | RequeueAfter:
        """Take one Deployment a step further and report it."""
        self._pump()
        self._unsettled.settle()
        self._pump()
        deployment = self._deployments.objects.get(key)
        if deployment is None or is_terminating(deployment):
            return Done()
        created = self._step(deployment)
        self._pump()
        deployment = self._deployments.objects[key]
        return self._report(deployment, created)

    def _pump(self) -> None:
        self._deployments.pump()
        self._sets.pump()
        self._pods.pump()

    def _step(self, deployment: Object) -> bool:
        """Write at most what the present state calls for; whether a ReplicaSet was created."""
        limits, owned = limits_of(deployment), self._owned(deployment)
        new = find_new(owned, deployment["spec"]["template"])
        old = [obj for obj in owned if obj is not new]
        is_paused = deployment["spec"].get("paused", False)
        if is_paused or self._was_scaled(owned, limits):
            sizes = scale(share_of(new) if new else None, [share_of(obj) for obj in old], limits)
            self._resize(deployment, owned, sizes, limits)
            return False
        if deployment["spec"]["strategy"]["type"] == "Recreate":
            return self._recreate(deployment, new, old, limits)
        if new is None:
            room = limits.maximum - sum(obj["spec"]["replicas"] for obj in old)
            self._create_new(deployment, owned, max(0, min(limits.desired, room)), limits)
            return True
        self._renumber(deployment, new, old, limits)
        sizes = roll(share_of(new), [share_of(obj) for obj in old], limits)
        self._resize(deployment, owned, sizes, limits)
        self._forget_old(deployment, old)
        return False

    def _recreate(self, deployment: Object, new: Object | None, old: list[Object], limits: Limits) -> bool:
        self._resize(deployment, old, {obj["metadata"]["name"]: 0 for obj in old if obj["spec"]["replicas"]}, limits)
        uids = {obj["metadata"]["uid"] for obj in old}
        if any(
            (owner := controller_of(pod)) and owner["uid"] in uids and is_active(pod)
            for pod in self._pods.objects.values()
        ):
            return False
        if new is None:
            self._create_new(deployment, old, limits.desired, limits)
            return True
        self._renumber(deployment, new, old, limits)
        if new["spec"]["replicas"] != limits.desired:
            self._resize(deployment, [new], {new["metadata"]["name"]: limits.desired}, limits)
        self._forget_old(deployment, old)
        return False

    def _owned(self, deployment: Object) -> list[Object]:
        return list(self._index.of(deployment["metadata"]["uid"]).values())

    def _was_scaled(self, owned: list[Object], limits: Limits) -> bool:
        for obj in owned:
            annotated = (obj["metadata"].get("annotations") or {}).get(DESIRED)
            if obj["spec"]["replicas"] and annotated is not None and annotated != str(limits.desired):
                return True
        return False

    def _resize(self, deployment: Object, owned: list[Object], sizes: dict[str, int], limits: Limits) -> None:
        for obj in owned:
            meta = obj["metadata"]
            patch: dict[str, Any] = {}
            wanted = size_annotations(limits)
            if meta["name"] in sizes:
                patch["spec"] = {"replicas": sizes[meta["name"]]}
            elif not obj["spec"]["replicas"]:
                continue
            if wanted.items() - (meta.get("annotations") or {}).items():
                patch["metadata"] = {"annotations": wanted}
            if patch:
                self._api.patch(_SETS, meta["name"], patch, namespace=meta["namespace"])
            if "spec" in patch:
                self._tell_scaled(deployment, meta["name"], obj["spec"]["replicas"], sizes[meta["name"]])

    def _tell_scaled(self, deployment: Object, name: str, before: int, after: int) -> None:
        direction = "up" if after > before else "down"
        text = f"Scaled {direction} replica set {name} from {before} to {after}"
        self._events.tell(deployment, "ScalingReplicaSet", text)

    def _create_new(self, deployment: Object, owned: list[Object], replicas: int, limits: Limits) -> None:
        revision = max((revision_of(obj) for obj in owned), default=0) + 1
        collisions = deployment.get("status", {}).get("collisionCount", 0)
        body = new_replica_set(deployment, revision=revision, replicas=replicas, limits=limits, collisions=collisions)
        try:
            self._api.create(_SETS, body)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            self._resolve_collision(deployment, body, collisions)
            return
        if replicas:
            self._tell_scaled(deployment, body["metadata"]["name"], 0, replicas)
        self._number(deployment, revision)

    def _resolve_collision(self, deployment: Object, body: Object, collisions: int) -> None:
        """Another ReplicaSet has the name: the next pass looks for a free one, unless it is ours after all."""
        meta = deployment["metadata"]
        taken = self._api.get(_SETS, body["metadata"]["name"], meta["namespace"])
        owner = controller_of(taken)
        if owner and owner["uid"] == meta["uid"] and is_of_template(taken, deployment["spec"]["template"]):
            return
        status = {"collisionCount": collisions + 1}
        self._api.patch(RESOURCE, meta["name"], {"status": status}, namespace=meta["namespace"], subresource="status")

    def _renumber(self, deployment: Object, new: Object, old: list[Object], limits: Limits) -> None:
        """The template in use has the highest revision, also when the Deployment went back to it."""
        revision = max(revision_of(new), 1 + max((revision_of(obj) for obj in old), default=0))
        wanted, meta = renumbered(deployment, new, revision, limits), new["metadata"]
        if wanted.items() - (meta.get("annotations") or {}).items():
            patch = {"metadata": {"annotations": wanted}}
            self._api.patch(_SETS, meta["name"], patch, namespace=meta["namespace"])
        self._number(deployment, revision)

    def _number(self, deployment: Object, revision: int) -> None:
        meta = deployment["metadata"]
        if revision_of(deployment) != revision:
            patch = {"metadata": {"annotations": {REVISION: str(revision)}}}
            self._api.patch(RESOURCE, meta["name"], patch, namespace=meta["namespace"])

    def _forget_old(self, deployment: Object, old: list[Object]) -> None:
        """Delete the oldest empty ReplicaSets beyond the history that is to be kept, once the rollout is complete."""
        progress = Progress.of(deployment)
        if not progress.is_complete:
            return
        empty = [
            obj
            for obj in old
            if not (obj["spec"]["replicas"] or obj["status"].get("replicas") or is_terminating(obj))
            and obj["status"].get("observedGeneration", 0) >= obj["metadata"].get("generation", 0)
        ]
        surplus = len(empty) - deployment["spec"].get("revisionHistoryLimit", 10)
        for obj in sorted(empty, key=revision_of)[: max(0, surplus)]:
            self._api.delete(_SETS, obj["metadata"]["name"], namespace=obj["metadata"]["namespace"])

    def _report(self, deployment: Object, created: bool) -> Done | RequeueAfter:
        owned, now = self._owned(deployment), self._api.writes.now()
        new = find_new(owned, deployment["spec"]["template"])
        status, wait_s = status_of(deployment, new, owned, limits_of(deployment), created=created, now=now)
        if status != deployment.get("status"):
            self._api.update_status(RESOURCE, {**deployment, "status": status})
        return Done() if wait_s is None else RequeueAfter(wait_s)
