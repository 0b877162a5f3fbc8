"""The one path of every write: decode, admit, prepare, validate, track field managers, commit.

Order and refusals follow kube-apiserver's generic registry (registry/generic/registry/store.go, registry/rest).
HTTP handlers and the in-process API call the same methods.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

import attrs

from moduledeploy.devcluster import deletion, objectmeta
from moduledeploy.devcluster.errors import (
    INVALID,
    ApiError,
    FieldError,
    already_exists,
    bad_request,
    conflict,
    invalid,
    not_found,
    unknown,
    warned,
)
from moduledeploy.devcluster.managedfields import FieldManagers, Managed, Workflow
from moduledeploy.devcluster.patches import merge_patch
from moduledeploy.devcluster.storage import Key, Object, Record, Store, copy_object
from moduledeploy.devcluster.views import convert

if TYPE_CHECKING:
    from collections.abc import Callable

    from moduledeploy.devcluster.deletion import DeleteOptions
    from moduledeploy.devcluster.resources import Register, Resource

    Patch = Callable[[Object], Object]
    Admission = Callable[["Writes", Resource, Object, Object | None, str], None]

FieldValidation = Literal["Strict", "Warn", "Ignore"]

_MODIFIED: Final = "the object has been modified; please apply your changes to the latest version and try again"
_GENERATED_TRIES: Final = 8  # registry/generic/registry/store.go, retries of a generated name


@attrs.frozen(kw_only=True)
class WriteOptions:
    """What a request says about a write besides the object."""

    manager: str = "unknown"
    subresource: str = ""
    dry_run: bool = False
    field_validation: FieldValidation = "Warn"
    uid: str | None = None  # precondition
    repeated: tuple[str, ...] = ()  # sentences for fields that stand twice in the body
    keeps_nulls: bool = False  # of an apply: nulls are judged, not dropped
    managed: tuple[Managed, Workflow] | None = None  # of a create by apply, instead of deriving it
    judge: Callable[[Object], None] | None = None  # refuses an object that this writer may not write


@attrs.frozen
class Outcome:
    """The object as it is now, whether it was created, and warnings for the client."""

    obj: Object
    created: bool = False
    warnings: tuple[str, ...] = ()


@attrs.define(eq=False, kw_only=True)
class Writes:
    """Changes objects by the rules of their resources; the only writer of the store."""

    store: Store
    register: Register
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    admissions: list[Admission] = attrs.field(factory=list)
    managers: FieldManagers = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.managers = FieldManagers(self.now)

    def decode(self, resource: Resource, obj: Object, options: WriteOptions) -> tuple[Object, tuple[str, ...]]:
        """The object by its schema, and warnings; raises ApiError 400 for unknown fields when validation is Strict."""
        decoded = resource.strategy.decode(obj, resource, keeps_nulls=options.keeps_nulls)
        owners = objectmeta.dedup_owners(decoded.obj["metadata"])
        wrong = (*options.repeated, *decoded.unknown)
        if not wrong or options.field_validation == "Ignore":
            return decoded.obj, owners
        if options.field_validation == "Strict":
            what = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}'
            raise bad_request(f"{what}: strict decoding error: {', '.join(wrong)}")
        return decoded.obj, (*wrong, *owners)

    def create(self, resource: Resource, namespace: str, body: Object, options: WriteOptions) -> Object:
        """Create; see `create_outcome`."""
        return self.create_outcome(resource, namespace, body, options).obj

    def create_outcome(
        self, resource: Resource, namespace: str, body: Object, options: WriteOptions, *, posted: bool = True
    ) -> Outcome:
        """Create from a body that may have come from anywhere; raises ApiError 400, 403, 404, 409, 422."""
        _match_version(resource, body)
        obj, warnings = self.decode(resource, body, options)
        meta = obj["metadata"]
        if posted:
            objectmeta.wipe(meta)
        self.match_namespace(resource, namespace, meta)
        managed = self._creator(resource, obj, options)
        said = resource.strategy.warnings(obj, None)
        with warned(warnings):
            obj = self._create(resource, obj, managed, options)
        return Outcome(obj, created=True, warnings=(*warnings, *said))

    def _create(self, resource: Resource, obj: Object, managed: list[Object], options: WriteOptions) -> Object:
        meta = obj["metadata"]
        self._admit(resource, obj, None, options)
        generated = bool(meta.get("generateName")) and not meta.get("name")
        for _ in range(_GENERATED_TRIES):
            if generated:
                meta.pop("name", None)
            self._prepare_new(resource, obj)
            meta = obj["metadata"]
            key = (meta.get("namespace", ""), meta["name"])
            if self.store.get(resource.table, key) is None:
                break
        else:
            raise already_exists(resource.plural, resource.group, meta["name"])
        if self.store.get(resource.table, key) is not None:
            raise already_exists(resource.plural, resource.group, meta["name"])
        if meta.get("resourceVersion", "").isdigit() and int(meta["resourceVersion"]):
            raise unknown("resourceVersion should not be set on objects to be created")
        if managed:
            obj["metadata"]["managedFields"] = managed
        else:
            obj["metadata"].pop("managedFields", None)
        if options.dry_run:
            meta.pop("resourceVersion", None)
            return obj
        return self.store.put(resource.table, key, obj).obj

    def _creator(self, resource: Resource, obj: Object, options: WriteOptions) -> list[Object]:
        """The managedFields of a new object: what the request says, before anything else is filled in."""
        if options.managed is None:
            return self.managers.created(resource, convert(resource, obj) if resource.stored_in else obj, options)
        self.managers.stamp(*options.managed, obj["apiVersion"])
        return options.managed[0].entries()

    def _prepare_new(self, resource: Resource, obj: Object) -> None:
        meta = obj["metadata"]
        objectmeta.fill_new(meta, self.now())
        if resource.strategy.has_generation:
            meta["generation"] = 1
        resource.strategy.prepare_create(obj)
        problems = objectmeta.validate_new(meta, resource) + resource.strategy.validate_create(obj)
        if problems:
            group = obj["apiVersion"].rpartition("/")[0]
            raise invalid(obj["kind"], group, meta.get("name", ""), problems)
        obj["metadata"] = objectmeta.tidy(meta)

    def replace(self, resource: Resource, key: Key, body: Object, options: WriteOptions) -> Outcome:
        """Replace by a whole object; raises ApiError 400, 404, 409, 422."""
        _match_version(resource, body)
        obj, warnings = self.decode(resource, body, options)
        meta = obj["metadata"]
        self.match_namespace(resource, key[0], meta)
        objectmeta.check_name(meta.get("name"), key[1])
        record = self.store.get(resource.table, key)
        if record is None:
            return self._replace_missing(resource, key, obj, options)
        if meta.get("uid"):
            options = attrs.evolve(options, uid=meta["uid"])
        said = resource.strategy.warnings(obj, record.obj)
        with warned(warnings):
            return attrs.evolve(self._update(resource, record, obj, options), warnings=(*warnings, *said))

    def _replace_missing(self, resource: Resource, key: Key, obj: Object, options: WriteOptions) -> Outcome:
        if not resource.strategy.create_on_update or options.subresource:
            raise not_found(resource.plural, resource.group, key[1])
        if obj["metadata"].get("uid"):
            raise conflict(resource.plural, resource.group, key[1], "Precondition failed: UID in precondition")
        obj["metadata"].pop("resourceVersion", None)
        return self.create_outcome(resource, key[0], obj, options, posted=False)

    def merge(self, resource: Resource, key: Key, patch: Object, options: WriteOptions) -> Outcome:
        """JSON merge patch (RFC 7386)."""
        return self.patch(resource, key, lambda obj: merge_patch(obj, patch), options)

    def patch(self, resource: Resource, key: Key, patch: Patch, options: WriteOptions) -> Outcome:
        """Change what is there by `patch`, which gets a private copy in the request's version of the resource."""
        record = self.store.get(resource.table, key)
        if record is None:
            raise not_found(resource.plural, resource.group, key[1])
        current = copy_object(record.obj)
        current["apiVersion"] = resource.api_version
        patched = patch(current)
        try:
            obj, warnings = self.decode(resource, patched, options)
        except ApiError as error:
            if error.code != 400:
                raise
            # What can't be decoded after a patch is the patch's fault: no 400, but an Invalid without an object.
            raise invalid("", "", "", [FieldError(INVALID, "patch", patched, error.message)]) from error
        objectmeta.check_name(obj["metadata"].get("name"), key[1])
        self.match_namespace(resource, key[0], obj["metadata"])
        said = resource.strategy.warnings(obj, record.obj)
        with warned(warnings):
            return attrs.evolve(self._update(resource, record, obj, options), warnings=(*warnings, *said))

    def _update(self, resource: Resource, record: Record, obj: Object, options: WriteOptions) -> Outcome:
        old = record.obj
        plural, group, name = resource.plural, resource.group, record.key[1]
        if options.uid and options.uid != old["metadata"]["uid"]:
            detail = (
                f"Precondition failed: UID in precondition: {options.uid}, UID in object meta: {old['metadata']['uid']}"
            )
            raise conflict(plural, group, name, detail)
        self.check_version(resource, record, obj)
        self.prepare_changed(resource, obj, old, options)
        return self.finish_update(resource, record, obj, options)

    def check_version(self, resource: Resource, record: Record, obj: Object) -> None:
        """Optimistic concurrency; raises ApiError 409, 422."""
        plural, group, name = resource.plural, resource.group, record.key[1]
        version = obj["metadata"].get("resourceVersion")
        if version in (None, "", "0") and resource.strategy.unconditional_update:
            obj["metadata"]["resourceVersion"] = str(record.version)
            return
        if not version or version == "0":
            problem = FieldError(INVALID, "metadata.resourceVersion", 0, "must be specified for an update")
            raise invalid(plural, group, name, [problem])
        if version != str(record.version):
            if not version.isdigit():
                raise unknown(f'strconv.ParseUint: parsing "{version}": invalid syntax')
            raise conflict(plural, group, name, _MODIFIED)

    def prepare_changed(self, resource: Resource, obj: Object, old: Object, options: WriteOptions) -> None:
        """Everything between the precondition and the commit of an update."""
        strategy = resource.strategy
        managed = obj["metadata"].get("managedFields")
        objectmeta.carry_over(obj["metadata"], old["metadata"])
        strategy.prepare_update(obj, old, options.subresource)
        if managed is not None:
            obj["metadata"]["managedFields"] = managed
        self._admit(resource, obj, old, options)
        problems = objectmeta.validate_changed(obj["metadata"], old["metadata"])
        problems += strategy.validate_update(obj, old, options.subresource)
        if problems:
            group = obj["apiVersion"].rpartition("/")[0]
            raise invalid(obj["kind"], group, obj["metadata"]["name"], problems)
        obj["metadata"] = objectmeta.tidy(obj["metadata"])
        if strategy.has_generation and options.subresource != "status" and strategy.spec_changed(obj, old):
            obj["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1

    def finish_update(self, resource: Resource, record: Record, obj: Object, options: WriteOptions) -> Outcome:
        """Commit an update whose managedFields are to be derived from what changed; nothing changed, nothing written."""
        self.managers.updated(resource, obj, record.obj, options)
        return self.commit_update(resource, record, obj, options)

    def commit_update(self, resource: Resource, record: Record, obj: Object, options: WriteOptions) -> Outcome:
        """Commit an update as it is; the last finalizer gone from what is being deleted deletes it."""
        obj["metadata"]["resourceVersion"] = str(record.version)
        if obj == record.obj:
            return Outcome(record.obj)
        if options.dry_run:
            return Outcome(obj)
        if deletion.is_finished(obj, record.obj, resource.plural):
            self.store.remove(resource.table, record.key)
            return Outcome(obj)
        return Outcome(self.store.put(resource.table, record.key, obj).obj)

    def delete(self, resource: Resource, key: Key, options: DeleteOptions) -> deletion.Deleted:
        """Delete one object; see `deletion.delete`."""
        return deletion.delete(self, resource, key, options)

    def match_namespace(self, resource: Resource, namespace: str, meta: Object) -> None:
        """Put an object into the namespace of its path; raises ApiError 400 where it says it is in another."""
        if not resource.namespaced:
            return
        if meta.get("namespace") and meta["namespace"] != namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        meta["namespace"] = namespace

    def _admit(self, resource: Resource, obj: Object, old: Object | None, options: WriteOptions) -> None:
        if options.judge is not None:
            options.judge(obj)
        for admit in self.admissions:
            admit(self, resource, obj, old, options.subresource)


def _match_version(resource: Resource, body: Object) -> None:
    given = body.get("apiVersion")
    if given and given != resource.api_version:
        raise bad_request(
            f"the API version in the data ({given}) does not match the expected API version ({resource.api_version})"
        )


__all__ = ["ApiError", "FieldValidation", "Outcome", "WriteOptions", "Writes"]
