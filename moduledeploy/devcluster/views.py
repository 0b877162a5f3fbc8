"""Stored objects as one served version shows them, as dicts and as bytes that are encoded once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moduledeploy.devcluster.events import from_core
from moduledeploy.devcluster.schema import Node, fill, prune
from moduledeploy.devcluster.storage import copy_object, encode

if TYPE_CHECKING:
    from moduledeploy.devcluster.resources import Resource
    from moduledeploy.devcluster.storage import Object, Record


def is_stored_form(resource: Resource, record: Record) -> bool:
    """Whether the record can be sent as it is stored."""
    return bool(record.obj["apiVersion"] == resource.api_version)


def view(resource: Resource, record: Record) -> Object:
    """The object in the version of `resource`."""
    return record.obj if is_stored_form(resource, record) else convert(resource, record.obj)


def convert(resource: Resource, obj: Object) -> Object:
    """An object of another version, or of the other events group, in the version of `resource`."""
    schema = resource.strategy.schema()
    if not isinstance(schema, Node):
        return from_core(obj, schema)
    converted = prune(schema, {**copy_object(obj), "apiVersion": resource.api_version}, "", [], root=True)
    fill(schema, converted)
    return dict(converted)


def view_bytes(resource: Resource, record: Record) -> bytes:
    """The object as JSON in the version of `resource`."""
    return record.body() if is_stored_form(resource, record) else encode(convert(resource, record.obj))


def item_bytes(resource: Resource, record: Record) -> bytes:
    """The object as an item of a list: typed kinds leave out kind and apiVersion there."""
    body = view_bytes(resource, record)
    if not resource.strategy.typed:
        return body
    prefix = encode({"kind": resource.kind, "apiVersion": resource.api_version})[:-1] + b","
    if body.startswith(prefix):
        return b"{" + body[len(prefix) :]
    bare = view(resource, record)
    return encode({name: value for name, value in bare.items() if name not in ("kind", "apiVersion")})
