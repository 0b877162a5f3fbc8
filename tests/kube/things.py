"""A made-up kind: its class, and its objects as the server writes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import attrs

from moduledeploy.kube.informer import Informer
from moduledeploy.kube.phases import Means
from moduledeploy.kube.reflector import WatchRules
from moduledeploy.kube.resources import ObjectKey, Resource

if TYPE_CHECKING:
    from moduledeploy.kube.transport import Transport
    from moduledeploy.runtime.clock import Clock
    from moduledeploy.runtime.metrics import Metrics

THINGS = Resource("example.com", "v1", "things", "Thing")


@attrs.frozen
class ThingMeta:
    name: str
    uid: str
    resourceVersion: str  # noqa: N815  # as on the wire
    namespace: str = ""
    labels: dict[str, str] = attrs.field(factory=dict)


@attrs.frozen
class ThingSpec:
    size: int = 0


@attrs.frozen
class Thing:
    metadata: ThingMeta
    spec: ThingSpec = ThingSpec()


def make_informer(
    transport: Transport, clock: Clock, metrics: Metrics, initial: Means = Means.STREAM
) -> Informer[Thing]:
    """An informer without jitter, with an index by size."""
    return Informer(
        resource=THINGS,
        object_type=Thing,
        transport=transport,
        metrics=metrics.informer,
        clock=clock,
        rules=WatchRules(initial=initial),
        indexes={"size": lambda obj: [str(obj.spec.size)]},
        draw=lambda: 0.0,
    )


def stored(informer: Informer[Thing]) -> dict[str, int]:
    """Names and versions of what the informer has."""
    return {key.name: int(obj.metadata.resourceVersion) for key, obj in informer.store.items()}


def key(name: str) -> ObjectKey:
    return ObjectKey("default", name)


def thing(
    name: str, rv: int, *, uid: str = "", size: object = 0, labels: dict[str, str] | None = None
) -> dict[str, object]:
    return {
        "apiVersion": "example.com/v1",
        "kind": "Thing",
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": uid or f"uid-{name}",
            "resourceVersion": str(rv),
            "labels": labels or {},
            "managedFields": [{"manager": "somebody", "fieldsV1": {"f:spec": {}}}],
        },
        "spec": {"size": size, "unused": [1, 2, 3]},
    }


def page(rv: int | None, *things: dict[str, object], token: str = "") -> dict[str, object]:
    metadata: dict[str, object] = {} if rv is None else {"resourceVersion": str(rv)}
    if token:
        metadata["continue"] = token
    return {"apiVersion": "example.com/v1", "kind": "ThingList", "metadata": metadata, "items": list(things)}


def line(type_: str, obj: dict[str, object]) -> bytes:
    return json.dumps({"type": type_, "object": obj}).encode() + b"\n"


def added(name: str, rv: int, **options: object) -> bytes:
    return line("ADDED", thing(name, rv, **options))  # type: ignore[arg-type]  # passed on as they are


def modified(name: str, rv: int, **options: object) -> bytes:
    return line("MODIFIED", thing(name, rv, **options))  # type: ignore[arg-type]


def deleted(name: str, rv: int, **options: object) -> bytes:
    return line("DELETED", thing(name, rv, **options))  # type: ignore[arg-type]


def bookmark(rv: int, *, ends_initial: bool = False) -> bytes:
    metadata: dict[str, object] = {"resourceVersion": str(rv), "creationTimestamp": None}
    if ends_initial:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    return line("BOOKMARK", {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": metadata})


def error(body: dict[str, object]) -> bytes:
    return line("ERROR", body)
