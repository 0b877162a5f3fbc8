"""EndpointSlices of Services: which pods serve them, kept up with labels, readiness and deletion."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from moduledeploy.devcluster.controllers.feeds import Feed, key_of
from moduledeploy.devcluster.controllers.slices import (
    MANAGED_BY,
    MANAGER,
    SERVICE_NAME,
    ServiceSlices,
    endpoint_of,
    is_selected,
    ports_of,
    slice_object,
)
from moduledeploy.devcluster.errors import ApiError
from moduledeploy.kube.worker import Done

if TYPE_CHECKING:
    from moduledeploy.devcluster.local import LocalApi, Seen
    from moduledeploy.devcluster.storage import Key, Object
    from moduledeploy.kube.queue import Queue
    from moduledeploy.runtime.clock import Clock

RESOURCE: Final = "endpointslices.discovery.k8s.io"
_SETTLE_S: Final = 0.02  # changes of pods within it make one write of a slice
_REST: Final = 10  # a Service whose pods change all the time takes a tenth of the time at most


class EndpointSlices:
    """Keeps the slices of every Service with a selector."""

    def __init__(
        self,
        *,
        api: LocalApi,
        services: Feed,
        pods: Feed,
        nodes: Feed,
        slices: Feed,
        queue: Queue[Key],
        clock: Clock,
    ) -> None:
        self._clock: Final = clock
        self._api: Final = api
        self._services: Final = services
        self._pods: Final = pods
        self._nodes: Final = nodes
        self._queue: Final = queue
        self._states: Final[dict[Key, ServiceSlices]] = {}
        self._by_namespace: Final[defaultdict[str, set[Key]]] = defaultdict(set)
        services.add_handler(self._see_service)
        pods.add_handler(self._see_pod)
        nodes.add_handler(self._see_node)
        slices.add_handler(self._see_slice)

    def _see_service(self, event: Seen) -> None:
        key = key_of(event.obj)
        if event.change == "DELETED" or not event.obj["spec"].get("selector"):
            self._by_namespace[key[0]].discard(key)
        else:
            self._by_namespace[key[0]].add(key)
        if event.old is None or event.change == "DELETED" or event.old["spec"] != event.obj["spec"]:
            self._states.pop(key, None)  # its slices are read anew, its pods looked at anew
        self._queue.add(key)

    def _see_pod(self, event: Seen) -> None:
        key = key_of(event.obj)
        new = event.obj if event.change != "DELETED" else None
        for service_key in self._by_namespace.get(key[0], ()):
            service = self._services.objects[service_key]
            before = endpoint_of(service, event.old, self._nodes.objects) if event.old else None
            after = endpoint_of(service, new, self._nodes.objects) if new else None
            if before != after:
                self._note(service_key, key)

    def _see_node(self, event: Seen) -> None:
        if event.change == "MODIFIED":
            return
        name = event.obj["metadata"]["name"]
        for key, pod in self._pods.objects.items():
            if pod["spec"].get("nodeName") == name:
                for service_key in self._by_namespace.get(key[0], ()):
                    if is_selected(self._services.objects[service_key], pod):
                        self._note(service_key, key)

    def _see_slice(self, event: Seen) -> None:
        labels = event.obj["metadata"].get("labels") or {}
        if event.change == "DELETED" and labels.get(MANAGED_BY) == MANAGER and SERVICE_NAME in labels:
            key = (event.obj["metadata"]["namespace"], labels[SERVICE_NAME])
            state = self._states.get(key)
            if state is not None and any(found.name == event.obj["metadata"]["name"] for found in state.slices):
                self._states.pop(key)
                self._queue.add_after(key, _SETTLE_S)

    def _note(self, service_key: Key, pod_key: Key) -> None:
        settle_s = _SETTLE_S
        if (state := self._states.get(service_key)) is not None:
            state.dirty.add(pod_key)
            settle_s = max(settle_s, state.pass_s * _REST)
        self._queue.add_after(service_key, settle_s)

    async def sync(self, key: Key) -> Done:
        """Write the slices of one Service that have changed."""
        for feed in (self._services, self._nodes, self._pods):
            feed.pump()
        service = self._services.objects.get(key)
        if service is None or not service["spec"].get("selector") or service["spec"].get("type") == "ExternalName":
            self._states.pop(key, None)
            return Done()  # the slices of a Service that has gone are garbage
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = self._begin(key, service)
        began_at = self._clock.monotonic()
        while state.dirty:
            self._place(state, service, state.dirty.pop())
        self._write(state, service)
        state.pass_s = self._clock.monotonic() - began_at
        return Done()

    def _begin(self, key: Key, service: Object) -> ServiceSlices:
        """All of the Service's pods are to be looked at; slices of an earlier state are replaced."""
        chosen = {MANAGED_BY: MANAGER, SERVICE_NAME: key[1]}.items()
        for old in self._api.list(
            RESOURCE, key[0], lambda obj: chosen <= (obj["metadata"].get("labels") or {}).items()
        ):
            self._api.delete(RESOURCE, old["metadata"]["name"], namespace=key[0])
        pods = (k for k, pod in self._pods.objects.items() if k[0] == key[0] and is_selected(service, pod))
        return ServiceSlices(service["metadata"]["uid"], dirty=set(pods))

    def _place(self, state: ServiceSlices, service: Object, pod_key: Key) -> None:
        pod = self._pods.objects.get(pod_key)
        endpoint = endpoint_of(service, pod, self._nodes.objects) if pod else None
        state.place(pod_key, ports_of(service, pod) if pod else (), endpoint)

    def _write(self, state: ServiceSlices, service: Object) -> None:
        namespace = service["metadata"]["namespace"]
        for gone in state.surplus():
            self._api.delete(RESOURCE, gone.name, namespace=namespace)
        for found in state.slices:
            if found.is_changed:
                obj = slice_object(service, found)
                try:
                    written = self._api.update(RESOURCE, obj) if found.name else self._api.create(RESOURCE, obj)
                except ApiError as error:
                    if error.code not in {403, 404}:
                        raise
                    self._states.pop(key_of(service), None)  # the namespace or the slice is going; a change will tell
                    return
                found.name, found.is_changed = written["metadata"]["name"], False
