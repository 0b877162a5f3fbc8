"""A made-up kind: its class, and its objects as the server writes them."""

from __future__ import annotations

import json

import attrs

from moduledeploy.kube.resources import ObjectKey, Resource

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


def key(name: str) -> ObjectKey:
    return ObjectKey("default", name)


def thing(name: str, rv: int, *, uid: str = "", size: object = 0, labels: dict[str, str] | None = None) -> dict[str, object]:
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
