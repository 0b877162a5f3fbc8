"""OpenAPI v3 documents, one for each group and version, made from the same schemas that requests are checked by."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

import attrs

from moduledeploy.devcluster.gotypes import Type
from moduledeploy.devcluster.schema import Node
from moduledeploy.devcluster.storage import encode

if TYPE_CHECKING:
    from moduledeploy.devcluster.resources import Register, Resource
    from moduledeploy.devcluster.storage import Object

_SCALARS: Final[dict[str, Object]] = {
    "string": {"type": "string"}, "bytes": {"type": "string", "format": "byte"},
    "time": {"type": "string", "format": "date-time"}, "microtime": {"type": "string", "format": "date-time"},
    "int32": {"type": "integer", "format": "int32"}, "int64": {"type": "integer", "format": "int64"},
    "float": {"type": "number", "format": "double"}, "bool": {"type": "boolean"},
    "quantity": {"oneOf": [{"type": "string"}, {"type": "number"}]},
    "intstr": {"oneOf": [{"type": "integer"}, {"type": "string"}], "format": "int-or-string"},
}  # fmt: skip
_META: Final[Object] = {
    "type": "object",
    "description": "What every object has: its name, labels, owners and the marks of its life.",
    "properties": {
        "name": {"type": "string"}, "generateName": {"type": "string"}, "namespace": {"type": "string"},
        "uid": {"type": "string"}, "resourceVersion": {"type": "string"}, "generation": {"type": "integer", "format": "int64"},
        "creationTimestamp": {"type": "string", "format": "date-time"},
        "deletionTimestamp": {"type": "string", "format": "date-time"},
        "deletionGracePeriodSeconds": {"type": "integer", "format": "int64"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
        "finalizers": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set",
                       "x-kubernetes-patch-strategy": "merge"},
        "ownerReferences": {"type": "array", "items": {"type": "object"}, "x-kubernetes-list-map-keys": ["uid"],
                            "x-kubernetes-list-type": "map", "x-kubernetes-patch-merge-key": "uid",
                            "x-kubernetes-patch-strategy": "merge"},
        "managedFields": {"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "atomic"},
        "selfLink": {"type": "string"},
    },
}  # fmt: skip
_META_NAME: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_WRITE_PARAMETERS: Final = ("dryRun", "fieldManager", "fieldValidation")
_JSON_TYPE: Final = "application/json"


@attrs.define(eq=False)
class Documents:
    """The documents of what is served at the moment, made anew when that changes."""

    _register: Register
    _revision: int = -1
    _made: dict[str, Object] = attrs.field(factory=dict)

    def get(self, path: str) -> Object | None:
        """The index or one document; None where there is none."""
        if self._revision != self._register.revision:
            self._made, self._revision = {}, self._register.revision
        if path == "/openapi/v3":
            return self._index()
        return self._document(path.removeprefix("/openapi/v3/")) or None

    def _index(self) -> Object:
        names = ["api/v1"]
        for group in self._register.groups():
            names += [f"apis/{group}/{version}" for version in self._register.versions(group)]
        paths = {}
        for name in names:
            digest = hashlib.sha256(encode(self._document(name))).hexdigest()[:32].upper()
            paths[name] = {"serverRelativeURL": f"/openapi/v3/{name}?hash={digest}"}
        return {"paths": paths}

    def _document(self, name: str) -> Object:
        if name not in self._made:
            match name.split("/"):
                case ["api", version]:
                    self._made[name] = _describe(list(self._register.of("", version)), name)
                case ["apis", group, version]:
                    self._made[name] = _describe(list(self._register.of(group, version)), name)
                case _:
                    return {}
        return self._made[name]


def _describe(resources: list[Resource], name: str) -> Object:
    if not resources:
        return {}
    schemas: Object = {_META_NAME: _META}
    paths: Object = {}
    for resource in resources:
        reference = _add_kind(resource, schemas)
        paths |= _paths(resource, reference, name)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.36.2"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _reference(name: str) -> Object:
    return {"$ref": f"#/components/schemas/{name}"}


def _add_kind(resource: Resource, schemas: Object) -> str:
    group = resource.group or "core"
    if resource.strategy.typed:
        prefix = f"io.k8s.api.{group.partition('.')[0]}.{resource.version}"
    else:
        prefix = ".".join([*reversed(group.split(".")), resource.version])
    name = f"{prefix}.{resource.kind}"
    schema = resource.strategy.schema()
    described = of_node(schema) if isinstance(schema, Node) else _of_struct(schema, prefix, schemas)
    identity = {
        "apiVersion": {"type": "string", "description": "Group and version of the object's schema."},
        "kind": {"type": "string"},
        "metadata": {"allOf": [_reference(_META_NAME)]},
    }
    described = {**described, "properties": {**described.get("properties", {}), **identity}}
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    schemas[name] = {**described, "x-kubernetes-group-version-kind": [kind]}
    items = {"type": "array", "items": _reference(name)}
    list_kind = {**kind, "kind": resource.list_name}
    schemas[f"{prefix}.{resource.list_name}"] = {
        "type": "object", "required": ["items"], "x-kubernetes-group-version-kind": [list_kind],
        "properties": {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"},
                       "items": items},
    }  # fmt: skip
    return name


def _plain(node: Node) -> list[tuple[str, Any]]:
    return [
        ("type", "" if node.int_or_string else node.type),
        ("format", node.format),
        ("description", node.description),
        ("nullable", node.nullable),
        ("required", list(node.required)),
        ("enum", list(node.enum or ())),
        ("pattern", node.pattern.pattern if node.pattern else ""),
        ("x-kubernetes-preserve-unknown-fields", node.keeps_unknown),
        ("x-kubernetes-list-type", node.list_type),
        ("x-kubernetes-list-map-keys", list(node.map_keys)),
    ]


def of_node(node: Node) -> Object:
    """The OpenAPI schema of a structural schema."""
    out: Object = {"x-kubernetes-int-or-string": True} if node.int_or_string else {}
    out |= {name: value for name, value in _plain(node) if value}
    if node.properties:
        out["properties"] = {name: of_node(child) for name, child in node.properties.items()}
    if node.additional is not None:
        out["additionalProperties"] = of_node(node.additional)
    if node.items is not None:
        out["items"] = of_node(node.items)
    if node.has_default:
        out["default"] = node.default
    return {**out, **{name: value for name, value in node.limits.items() if name != "uniqueItems"}}


def _of_struct(struct: Type, prefix: str, schemas: Object) -> Object:
    properties = {
        name: _of_type(field.type, prefix, schemas) for name, field in struct.fields.items() if name != "metadata"
    }
    return {"type": "object", "properties": properties}


def _of_type(kind: Type, prefix: str, schemas: Object) -> Object:
    match kind.form:
        case "scalar":
            return dict(_SCALARS[kind.name])
        case "any":
            return {"type": "object"}
        case "struct":
            name = f"{prefix}.{kind.name}"
            if name not in schemas:
                schemas[name] = {}  # a struct may hold itself
                schemas[name] = _of_struct(kind, prefix, schemas)
            return {"allOf": [_reference(name)], "default": {}}
        case "map":
            return {"type": "object", "additionalProperties": _of_item(kind, prefix, schemas)}
        case _:
            out: dict[str, Any] = {"type": "array", "items": _of_item(kind, prefix, schemas)}
            if kind.form == "keyed":
                out |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(kind.keys),
                        "x-kubernetes-patch-merge-key": kind.keys[0], "x-kubernetes-patch-strategy": "merge"}  # fmt: skip
            else:
                out["x-kubernetes-list-type"] = "set" if kind.form == "set" else "atomic"
            return out


def _of_item(kind: Type, prefix: str, schemas: Object) -> Object:
    return _of_type(kind.item, prefix, schemas) if kind.item is not None else {"type": "object"}


def _paths(resource: Resource, schema: str, name: str) -> Object:
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    base = (
        f"/{name}/namespaces/{{namespace}}/{resource.plural}" if resource.namespaced else f"/{name}/{resource.plural}"
    )

    def operation(action: str, *parameters: str) -> Object:
        described = [{"name": p, "in": "query", "schema": {"type": "string", "uniqueItems": True}} for p in parameters]
        content = {_JSON_TYPE: {"schema": _reference(schema)}}
        return {"x-kubernetes-action": action, "x-kubernetes-group-version-kind": kind, "parameters": described,
                "responses": {"200": {"description": "OK", "content": content}}}  # fmt: skip

    collection: Object = {}
    if "list" in resource.verbs:
        collection["get"] = operation("list", "labelSelector", "fieldSelector", "limit", "continue", "watch")
    if "create" in resource.verbs:
        collection["post"] = operation("post", *_WRITE_PARAMETERS)
    paths = {base: collection}
    if "get" in resource.verbs:
        paths[f"{base}/{{name}}"] = {
            "get": operation("get"),
            "put": operation("put", *_WRITE_PARAMETERS),
            "patch": operation("patch", *_WRITE_PARAMETERS, "force"),
            "delete": operation("delete", "dryRun", "gracePeriodSeconds", "propagationPolicy"),
        }
    return paths
