"""An order of slots that is kept from pass to pass: taking the first few costs what is taken and what has changed."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Generator
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from moduledeploy.rollout.view import Journal

Key = tuple[object, ...]
_TOLERATED: Final = 64  # entries that count no more, or bases still to be looked at, before all is made anew


class Last(tuple[int, int, str]):
    """A rank of which the greatest comes first."""

    __slots__ = ()

    def __lt__(self, other: tuple[int | str, ...]) -> bool:
        return tuple.__gt__(self, other)


@attrs.define(eq=False)
class Order:
    """UIDs of bases by a key that comes from their slots and from the pool.

    Whoever changes a slot calls `touch`; what the pool changes is read from its journal. An entry of the heap counts while it
    holds the very key that is known of its base: so nothing is ever searched for in the heap.
    """

    _heap: list[tuple[Key, str]] = attrs.field(factory=list)
    _keys: dict[str, Key] = attrs.field(factory=dict)
    _touched: dict[str, None] = attrs.field(factory=dict)
    _journal: Journal | None = None
    _read_to: int = 0

    def __len__(self) -> int:
        """Everything that is kept, entries that count no more included."""
        return len(self._heap) + len(self._keys) + len(self._touched)

    def touch(self, uid: str) -> None:
        """The slot on that base has changed, came or went."""
        if self._journal is not None:
            self._touched[uid] = None
            if len(self._touched) > len(self._keys) + _TOLERATED:
                self._forget()  # to begin anew costs no more, and an order that nobody asks for any more keeps nothing

    def first(self, key: Callable[[str], Key | None], all_uids: Collection[str], journal: Journal) -> Generator[str]:
        """All of `all_uids` that have a key, the least first; `key` gives None for any other UID."""
        self._catch_up(key, all_uids, journal)
        heap, keys = self._heap, self._keys
        taken: list[tuple[Key, str]] = []
        try:
            while heap:
                entry = heapq.heappop(heap)
                if keys.get(entry[1]) is entry[0]:
                    taken.append(entry)
                    yield entry[1]
        finally:
            for entry in taken:
                heapq.heappush(heap, entry)

    def _catch_up(self, key: Callable[[str], Key | None], all_uids: Collection[str], journal: Journal) -> None:
        moved = journal.since(self._read_to) if journal is self._journal else None
        self._journal, self._read_to = journal, journal.end
        if moved is None:
            self._keys = {uid: found for uid in all_uids if (found := key(uid)) is not None}
            self._begin_heap()
        else:
            for uid in (*self._touched, *moved):
                self._enter(uid, key(uid))
            if len(self._heap) > 2 * len(self._keys) + _TOLERATED:
                self._begin_heap()
        self._touched.clear()

    def _begin_heap(self) -> None:
        self._heap = [(found, uid) for uid, found in self._keys.items()]
        heapq.heapify(self._heap)

    def _forget(self) -> None:
        self._journal = None
        for held in (self._heap, self._keys, self._touched):
            held.clear()

    def _enter(self, uid: str, key: Key | None) -> None:
        if key is None:
            self._keys.pop(uid, None)
        elif self._keys.get(uid) != key:
            self._keys[uid] = key
            heapq.heappush(self._heap, (key, uid))
