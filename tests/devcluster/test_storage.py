"""The store against a naive model: versions only grow, history tells the whole story, cursors miss nothing."""

from __future__ import annotations

from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moduledeploy.devcluster.storage import Cursor, HistoryLostError, Store, copy_object

STEPS = st.lists(st.tuples(st.sampled_from(["put", "remove"]), st.sampled_from("abcd"), st.integers(0, 9)), max_size=60)


def change(store: Store, step: tuple[str, str, int]) -> None:
    what, name, value = step
    if what == "put":
        store.put("things", ("ns", name), {"metadata": {"name": name}, "value": value})
    elif store.get("things", ("ns", name)) is not None:
        store.remove("things", ("ns", name))


@given(STEPS)
def test_every_older_state_can_be_read(steps: list[tuple[str, str, int]]):
    store = Store()
    table = store.open("things")
    states = {store.version: {}}
    for step in steps:
        change(store, step)
        states[store.version] = {key: record.obj["value"] for key, record in table.records.items()}

    for version, state in states.items():
        assert {key: record.obj["value"] for key, record in table.as_of(version).items()} == state


@given(STEPS, st.integers(1, 7))
def test_a_cursor_replays_the_state(steps: list[tuple[str, str, int]], limit: int):
    store = Store()
    table = store.open("things")
    seen = {}
    versions = []
    with Cursor(table, store.version) as cursor:
        for step in steps:
            change(store, step)
        while events := cursor.read(limit):
            for event in events:
                versions.append(event.version)
                if event.change == "DELETED":
                    del seen[event.record.key]
                else:
                    seen[event.record.key] = event.record.obj["value"]

    assert seen == {key: record.obj["value"] for key, record in table.records.items()}
    assert versions == sorted(set(versions))


@given(STEPS)
def test_records_are_listed_in_order(steps: list[tuple[str, str, int]]):
    store = Store()
    for step in steps:
        change(store, step)

    keys = [record.key for record in store.open("things").in_order("ns")]

    assert keys == sorted(store.open("things").records)


def test_a_reader_that_falls_behind_is_told():
    store = Store(capacity=4)
    with Cursor(store.open("things"), store.version) as cursor:
        for number in range(10):
            change(store, ("put", "a", number))

        with pytest.raises(HistoryLostError):
            cursor.read()


def test_a_deletion_shows_the_last_state_under_its_own_version():
    store = Store()
    change(store, ("put", "a", 7))

    record = store.remove("things", ("ns", "a"))

    assert record.obj == {"metadata": {"name": "a", "resourceVersion": str(store.version)}, "value": 7}


class Word(StrEnum):
    W = "w"


@pytest.mark.parametrize("more", [[1.0, None, True, "x", 1 << 70], Word.W])
def test_a_copy_shares_nothing_with_its_original_nor_with_itself(more: object) -> None:
    labels = {"app": "base"}
    obj = {"a": labels, "b": labels, "more": more}

    copied = copy_object(obj)
    assert copied == obj
    copied["a"]["app"] = "changed"

    assert (copied["b"], labels) == ({"app": "base"}, {"app": "base"})
