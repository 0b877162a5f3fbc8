"""LIST: versions, selectors, pages.

Follows apiserver's storage/cacher and storage/etcd3 and the "Resource versions" page of the API concepts.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from typing import TYPE_CHECKING, Final

import attrs

from moduledeploy.devcluster.errors import ApiError, bad_request, expired, too_large_version, unknown
from moduledeploy.devcluster.selectors import EVERYTHING, Selector, parse_field_selector, parse_label_selector
from moduledeploy.devcluster.storage import HistoryLostError

if TYPE_CHECKING:
    from moduledeploy.devcluster.requests import Query
    from moduledeploy.devcluster.resources import Resource
    from moduledeploy.devcluster.storage import Key, Object, Record, Store, Table

BLOCK_S: Final = 3.0  # apiserver storage/cacher/watch_cache.go blockTimeout
_UINT64: Final = 1 << 64
META_FIELDS: Final = frozenset({"metadata.name", "metadata.namespace"})


@attrs.frozen
class Selection:
    """What a list or watch is about: a namespace or all, and two selectors."""

    resource: Resource
    namespace: str | None
    labels: Selector = EVERYTHING
    fields: Selector = EVERYTHING
    name: str = ""  # of the only object that can be selected, where it is read by its key

    @classmethod
    def of(cls, resource: Resource, namespace: str, query: Query) -> Selection:
        """From a request; raises ApiError 400 for selectors that can't be."""
        labels, fields = query.text("labelSelector"), query.text("fieldSelector")
        within = namespace if namespace and resource.namespaced else None
        parsed = parse_field_selector(fields, META_FIELDS | resource.selectable) if fields else EVERYTHING
        reads_one = within is not None or not resource.namespaced
        return cls(
            resource,
            within,
            parse_label_selector(labels) if labels else EVERYTHING,
            parsed,
            _only_name(parsed) if reads_one else "",
        )

    def of_one(self, name: str) -> Selection:
        """What the path of one object selects; raises ApiError 400 where the field selector names no or another object."""
        if self.fields and _only_name(self.fields) != name:
            raise bad_request("fieldSelector metadata.name doesn't match requested name")
        fields = self.fields or parse_field_selector(f"metadata.name={name}", META_FIELDS)
        return attrs.evolve(self, fields=fields)

    def selects(self, obj: Object) -> bool:
        """Whether both selectors do."""
        meta = obj["metadata"]
        if self.labels and not self.labels.matches(meta.get("labels")):
            return False
        if not self.fields:
            return True
        values = {"metadata.name": meta["name"], "metadata.namespace": meta.get("namespace", "")}
        if any(requirement.key not in META_FIELDS for requirement in self.fields.requirements):
            values |= self.resource.strategy.fields(obj)
        return self.fields.matches(values)

    def holds(self, key: Key) -> bool:
        """Whether an object of that key is in the namespace."""
        return self.namespace is None or key[0] == self.namespace

    def is_everything(self) -> bool:
        """Whether no selector is set."""
        return not self.labels and not self.fields


def _only_name(fields: Selector) -> str:
    names = [r.values for r in fields.requirements if r.key == "metadata.name" and r.operator == "="]
    return next(iter(names[0])) if names and len(names[0]) == 1 else ""


@attrs.frozen(kw_only=True)
class Page:
    """One answer to a LIST."""

    records: list[Record]
    version: int
    token: str = ""
    remaining: int | None = None


def parse_version(text: str) -> int:
    """A resource version; raises ApiError 500 as a real server does for what is none."""
    if why := _unreadable(text):
        raise unknown(why)
    return int(text or "0")


def _unreadable(text: str) -> str:
    """Why it is no version, or nothing; none at all is one."""
    if text and not text.isdecimal():
        return f'strconv.ParseUint: parsing "{text}": invalid syntax'
    return f'strconv.ParseUint: parsing "{text}": value out of range' if int(text or "0") >= _UINT64 else ""


async def read_page(store: Store, selection: Selection, query: Query) -> Page:
    """Answer a LIST; raises ApiError 400, 410, 422, 500, 504."""
    query.check_list(watch=False)
    limit, token, text = query.number("limit") or 0, query.text("continue"), query.text("resourceVersion")
    limit = max(limit, 0)
    table = store.open(selection.resource.table)
    if token:
        return _continued(store, table, selection, token, limit, text)
    if why := _unreadable(text):
        raise bad_request(f"invalid resource version: {why}")
    asked, match = parse_version(text), query.text("resourceVersionMatch")
    await wait_for(store, asked)
    if text == "0" and match != "Exact":
        limit = 0  # the watch cache answers at once and whole
    if asked and (match == "Exact" or (limit and not match)):
        return _cut(selection, _at(table, asked), asked, limit, None)
    return _cut(selection, None, store.version, limit, None, table)


async def wait_for(store: Store, version: int) -> None:
    """Wait until that version has been reached; raises ApiError 504 when that takes too long."""
    deadline = asyncio.get_running_loop().time() + BLOCK_S
    while store.version < version:
        if asyncio.get_running_loop().time() >= deadline:
            raise too_large_version(version, store.version)
        await asyncio.sleep(0.05)


def _at(table: Table, version: int) -> dict[Key, Record]:
    try:
        return table.as_of(version)
    except HistoryLostError as lost:
        raise expired(f"The provided resource version is too old: {version} ({lost.oldest})") from lost


def _continued(store: Store, table: Table, selection: Selection, token: str, limit: int, text: str) -> Page:
    if text not in ("", "0"):
        raise bad_request("specifying resource version is not allowed when using continue")
    version, start = _resumed(token, selection.namespace)
    if text == "0":
        limit = 0  # any version will do: the watch cache answers, whole
    if version < 0:
        return _cut(selection, None, store.version, limit, start, table)
    if version == store.version:
        return _cut(selection, None, version, limit, start, table)
    try:
        records = table.as_of(version)
    except HistoryLostError:
        gone = expired("The provided continue parameter is too old to display a consistent list result.")
        raise _with_token(gone, _token(-1, start, selection.namespace)) from None
    return _cut(selection, records, version, limit, start)


def _resumed(token: str, namespace: str | None) -> tuple[int, Key]:
    """The version and the first key of the next page; raises ApiError 400."""
    try:
        decoded = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        encoding, version, start = decoded["v"], decoded["rv"], decoded["start"]
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise bad_request(f"continue key is not valid: {error}") from error
    if encoding != "meta.k8s.io/v1" or type(version) is not int or version == 0 or not isinstance(start, str):
        raise bad_request("continue key is not valid: server does not recognize this encoded version")
    steps = start.split("/")
    if ".." in steps:
        raise bad_request(f"invalid continue token: continue key is not valid: {start}")
    return version, (namespace, start) if namespace is not None else (steps[0], "/".join(steps[1:]))


def _with_token(error: ApiError, token: str) -> ApiError:
    error.continue_token = token
    return error


def _token(version: int, start: Key, namespace: str | None) -> str:
    where = "/".join(start) if namespace is None else start[1]
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": where}, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _cut(
    selection: Selection,
    records: dict[Key, Record] | None,
    version: int,
    limit: int,
    start: Key | None,
    table: Table | None = None,
) -> Page:
    """The records from `start` on, at most `limit`, from a snapshot or from the table as it is."""
    if records is None and table is not None:
        candidates = list(table.in_order(selection.namespace))
    else:
        snapshot = records or {}
        candidates = [snapshot[key] for key in sorted(snapshot) if selection.holds(key)]
    if start is not None:
        candidates = [record for record in candidates if record.key >= start]
    if selection.name:
        candidates = [record for record in candidates if record.key[1] == selection.name]
    if not limit:
        if not selection.is_everything():
            candidates = [record for record in candidates if selection.selects(record.obj)]
        return Page(records=candidates, version=version)
    chosen: list[Record] = []
    for index, record in enumerate(candidates):
        if len(chosen) == limit:  # whether anything that follows is selected is not known yet
            remaining = len(candidates) - index if selection.is_everything() else None
            return Page(
                records=chosen,
                version=version,
                token=_token(version, record.key, selection.namespace),
                remaining=remaining,
            )
        if selection.selects(record.obj):
            chosen.append(record)
    return Page(records=chosen, version=version)
