"""Events of the controllers, for `kubectl describe` and `kubectl get events`."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

from moduledeploy.devcluster.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moduledeploy.devcluster.local import LocalApi
    from moduledeploy.devcluster.storage import Object
    from moduledeploy.runtime.clock import Clock

_BURST: Final = 25  # client-go, tools/record/events_cache.go: so many at once about one object,
_REFILL_S: Final = 300.0  # then one in five minutes


class Recorder:
    """Writes core events of one component; about one object no more than client-go would."""

    def __init__(self, api: LocalApi, component: str, clock: Clock) -> None:
        self._api: Final = api
        self._component: Final = component
        self._clock: Final = clock
        self._sequence: Final[Iterator[int]] = itertools.count()
        self._allowed: Final[dict[str, tuple[float, float]]] = {}

    def tell(self, obj: Object, reason: str, message: str, *, is_warning: bool = False) -> None:
        """Record what happened to an object; nothing is said where its namespace takes no more objects."""
        meta = obj["metadata"]
        if not self._takes(meta["uid"]):
            return
        now = self._api.writes.now()
        stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        involved = {name: meta[name] for name in ("name", "namespace", "uid", "resourceVersion")}
        number = int(now.timestamp() * 1e9) + next(self._sequence)
        event = {
            "metadata": {"name": f"{meta['name']}.{number:x}", "namespace": meta["namespace"]},
            "involvedObject": {"apiVersion": obj["apiVersion"], "kind": obj["kind"], **involved},
            "reason": reason,
            "message": message[:1024],
            "type": "Warning" if is_warning else "Normal",
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": "",
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
        }
        try:
            self._api.create("events", event)
        except ApiError as error:
            if error.code not in {403, 404}:
                raise

    def _takes(self, uid: str) -> bool:
        now = self._clock.monotonic()
        tokens, at = self._allowed.get(uid, (float(_BURST), now))
        tokens = min(float(_BURST), tokens + (now - at) / _REFILL_S)
        self._allowed[uid] = (max(0.0, tokens - 1), now)
        return tokens >= 1
