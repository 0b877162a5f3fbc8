"""ReplicaSets: as many pods as they ask for, and a status that counts them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import attrs

from moduledeploy.devcluster.controllers.feeds import Feed, key_of
from moduledeploy.devcluster.controllers.ownership import Controlled, Unsettled, controller_of, controller_reference
from moduledeploy.devcluster.controllers.podstate import (
    deletion_rank,
    is_active,
    is_ready,
    is_terminating,
    seconds_until_available,
)
from moduledeploy.devcluster.controllers.recorder import Recorder
from moduledeploy.devcluster.errors import ApiError
from moduledeploy.kube.worker import Done, RequeueAfter

if TYPE_CHECKING:
    from moduledeploy.devcluster.local import LocalApi, Seen
    from moduledeploy.devcluster.storage import Key, Object
    from moduledeploy.kube.queue import Queue
    from moduledeploy.runtime.clock import Clock

RESOURCE: Final = "replicasets.apps"
_SETTLE_S: Final = 0.02  # changes of pods within it make one status write
_BURST: Final = 200  # pods created before others get their turn


@attrs.define
class _Tally:
    """The pods of one ReplicaSet, counted change by change."""

    active: int = 0
    ready: int = 0
    terminating: int = 0

    def count(self, pod: Object, sign: int) -> None:
        if is_active(pod):
            self.active += sign
            self.ready += sign * is_ready(pod)
        elif is_terminating(pod):
            self.terminating += sign


class ReplicaSets:
    """Keeps every ReplicaSet at its size; a pass costs the pods it makes or removes, not those that are there."""

    def __init__(self, *, api: LocalApi, sets: Feed, pods: Feed, queue: Queue[Key], clock: Clock) -> None:
        self._api: Final = api
        self._sets: Final = sets
        self._pods: Final = pods
        self._queue: Final = queue
        self._clock: Final = clock
        self._events: Final = Recorder(api, "replicaset-controller", clock)
        self._index: Final = Controlled()
        self._tallies: Final[defaultdict[str, _Tally]] = defaultdict(_Tally)
        self._unsettled: Final = Unsettled(api, pods, sets, self._index)
        pods.add_handler(self._see_pod)
        sets.add_handler(self._see_set)

    def _see_set(self, event: Seen) -> None:
        self._unsettled.apply_owner(event)
        self._queue.add(key_of(event.obj))

    def _see_pod(self, event: Seen) -> None:
        self._index.apply(event)
        if event.old is not None:
            self._count(event.old, -1)
        if event.change != "DELETED":
            self._count(event.obj, +1)
        if self._unsettled.apply(event) and controller_of(event.obj) is None:
            for key in self._sets.objects:
                if key[0] == event.obj["metadata"]["namespace"]:
                    self._queue.add_after(key, _SETTLE_S)

    def _count(self, pod: Object, sign: int) -> None:
        owner = controller_of(pod)
        if owner is not None and owner["kind"] == "ReplicaSet":
            self._tallies[owner["uid"]].count(pod, sign)
            self._queue.add_after((pod["metadata"]["namespace"], owner["name"]), _SETTLE_S)

    async def sync(self, key: Key) -> Done | RequeueAfter:
        """Bring one ReplicaSet to its size and report it; raises ApiError where a pod was refused."""
        self._sets.pump()
        self._pods.pump()
        self._unsettled.settle()
        self._pods.pump()
        found = self._sets.objects.get(key)
        if found is None:
            return Done()
        refused: ApiError | None = None
        is_more_to_do = False
        if not is_terminating(found):
            try:
                is_more_to_do = self._resize(found)
            except ApiError as error:
                refused = error
                self._events.tell(found, "FailedCreate", f"Error creating: {error.message}", is_warning=True)
        self._pods.pump()
        wait_s = self._report(found, refused)
        if refused is not None and not self._is_going(key[0]):
            raise refused
        if is_more_to_do:
            return RequeueAfter(0.0)
        return Done() if wait_s is None else RequeueAfter(wait_s)

    def _is_going(self, namespace: str) -> bool:
        found = self._api.find("namespaces", namespace)
        return found is None or is_terminating(found)

    def _resize(self, found: Object) -> bool:
        """Create or delete pods; whether there is more to create."""
        uid = found["metadata"]["uid"]
        missing: int = found["spec"]["replicas"] - self._tallies[uid].active
        for _ in range(min(missing, _BURST)):
            pod = self._api.create("pods", _pod_of(found))
            self._events.tell(found, "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")
        if missing < 0:
            active = [pod for pod in self._index.of(uid).values() if is_active(pod)]
            for pod in sorted(active, key=deletion_rank)[:-missing]:
                meta = pod["metadata"]
                self._api.delete("pods", meta["name"], namespace=meta["namespace"], uid=meta["uid"])
                self._events.tell(found, "SuccessfulDelete", f"Deleted pod: {meta['name']}")
        return missing > _BURST

    def _report(self, found: Object, refused: ApiError | None) -> float | None:
        """Write the status if it changed; seconds until another pod may have become available."""
        meta, before = found["metadata"], found.get("status", {})
        tally = self._tallies[meta["uid"]]
        available, wait_s = self._available(found, tally)
        counts = {
            "fullyLabeledReplicas": tally.active,
            "readyReplicas": tally.ready,
            "availableReplicas": available,
            "observedGeneration": meta.get("generation", 0),
        }
        status: dict[str, Any] = {"replicas": tally.active, **{name: n for name, n in counts.items() if n}}
        status["terminatingReplicas"] = tally.terminating
        if refused is not None:
            now = self._now()
            kept = [c for c in before.get("conditions") or [] if c["type"] == "ReplicaFailure"]
            failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": refused.message}
            status["conditions"] = kept or [{**failure, "lastTransitionTime": now}]
        if status != before:
            self._api.update_status(RESOURCE, {**found, "status": status})
        return wait_s

    def _available(self, found: Object, tally: _Tally) -> tuple[int, float | None]:
        min_ready_s = found["spec"].get("minReadySeconds", 0)
        if not min_ready_s:
            return tally.ready, None
        pods = (pod for pod in self._index.of(found["metadata"]["uid"]).values() if is_active(pod))
        now = self._clock.wall()
        waits = [w for w in (seconds_until_available(pod, min_ready_s, now) for pod in pods) if w is not None]
        return waits.count(0.0), min((wait for wait in waits if wait > 0), default=None)

    def _now(self) -> str:
        return self._api.writes.now().strftime("%Y-%m-%dT%H:%M:%SZ")


def _pod_of(found: Object) -> Object:
    meta, template = found["metadata"], found["spec"]["template"]
    kept = {
        name: template["metadata"][name]
        for name in ("labels", "annotations", "finalizers")
        if name in template["metadata"]
    }
    return {
        "metadata": {
            **kept,
            "generateName": f"{meta['name']}-",
            "namespace": meta["namespace"],
            "ownerReferences": [controller_reference(found)],
        },
        "spec": template["spec"],
    }
