"""The verbs on resources: from a parsed request to an answer, without HTTP's machinery."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

import attrs

from moduledeploy.devcluster import admission, objectmeta, protobuf, reviews, scaling, subresources
from moduledeploy.devcluster.apply import apply_patch
from moduledeploy.devcluster.bodies import (
    media_type,
    parse_json,
    parse_yaml,
    read_object,
    repeated_fields,
    unsupported,
)
from moduledeploy.devcluster.deletion import DeleteOptions, validate
from moduledeploy.devcluster.errors import (
    INVALID,
    ApiError,
    FieldError,
    Object,
    bad_request,
    internal,
    invalid,
    not_found,
)
from moduledeploy.devcluster.gotypes import Reading, Type
from moduledeploy.devcluster.kinds import TYPES
from moduledeploy.devcluster.patches import json_patch, merge_patch, unknown_fields
from moduledeploy.devcluster.rbac import RBAC_GROUP
from moduledeploy.devcluster.requests import APPLY_TYPE
from moduledeploy.devcluster.strategic import strategic_patch
from moduledeploy.devcluster.views import view
from moduledeploy.devcluster.writes import Outcome, WriteOptions, Writes

if TYPE_CHECKING:
    from collections.abc import Callable

    from moduledeploy.devcluster.identity import Tokens, User
    from moduledeploy.devcluster.rbac import Authorizer
    from moduledeploy.devcluster.requests import Query, Target
    from moduledeploy.devcluster.resources import Resource
    from moduledeploy.devcluster.storage import Key, Store

_PATCHES: Final = (
    "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, "
    "application/apply-patch+yaml"
)
_CUSTOM_PATCHES: Final = "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
_PART_TYPES: Final = {"scale": "Scale", "eviction": "Eviction", "binding": "Binding", "token": "TokenRequest"}


@attrs.frozen(kw_only=True)
class Request:
    """A request for a resource, read and authorized."""

    target: Target
    resource: Resource
    query: Query
    body: bytes
    content_type: str
    user_agent: str
    user: User

    @property
    def key(self) -> Key:
        """Of the object that the path names."""
        return (self.target.namespace if self.resource.namespaced else "", self.target.name)

    def write_options(self, kind: str, *, apply: bool = False) -> WriteOptions:
        """Checked options of a write; raises ApiError 422."""
        self.query.check_write(kind, apply=apply)
        validation: Any = self.query.text("fieldValidation") or "Warn"
        return WriteOptions(
            manager=self.query.text("fieldManager") or self.user_agent.partition("/")[0] or "unknown",
            subresource=self.target.subresource, dry_run=self.query.dry_run(), field_validation=validation,
        )  # fmt: skip


@attrs.frozen(kw_only=True)
class Answer:
    """What goes back: an object or complete bytes, and warnings."""

    body: Object
    code: int = 200
    warnings: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Handlers:
    """Carries out single-object verbs; lists and watches are the server's."""

    writes: Writes
    authorizer: Authorizer
    tokens: Tokens
    reader: protobuf.Reader = attrs.field(factory=lambda: protobuf.Reader.of(TYPES))

    @property
    def store(self) -> Store:
        """Where objects are."""
        return self.writes.store

    def get(self, request: Request) -> Answer:
        """One object, its status or its scale."""
        part = request.target.subresource
        if part == "scale":
            return Answer(body=scaling.get_scale(self.writes, request.resource, request.key))
        record = self.store.get(request.resource.table, request.key)
        if record is None:
            raise not_found(request.resource.plural, request.resource.group, request.target.name)
        if part == "log":
            return Answer(body={"log": ""})
        return Answer(body=view(request.resource, record))

    def create(self, request: Request) -> Answer:
        """A new object, or an action on a subresource."""
        body, options = self._read(request, self._options(request, "CreateOptions"))
        resource, part = request.resource, request.target.subresource
        if resource.verbs == ("create",):
            decoded, _ = self.writes.decode(resource, body, options)
            self.writes.match_namespace(resource, request.target.namespace, decoded["metadata"])
            return Answer(body=reviews.answer(resource, decoded, request.user, self.authorizer, self.tokens), code=201)
        match part:
            case "eviction":
                eviction = _part(part, body)
                return Answer(
                    body=subresources.evict(self.writes, resource, request.key, eviction, dry_run=options.dry_run),
                    code=201,
                )
            case "binding":
                binding = _part(part, body)
                return Answer(body=subresources.bind(self.writes, resource, request.key, binding, options), code=201)
            case "token":
                wanted = _part(part, body)
                return Answer(body=reviews.issue_token(self.store, self.tokens, request.key, wanted), code=201)
            case _:
                outcome = self.writes.create_outcome(resource, request.target.namespace, body, options)
                return self._shown(request, outcome)

    def update(self, request: Request) -> Answer:
        """Replace the object, its status or its scale."""
        body, options = self._read(request, self._options(request, "UpdateOptions"))
        resource, key = request.resource, request.key
        match request.target.subresource:
            case "scale":
                return Answer(body=scaling.replace_scale(self.writes, resource, key, body, options))
            case "finalize":
                wanted, _ = self.writes.decode(resource, body, options)
                return Answer(body=subresources.finalize(self.writes, resource, key[1], wanted, options))
        return self._shown(request, self.writes.replace(resource, key, body, options))

    def patch(self, request: Request) -> Answer:
        """Patch the object, its status or its scale, in any of the four ways."""
        kind = request.content_type.partition(";")[0].strip()
        apply = kind == APPLY_TYPE
        options = self._options(request, "PatchOptions", apply=apply)
        resource, key = request.resource, request.key
        change = None if apply else _patch_function(kind, request)
        if not request.target.name:
            raise bad_request("name must be provided")
        if change is None:
            return self._apply(request, options)
        options = attrs.evolve(options, repeated=_faults_of_patch(kind, request.body))
        if request.target.subresource == "scale":
            return Answer(body=scaling.patch_scale(self.writes, resource, key, change, options))
        return self._shown(request, self.writes.patch(resource, key, change, options))

    def _apply(self, request: Request, options: WriteOptions) -> Answer:
        intent, repeated = parse_yaml(request.body)
        if repeated and options.field_validation == "Strict":
            raise bad_request("error strict decoding YAML: " + "; ".join(repeated))
        force = request.query.flag("force")
        if request.target.subresource == "scale":
            scale = scaling.apply_scale(self.writes, request.resource, request.key, intent, options, force=force)
            return Answer(body=scale)
        answer = self._shown(
            request, apply_patch(self.writes, request.resource, request.key, intent, options, force=force)
        )
        warns = options.field_validation == "Warn"
        return attrs.evolve(answer, warnings=(*repeated, *answer.warnings)) if warns else answer

    def delete(self, request: Request) -> Answer:
        """Delete one object; a real server answers with the object or a Status, depending on the kind."""
        options = _delete_options(request)
        admission.forbid_immortal(request.resource, request.key)
        deleted = self.writes.delete(request.resource, request.key, options)
        resource = request.resource
        if not deleted.now or resource.strategy.returns_deleted:
            waits = not deleted.now and options.orphan_dependents is False
            return Answer(body=deleted.obj, code=202 if waits else 200)
        meta = deleted.obj["metadata"]
        details = {"name": meta["name"], "group": resource.group, "kind": resource.plural, "uid": meta["uid"]}
        status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        return Answer(body={**status, "details": {key: value for key, value in details.items() if value}})

    def delete_options(self, request: Request) -> DeleteOptions:
        """Checked options of a delete, also where there will be nothing to delete; raises ApiError 400, 422."""
        options = _delete_options(request)
        validate(options)
        return options

    def _read(self, request: Request, options: WriteOptions) -> tuple[Object, WriteOptions]:
        """The body as an object, and options that know of what stood twice in it; raises ApiError 400, 413, 415."""
        if media_type(request.content_type) == protobuf.MEDIA_TYPE:
            schema = request.resource.strategy.schema()
            if request.target.subresource in _PART_TYPES:
                schema = TYPES.structs[_PART_TYPES[request.target.subresource]]
            struct = schema if isinstance(schema, Type) else None
            return self.reader.read(request.body, struct, TYPES.structs["ObjectMeta"]), options
        body, repeated = read_object(request.body, request.content_type)
        return body, attrs.evolve(options, repeated=tuple(repeated)) if repeated else options

    def _options(self, request: Request, kind: str, *, apply: bool = False) -> WriteOptions:
        options = request.write_options(kind, apply=apply)
        if request.resource.group != RBAC_GROUP:
            return options
        judge = functools.partial(
            self.authorizer.check_escalation, request.user, request.resource.kind, request.target.namespace
        )
        return attrs.evolve(options, judge=judge)

    def _shown(self, request: Request, outcome: Outcome) -> Answer:
        obj = outcome.obj
        resource = request.resource
        if obj["apiVersion"] != resource.api_version and request.resource.stored_in:
            record = self.store.get(resource.table, (obj["metadata"].get("namespace", ""), obj["metadata"]["name"]))
            obj = view(resource, record) if record is not None else obj
        return Answer(body=obj, code=201 if outcome.created else 200, warnings=outcome.warnings)


def _part(subresource: str, body: Object) -> Object:
    """The body of an action in Go's form; raises ApiError 400."""
    kind = _PART_TYPES[subresource]
    reading = Reading(kind, "v1")
    rest = {name: value for name, value in body.items() if name not in ("kind", "apiVersion", "metadata")}
    meta = objectmeta.check_types(body.get("metadata") or {}, reading)
    return {"kind": body.get("kind") or kind, "metadata": meta, **reading.struct(rest, TYPES.structs[kind], "")}


def _typed_patch(obj: Object, patch: Object, resource: Resource) -> Object:
    """A strategic merge happens in Go's types, which know their kind without being told."""
    patched = strategic_patch(obj, patch, resource.strategy.schema())
    return {**patched, "kind": obj["kind"], "apiVersion": obj["apiVersion"]}


def _patch_function(kind: str, request: Request) -> Callable[[Object], Object]:
    match kind:
        case "application/json-patch+json":
            return lambda obj: _identified(json_patch(obj, _patch_body(request)), request)
        case "application/merge-patch+json":
            return lambda obj: _identified(merge_patch(obj, _patch_object(request)), request)
        case "application/strategic-merge-patch+json" if request.resource.strategy.strategic:
            return lambda obj: _typed_patch(obj, _patch_object(request, nothing={}), request.resource)
        case _:
            raise unsupported(_PATCHES if request.resource.strategy.strategic else _CUSTOM_PATCHES)


def _identified(patched: Object, request: Request) -> Object:
    """What was patched, which still has an apiVersion; raises ApiError 400, 422, 500."""
    if patched.get("apiVersion") or not patched.get("kind") or request.target.subresource == "scale":
        return patched
    if not request.resource.strategy.typed:
        raise internal("Object 'apiVersion' is missing in the patched object")
    if request.query.text("fieldValidation") == "Strict":
        raise invalid("", "", "", [FieldError(INVALID, "patch", patched, "Object 'apiVersion' is missing")])
    objectmeta.check_name(None, request.target.name)
    return patched


def _faults_of_patch(kind: str, body: bytes) -> tuple[str, ...]:
    """Sentences for fields of a patch that stand twice or mean nothing; none for what can't be parsed."""
    try:
        patch = parse_json(body)
    except ApiError:
        return ()  # said when the patch is applied
    repeated = repeated_fields(body)
    if kind == "application/json-patch+json":
        return tuple(f"json patch {sentence}" for sentence in (*repeated, *unknown_fields(patch)))
    return tuple(repeated)


def _patch_body(request: Request) -> Any:
    try:
        return parse_json(request.body)
    except ApiError as error:
        raise bad_request(f"error decoding patch: {error.message}") from error


def _patch_object(request: Request, *, nothing: Object | None = None) -> Object:
    """The patch, which is an object; `nothing` is what null means."""
    body = _patch_body(request)
    if body is None:
        body = nothing
    if not isinstance(body, dict):
        raise bad_request("error decoding patch: json: cannot unmarshal into an object")
    return body


def _delete_options(request: Request) -> DeleteOptions:
    """From the body; from the parameters where there is no body."""
    if not request.body:
        request.query.check_write("DeleteOptions")
        query = request.query
        return DeleteOptions(
            grace_s=query.number("gracePeriodSeconds"), propagation=query.values.get("propagationPolicy"),
            orphan_dependents=query.switch("orphanDependents"), dry_run=query.dry_run(),
        )  # fmt: skip
    body, _ = read_object(request.body, request.content_type)
    if body.get("kind", "DeleteOptions") != "DeleteOptions":
        raise bad_request(f"decoded object cannot be converted to DeleteOptions: {body.get('kind')}")
    rest = {name: value for name, value in body.items() if name not in ("kind", "apiVersion")}
    options = Reading("DeleteOptions", "v1").struct(rest, TYPES.structs["DeleteOptions"], "")
    dry_run = options.get("dryRun") or []
    if any(value != "All" for value in dry_run):
        problem = FieldError("FieldValueNotSupported", "dryRun", dry_run, 'supported values: "All"')
        raise invalid("DeleteOptions", "meta.k8s.io", "", [problem])
    preconditions = options.get("preconditions") or {}
    return DeleteOptions(
        grace_s=options.get("gracePeriodSeconds"), propagation=options.get("propagationPolicy"),
        orphan_dependents=options.get("orphanDependents"), uid=preconditions.get("uid"),
        version=preconditions.get("resourceVersion"), dry_run=bool(dry_run),
    )  # fmt: skip
