from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from moduledeploy.kube.resources import ObjectKey
from moduledeploy.kube.store import Store
from moduledeploy.kube.versions import is_at_least, is_comparable
from tests.kube.things import Thing, ThingMeta, ThingSpec, key

NAMES = st.sampled_from("abcdef")
LABELS = st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from(["1", "2", "3"]))


def make(name: str, size: int = 0, labels: dict[str, str] | None = None) -> Thing:
    return Thing(ThingMeta(name, f"uid-{name}", "1", "default", labels or {}), ThingSpec(size))


def new_store() -> Store[Thing]:
    return Store({"size": lambda obj: [str(obj.spec.size)], "labels": lambda obj: obj.metadata.labels.values()})


class StoreMachine(RuleBasedStateMachine):
    """A store against a plain dict that is searched from end to end."""

    def __init__(self) -> None:
        super().__init__()
        self.store = new_store()
        self.model: dict[ObjectKey, Thing] = {}

    @rule(name=NAMES, size=st.integers(0, 3), labels=LABELS)
    def put(self, name: str, size: int, labels: dict[str, str]) -> None:
        obj = make(name, size, labels)

        assert self.store.put(key(name), obj) == self.model.get(key(name))
        self.model[key(name)] = obj

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        assert self.store.remove(key(name)) == self.model.pop(key(name), None)

    @rule(objects=st.dictionaries(NAMES, st.integers(0, 3)))
    def adopt(self, objects: dict[str, int]) -> None:
        side = new_store()
        for name, size in objects.items():
            side.put(key(name), make(name, size))

        assert self.store.adopt(side, "9") == self.model
        self.model = {key(name): make(name, size) for name, size in objects.items()}

    @invariant()
    def agrees(self) -> None:
        self.store.check_invariants()
        assert dict(self.store.items()) == self.model
        for size in range(4):
            found = {obj.metadata.name for obj in self.store.by_index("size", str(size))}
            assert found == {obj.metadata.name for obj in self.model.values() if obj.spec.size == size}


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(max_examples=25, deadline=None)


def test_an_index_nobody_made_is_an_error_and_a_value_nobody_has_is_not() -> None:
    store = new_store()

    assert store.by_index("size", "77") == []
    with pytest.raises(KeyError):
        store.by_index("colour", "red")


@pytest.mark.parametrize(
    ("last", "asked", "expected"),
    [
        ("10", "10", True),
        ("10", "9", True),
        ("9", "10", False),
        ("99", "100", False),
        ("100", "99", True),
        ("10", "", True),
        ("10", "abc", True),
        ("10", "007", True),
        ("", "1", False),
        ("abc", "1", False),
    ],
)
def test_a_version_is_seen_when_the_store_is_at_it_or_beyond(last: str, asked: str, expected: bool) -> None:
    store = new_store()
    store.advance(last)

    assert store.has_seen(asked) is expected


@pytest.mark.parametrize("version", ["", "0", "01", "-1", "1.5", "x", "١"])
def test_what_is_no_version_is_not_compared(version: str) -> None:
    assert not is_comparable(version)


def test_versions_are_ordered_as_numbers() -> None:
    numbers = [1, 2, 9, 10, 11, 99, 100, 1 << 70]

    assert all(is_at_least(str(b), str(a)) == (b >= a) for a in numbers for b in numbers)
