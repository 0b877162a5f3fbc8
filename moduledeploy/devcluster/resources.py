"""What is served: resources, their rules, and the register in which requests find them.

A `Resource` is one served version of one kind.  Its `Strategy` holds the rules of the kind: what is filled in, what is
refused, what a status write may touch.  Built-in kinds and custom resources differ in nothing but their strategy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from moduledeploy.devcluster.errors import FieldError
    from moduledeploy.devcluster.storage import Object

STANDARD_VERBS: Final = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@attrs.frozen
class Decoded:
    """An object read from a request, with the sentences for fields that the schema doesn't know or knows twice."""

    obj: Object
    unknown: tuple[str, ...] = ()


class Strategy(Protocol):
    """The rules of one kind; every method is plain and may change the object it is handed as `obj` or `new`."""

    @property
    def has_generation(self) -> bool:
        """Whether metadata.generation is kept."""

    @property
    def unconditional_update(self) -> bool:
        """Whether a replace without resourceVersion overwrites."""

    @property
    def create_on_update(self) -> bool:
        """Whether a replace of a missing object creates it."""

    @property
    def returns_deleted(self) -> bool:
        """Whether a delete answers the object instead of a Status."""

    @property
    def typed(self) -> bool:
        """Whether a real server has a Go type for it, so that lists leave kind and apiVersion out of the items."""

    @property
    def strategic(self) -> bool:
        """Whether it takes strategic merge patches."""

    def decode(self, obj: Object, resource: Resource, *, keeps_nulls: bool = False) -> Decoded:
        """Check types, drop what isn't known, fill defaults; raises ApiError 400 for what can't be decoded.

        Nulls that no schema allows are dropped, but not those that apply brought (`keeps_nulls`): they are refused.
        """

    def reset(self, subresource: str) -> tuple[str, ...]:
        """The fields that a write of this part can't touch."""

    def prepare_create(self, obj: Object) -> None:
        """Before validation of a create: drop status and the like."""

    def prepare_update(self, new: Object, old: Object, subresource: str) -> None:
        """Before validation of an update: restore what this write may not touch."""

    def validate_create(self, obj: Object) -> list[FieldError]:
        """Everything but the metadata all kinds have."""

    def validate_update(self, new: Object, old: Object, subresource: str) -> list[FieldError]:
        """Everything but the metadata all kinds have."""

    def warnings(self, obj: Object, old: Object | None) -> tuple[str, ...]:
        """What is accepted, but better not written."""

    def spec_changed(self, new: Object, old: Object) -> bool:
        """Whether this update takes a new generation."""

    def grace(self, obj: Object, requested: int | None) -> int | None:
        """Seconds until a delete of `obj` is carried out; None for kinds without graceful deletion."""

    def fields(self, obj: Object) -> dict[str, str]:
        """What field selectors can select by, besides metadata.name and metadata.namespace."""

    def schema(self) -> Any:
        """The structural schema that apply and strategic merge consult for list types and keys."""


@attrs.frozen(kw_only=True, eq=False)
class Resource:
    """One served version of one kind."""

    group: str
    version: str
    plural: str
    kind: str
    strategy: Strategy
    singular: str = ""
    namespaced: bool = True
    list_kind: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = STANDARD_VERBS
    subresources: frozenset[str] = frozenset()
    storage_version: str = ""
    stored_in: str = ""  # the table of another resource that this one is a view of
    selectable: frozenset[str] = frozenset()  # field selectors beyond metadata.name and metadata.namespace
    scale: Any = None  # devcluster.scale.ScalePaths where there is a scale subresource
    columns: Any = None  # devcluster.tables.Columns; None: name and age
    name_rule: str = "subdomain"

    @property
    def table(self) -> str:
        """Name of its table in the store, the same for all versions: `deployments.apps`, `pods`."""
        return self.stored_in or (f"{self.plural}.{self.group}" if self.group else self.plural)

    @property
    def api_version(self) -> str:
        """`apps/v1`, `v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def list_name(self) -> str:
        """The kind of its lists."""
        return self.list_kind or self.kind + "List"

    @property
    def singular_name(self) -> str:
        """The singular, lower-case name."""
        return self.singular or self.kind.lower()


@attrs.define(eq=False)
class Register:
    """The resources served now; custom ones come and go with their definitions."""

    _by_path: dict[tuple[str, str, str], Resource] = attrs.field(factory=dict)
    _by_table: dict[str, Resource] = attrs.field(factory=dict)
    _by_kind: dict[tuple[str, str], Resource] = attrs.field(factory=dict)
    revision: int = 0  # counts changes, so that discovery and OpenAPI documents can be cached

    def add(self, resource: Resource) -> None:
        """Serve one more version, or the same with other rules."""
        self._by_path[resource.group, resource.version, resource.plural] = resource
        self._by_kind[resource.api_version, resource.kind] = resource
        if not resource.stored_in and resource.storage_version in ("", resource.version):
            self._by_table[resource.table] = resource
        self.revision += 1

    def remove_table(self, table: str) -> None:
        """Stop serving every version of one resource."""
        self._by_path = {path: resource for path, resource in self._by_path.items() if resource.table != table}
        self._by_kind = {name: resource for name, resource in self._by_kind.items() if resource.table != table}
        self._by_table.pop(table, None)
        self.revision += 1

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """The resource at a path."""
        return self._by_path.get((group, version, plural))

    def by_table(self, table: str) -> Resource | None:
        """The storage version of a resource by `plural.group` or `plural`."""
        return self._by_table.get(table)

    def by_kind(self, api_version: str, kind: str) -> Resource | None:
        """The resource of an apiVersion and kind as owner references name them."""
        return self._by_kind.get((api_version, kind))

    def versions(self, group: str) -> list[str]:
        """The versions of a group, in the order in which they were added."""
        return list(dict.fromkeys(resource.version for resource in self._by_path.values() if resource.group == group))

    def groups(self) -> list[str]:
        """All groups but the core one, in the order in which they were added."""
        return list(dict.fromkeys(resource.group for resource in self._by_path.values() if resource.group))

    def of(self, group: str, version: str) -> Iterable[Resource]:
        """The resources of one group and version."""
        return [r for r in self._by_path.values() if (r.group, r.version) == (group, version)]

    def __iter__(self) -> Iterator[Resource]:
        return iter(list(self._by_path.values()))
