"""The strategy of built-in kinds: types from a notation, and plain functions where a kind has rules of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from moduledeploy.devcluster import objectmeta
from moduledeploy.devcluster.errors import FieldError, Object, bad_request
from moduledeploy.devcluster.gotypes import Reading, Type, zero
from moduledeploy.devcluster.resources import Decoded, Resource

if TYPE_CHECKING:
    from collections.abc import Callable


def _nothing(_: Object) -> None:
    pass


def _no_problems(_: Object) -> list[FieldError]:
    return []


def _no_changes(_new: Object, _old: Object) -> list[FieldError]:
    return []


def _no_fields(_: Object) -> dict[str, str]:
    return {}


def _no_grace(_obj: Object, _requested: int | None) -> int | None:
    return None


def _restore(new: Object, old: Object, path: str) -> None:
    head, _, rest = path.partition(".")
    if rest:
        _restore(new[head], old[head], rest)
    elif head in old:
        new[head] = old[head]
    else:
        new.pop(head, None)


@attrs.frozen(kw_only=True, eq=False)
class BuiltInStrategy:
    """The rules of one built-in kind; `moduledeploy.devcluster.resources.Strategy` says what each is for."""

    struct: Type  # of the whole object; its metadata is checked apart
    has_generation: bool = False
    has_status: bool = False  # status is dropped from writes that are not on the subresource
    keeps_status: bool = False  # but what a creation brings stays
    unconditional_update: bool = True
    create_on_update: bool = False
    returns_deleted: bool = False
    typed: bool = True
    strategic: bool = True
    defaults: Callable[[Object], None] = _nothing
    prepare: Callable[[Object], None] = _nothing  # on creation, after defaults
    status_keeps: tuple[str, ...] = ("spec",)  # what a status write can't touch
    creation: Callable[[Object], list[FieldError]] = _no_problems  # checked on creation only
    problems: Callable[[Object], list[FieldError]] = _no_problems
    changes: Callable[[Object, Object], list[FieldError]] = _no_changes
    status_problems: Callable[[Object], list[FieldError]] = _no_problems
    update: Callable[[Object, Object], None] = lambda _new, _old: None
    grace: Callable[[Object, int | None], int | None] = _no_grace
    fields: Callable[[Object], dict[str, str]] = _no_fields

    def reset(self, subresource: str) -> tuple[str, ...]:
        if subresource == "status":
            return self.status_keeps
        return ("status",) if self.has_status else ()

    def decode(self, obj: Object, resource: Resource, *, keeps_nulls: bool = False) -> Decoded:
        del keeps_nulls  # a Go type has no nulls
        kind = obj.get("kind") or resource.kind  # may be no text
        version = obj.get("apiVersion") or resource.api_version
        if version != resource.api_version:
            raise bad_request(
                f"the API version in the data ({version}) does not match the expected API version ({resource.api_version})"
            )
        if kind != resource.kind:
            raise bad_request(f'{kind} in version "{resource.version}" cannot be handled as a {resource.kind}')
        reading = Reading(kind, version)
        meta = objectmeta.check_types(obj.get("metadata"), reading)
        if (obj.get("metadata") or {}).get("managedFields") == []:
            meta["managedFields"] = [{}]  # in Go an empty list, which clears them as one empty entry does
        rest = {name: value for name, value in obj.items() if name not in {"apiVersion", "kind", "metadata"}}
        body = reading.struct(rest, self.struct, "")
        decoded = {"kind": kind, "apiVersion": version, "metadata": meta, **body}
        self.defaults(decoded)
        return Decoded(decoded, tuple(reading.unknown))

    def prepare_create(self, obj: Object) -> None:
        if self.has_status and not self.keeps_status:
            obj["status"] = zero(self.struct.fields["status"].type)
        self.prepare(obj)

    def prepare_update(self, new: Object, old: Object, subresource: str) -> None:
        if subresource == "status":
            for field in self.status_keeps:
                _restore(new, old, field)
            return
        if self.has_status and not subresource:
            new["status"] = old.get("status", {})
        self.update(new, old)

    def validate_create(self, obj: Object) -> list[FieldError]:
        return objectmeta.unqualified_finalizers(obj["metadata"]) + self.creation(obj) + self.problems(obj)

    def validate_update(self, new: Object, old: Object, subresource: str) -> list[FieldError]:
        if subresource == "status":
            return self.status_problems(new)
        return objectmeta.unqualified_finalizers(new["metadata"]) + self.problems(new) + self.changes(new, old)

    def warnings(self, obj: Object, old: Object | None) -> tuple[str, ...]:
        del obj, old
        return ()

    def spec_changed(self, new: Object, old: Object) -> bool:
        return bool(new.get("spec") != old.get("spec"))

    def schema(self) -> Type:
        return self.struct
