from __future__ import annotations

from moduledeploy.api.spec import SchedulingPolicy
from moduledeploy.placement.bases import Base
from moduledeploy.placement.journal import Journal
from moduledeploy.placement.pool import Pool


def test_a_reader_gets_what_came_since_it_read_last() -> None:
    journal = Journal()
    journal.note(["a", "b"])
    place = journal.end

    journal.note(["c"])

    assert journal.since(place) == ["c"]
    assert journal.since(journal.end) == []


def test_a_reader_that_was_away_for_long_is_told_that_something_is_forgotten() -> None:
    journal = Journal()
    place = journal.end
    journal.note(["a"])

    for _ in range(1000):
        journal.note(["b"] * 50)

    assert journal.since(place) is None
    assert journal.since(journal.end) == []


def test_every_base_that_a_pool_ranks_otherwise_stands_in_its_journal() -> None:
    pool = Pool()
    for uid in "abc":
        pool.set_base(Base(uid=uid, name=uid))
    place = pool.journal.end

    pool.place("orders", 1, SchedulingPolicy.SCATTER)
    pool.add_module("b", "stock", "stock-b")
    pool.set_base(Base(uid="c", name="c", is_newest=False))

    assert pool.journal.since(place) == ["a", "b", "c"]
