from __future__ import annotations

from collections.abc import Iterable

from moduledeploy.api.spec import SchedulingPolicy
from moduledeploy.placement import Base, Pool
from moduledeploy.placement.levels import Tier
from moduledeploy.placement.marks import BLOCK_BITS, Marks
from moduledeploy.placement.seats import Seat


def seats(keys: Iterable[str]) -> list[Seat]:
    return [Seat(key, slot, key=key) for slot, key in enumerate(keys)]


def test_bases_in_order_are_queued_and_others_heaped() -> None:
    level = Tier().level(0)

    for seat in seats("bdace"):
        level.push(seat)

    assert [seat.key for seat in level.run] == ["b", "d", "e"]
    assert level.heap == ["a", "c"]


def test_a_level_is_littered_when_stale_entries_outnumber_the_others() -> None:
    level = Tier().level(0)
    for seat in seats(f"{number:03}" for number in range(200)):
        level.push(seat)

    level.stale = 100
    assert not level.is_littered()
    level.stale = 117
    assert level.is_littered()


def test_a_sweep_keeps_what_it_is_told_to_keep() -> None:
    level = Tier().level(0)
    for seat in seats("bda"):
        level.push(seat)
    level.stale = 2

    level.sweep({"d"})

    assert (list(level.run), level.heap, level.stale) == ([], ["d"], 0)


def test_a_base_that_goes_up_and_down_for_ever_leaves_no_heap_of_keys() -> None:
    pool = Pool()
    pool.set_base(Base(uid="a", name="a"))
    pool.set_base(Base(uid="b", name="b"))

    for _ in range(1000):
        pool.add_module("a", "orders", "orders-1")
        pool.remove_module("a", "orders", "orders-1")

    pool.check_invariants()  # counts the stale entries of every level
    assert pool.place("orders", 3, SchedulingPolicy.STACKING).bases == ("a", "b")


def test_a_module_that_is_placed_and_forgotten_for_ever_leaves_no_list_of_bases_set_aside() -> None:
    pool = Pool()
    pool.set_base(Base(uid="a", name="a"))

    for _ in range(1000):
        assert pool.place("orders", 1, SchedulingPolicy.SCATTER).bases == ("a",)
        pool.forget("a", "orders", "orders-1")

    pool.check_invariants()  # bounds what is set aside
    assert pool.count("a") == 0


def test_marks_tell_who_is_in_one_set_and_not_in_another() -> None:
    slots = [0, 1, BLOCK_BITS - 1, BLOCK_BITS, 5 * BLOCK_BITS + 7]
    everyone, some = Marks.of(slots), Marks.of(slots[::2])

    assert list(everyone) == slots
    assert list(everyone.minus(some)) == slots[1::2]
    assert everyone.count_minus(some) == 2
    assert len(everyone) == 5


def test_a_slot_taken_out_twice_is_out() -> None:
    marks = Marks.of([3, 4])

    marks.discard(3)
    marks.discard(3)

    assert 3 not in marks
    assert 4 in marks
