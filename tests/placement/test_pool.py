from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from moduledeploy.api.spec import SchedulingPolicy
from moduledeploy.placement import Base, Obstacle, Placement, Pool, Refusal
from tests.placement.naive import OBSTACLES, NaivePool


def pool_of(*names: str, cap: int | None = None) -> Pool:
    pool = Pool()
    for name in names:
        pool.set_base(Base(uid=f"uid-{name}", name=name, cap=cap))
    return pool


def names_of(placement: Placement) -> list[str]:
    return [uid.removeprefix("uid-") for uid in placement.bases]


def test_scatter_takes_the_base_with_the_fewest_modules() -> None:
    pool = pool_of("a", "b", "c")
    pool.add_module("uid-a", "stock", "stock-1")
    pool.add_module("uid-b", "stock", "stock-2")
    pool.add_module("uid-b", "users", "users-1")

    assert names_of(pool.place("orders", 3, SchedulingPolicy.SCATTER)) == ["c", "a", "b"]


def test_stacking_takes_the_base_with_the_most_modules_below_its_cap() -> None:
    pool = pool_of("a", "b", "c", cap=2)
    pool.add_module("uid-b", "stock", "stock-1")
    pool.add_module("uid-c", "stock", "stock-2")
    pool.add_module("uid-c", "users", "users-1")

    assert names_of(pool.place("orders", 2, SchedulingPolicy.STACKING)) == ["b", "a"]


@pytest.mark.parametrize("policy", SchedulingPolicy)
def test_ties_go_by_name_whatever_the_order_of_joining(policy: SchedulingPolicy) -> None:
    pool = pool_of("base-10", "base-2", "base-1", "base-1-x")

    assert names_of(pool.place("orders", 4, policy)) == ["base-1", "base-1-x", "base-10", "base-2"]


@pytest.mark.parametrize("policy", SchedulingPolicy)
def test_bases_of_the_newest_replicaset_go_first(policy: SchedulingPolicy) -> None:
    pool = Pool()
    pool.set_base(Base(uid="old", name="a", is_newest=False))
    pool.set_base(Base(uid="new", name="b"))
    pool.add_module("new" if policy is SchedulingPolicy.SCATTER else "old", "stock", "stock-1")

    assert pool.place("orders", 2, policy).bases == ("new", "old")


def test_a_decision_counts_at_once() -> None:
    pool = pool_of("a", "b", cap=1)

    first = pool.place("orders", 1, SchedulingPolicy.STACKING)
    second = pool.place("stock", 2, SchedulingPolicy.STACKING)

    assert (names_of(first), names_of(second), second.unplaced) == (["a"], ["b"], 1)


def test_a_seen_module_takes_the_place_of_its_assumption() -> None:
    pool = pool_of("a")
    (uid,) = pool.place("orders", 1, SchedulingPolicy.SCATTER).bases
    pool.assume(uid, "orders", "orders-1")

    pool.add_module(uid, "orders", "orders-1")
    pool.forget(uid, "orders", "orders-1")

    assert pool.count(uid) == 1


def test_a_forgotten_assumption_frees_the_base() -> None:
    pool = pool_of("a", cap=1)
    (uid,) = pool.place("orders", 1, SchedulingPolicy.SCATTER).bases
    pool.assume(uid, "orders", "orders-1")

    pool.forget(uid, "orders", "orders-1")

    assert names_of(pool.place("stock", 1, SchedulingPolicy.SCATTER)) == ["a"]


def test_a_nameless_assumption_is_forgotten_too() -> None:
    pool = pool_of("a")
    (uid,) = pool.place("orders", 1, SchedulingPolicy.SCATTER).bases

    pool.forget(uid, "orders", "orders-1")

    assert pool.count(uid) == 0


def test_versions_of_one_module_share_a_slot_until_the_last_is_gone() -> None:
    pool = pool_of("a", cap=1)
    pool.add_module("uid-a", "orders", "orders-v1")
    pool.add_module("uid-a", "orders", "orders-v2")

    pool.remove_module("uid-a", "orders", "orders-v1")

    assert pool.count("uid-a") == 1
    pool.remove_module("uid-a", "orders", "orders-v2")
    assert pool.count("uid-a") == 0


def test_modules_told_before_their_base_count() -> None:
    pool = Pool()
    pool.add_module("uid-a", "orders", "orders-1")

    pool.set_base(Base(uid="uid-a", name="a", cap=1))

    assert pool.place("stock", 1, SchedulingPolicy.SCATTER).obstacles == {Refusal.AT_CAP: 1}


def test_a_base_that_comes_back_still_has_what_was_not_removed() -> None:
    pool = pool_of("a")
    pool.add_module("uid-a", "orders", "orders-1")

    pool.remove_base("uid-a")
    pool.set_base(Base(uid="uid-a", name="a"))

    assert pool.place("orders", 1, SchedulingPolicy.SCATTER).obstacles == {Refusal.HAS_MODULE: 1}


def test_a_name_that_comes_back_under_another_uid_is_another_base() -> None:
    pool = Pool()
    pool.set_base(Base(uid="1", name="base-0"))
    pool.add_module("1", "orders", "orders-1")
    pool.set_base(Base(uid="2", name="base-0"))

    pool.remove_base("1")

    assert pool.place("orders", 1, SchedulingPolicy.SCATTER).bases == ("2",)


def test_a_cap_that_is_lowered_below_the_count_closes_the_base_and_takes_nothing_away() -> None:
    pool = pool_of("a", cap=3)
    pool.add_module("uid-a", "stock", "stock-1")
    pool.add_module("uid-a", "users", "users-1")

    pool.set_base(Base(uid="uid-a", name="a", cap=1))

    assert pool.place("orders", 1, SchedulingPolicy.SCATTER).obstacles == {Refusal.AT_CAP: 1}
    assert pool.count("uid-a") == 2


def test_excluded_bases_are_passed_over_once() -> None:
    pool = pool_of("a", "b")

    assert names_of(pool.place("orders", 1, SchedulingPolicy.SCATTER, exclude={"uid-a"})) == ["b"]
    assert names_of(pool.place("orders", 1, SchedulingPolicy.SCATTER)) == ["a"]


def test_the_message_counts_every_base_under_one_reason() -> None:
    pool = pool_of("a", "b", "c", "d", "e", cap=2)
    for name in "abc":
        pool.add_module(f"uid-{name}", "orders", f"orders-{name}")
    for name in "de":
        pool.add_module(f"uid-{name}", "stock", f"stock-{name}")
        pool.add_module(f"uid-{name}", "users", f"users-{name}")

    placement = pool.place("orders", 2, SchedulingPolicy.SCATTER)

    assert placement.unplaced == 2
    assert placement.message == "0/5 bases are available: 2 at max-module-count, 3 already have the module."


def test_an_obstacle_of_the_base_itself_comes_before_what_is_on_it() -> None:
    pool = pool_of("a", cap=1)
    pool.add_module("uid-a", "orders", "orders-1")
    pool.set_base(Base(uid="uid-a", name="a", cap=1, obstacle=Obstacle.NOT_READY))

    placement = pool.place("orders", 1, SchedulingPolicy.SCATTER, exclude={"uid-a"})

    assert placement.message == "0/1 bases are available: 1 not ready."


def test_a_pool_without_bases_says_so() -> None:
    assert Pool().place("orders", 1, SchedulingPolicy.SCATTER).message == "0/0 bases are available."


def test_nothing_is_said_when_all_were_placed() -> None:
    assert pool_of("a").place("orders", 1, SchedulingPolicy.SCATTER).message == ""


def test_every_reason_has_its_words() -> None:
    pool = pool_of("excluded", "full", "has", cap=1)
    pool.add_module("uid-full", "stock", "stock-1")
    pool.add_module("uid-has", "orders", "orders-1")
    for obstacle in Obstacle:
        pool.set_base(Base(uid=obstacle, name=obstacle, obstacle=obstacle))

    placement = pool.place("orders", 1, SchedulingPolicy.SCATTER, exclude={"uid-excluded"})

    assert placement.message == (
        "0/8 bases are available: 1 already have the module, 1 at max-module-count, 1 left out of this placement, "
        "1 not ready, 1 not running, 1 terminating, 1 with a max-module-count label that is no number, "
        "1 without an address."
    )


def test_scaling_down_takes_the_reverse_of_placing() -> None:
    pool = pool_of("a", "b", "c")
    pool.add_module("uid-b", "stock", "stock-1")
    pool.set_base(Base(uid="uid-old", name="d", is_newest=False))
    uids = ["uid-a", "uid-b", "uid-c", "uid-old", "uid-gone"]

    def order(policy: SchedulingPolicy) -> list[str]:
        return sorted(uids, key=lambda uid: pool.removal_rank(uid, policy), reverse=True)

    assert order(SchedulingPolicy.SCATTER) == ["uid-gone", "uid-old", "uid-b", "uid-c", "uid-a"]
    assert order(SchedulingPolicy.STACKING) == ["uid-gone", "uid-old", "uid-c", "uid-a", "uid-b"]


def test_replacement_begins_with_the_emptiest_base() -> None:
    pool = pool_of("a", "b", "c")
    pool.add_module("uid-a", "stock", "stock-1")

    order = sorted(["uid-gone", "uid-a", "uid-c", "uid-b"], key=pool.replacement_rank)

    assert order == ["uid-b", "uid-c", "uid-a", "uid-gone"]


def test_eligible_for_gives_the_bases_that_lack_the_module() -> None:
    pool = pool_of("c", "b", "a", "full", cap=1)
    pool.add_module("uid-full", "stock", "stock-1")
    pool.add_module("uid-b", "orders", "orders-1")

    assert pool.eligible_for("orders") == ["uid-a", "uid-c"]


def test_what_keeps_a_module_from_being_everywhere_is_no_base_that_has_it_or_may_yet_be_ready() -> None:
    pool = pool_of("a", "b", "full", cap=1)
    pool.add_module("uid-full", "stock", "stock-1")
    pool.add_module("uid-a", "orders", "orders-1")
    pool.add_module("uid-b", "orders", "of another family")
    pool.set_base(Base(uid="uid-c", name="c", obstacle=Obstacle.NOT_READY))

    assert pool.lacking("orders", 2) == "0/1 bases are available: 1 at max-module-count."
    assert pool.lacking("orders", 1) == "0/2 bases are available: 1 already have the module, 1 at max-module-count."
    assert pool_of("a").lacking("orders", 0) == ""


def test_explain_gives_every_base_its_verdict() -> None:
    pool = pool_of("c", "b", "a", cap=1)
    pool.add_module("uid-b", "orders", "orders-1")
    pool.add_module("uid-c", "stock", "stock-1")

    assert list(pool.explain("orders")) == [("a", None), ("b", Refusal.HAS_MODULE), ("c", Refusal.AT_CAP)]


def test_obstacles_are_counted_without_placing_anything() -> None:
    pool = pool_of("a", "b", "c", cap=1)
    pool.add_module("uid-a", "orders", "orders-1")
    pool.set_base(Base(uid="uid-b", name="b", obstacle=Obstacle.TERMINATING))

    assert pool.obstacles("orders") == {Obstacle.TERMINATING: 1, Refusal.HAS_MODULE: 1, Refusal.EXCLUDED: 1}
    assert pool.count("uid-c") == 0


def test_capacity_is_what_is_used_and_what_is_free_on_known_bases() -> None:
    pool = pool_of("a", "b", cap=3)
    pool.add_module("uid-a", "orders", "orders-1")
    pool.add_module("uid-gone", "orders", "orders-2")

    assert pool.capacity() == (1, 5)


def test_capacity_is_unlimited_where_a_base_has_no_cap() -> None:
    pool = pool_of("a", cap=3)
    pool.set_base(Base(uid="uid-b", name="b"))

    assert pool.capacity() == (0, None)
    assert Pool().capacity() == (0, None)


@pytest.mark.parametrize(
    "event",
    [
        lambda pool: pool.remove_base("nobody"),
        lambda pool: pool.remove_module("nobody", "orders", "orders-1"),
        lambda pool: pool.remove_module("uid-a", "orders", "orders-1"),
        lambda pool: pool.forget("nobody", "orders", "orders-1"),
    ],
)
def test_what_is_unknown_is_no_error(event: Callable[[Pool], None]) -> None:
    pool = pool_of("a")

    event(pool)

    pool.check_invariants()
    assert names_of(pool.place("orders", 1, SchedulingPolicy.SCATTER)) == ["a"]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_long_history_on_a_larger_pool_ends_in_the_decisions_of_the_naive_placer(seed: int) -> None:
    rng = random.Random(seed)
    pool, naive = Pool(), NaivePool()
    uids = [f"{rng.getrandbits(64):016x}" for _ in range(80)]
    modules = [f"module-{number}" for number in range(12)]
    for step in range(4_000):
        uid, module, holder = rng.choice(uids), rng.choice(modules), rng.choice("pq")
        match rng.randrange(16):
            case 0:
                cap, obstacle = rng.choice((None, 0, 4, 8)), rng.choice((None,) * 6 + OBSTACLES)
                base = Base(uid=uid, name=uid[:3], cap=cap, obstacle=obstacle, is_newest=rng.random() < 0.7)
                pool.set_base(base)
                naive.set_base(base)
            case 1 if step % 7 == 0:
                pool.remove_base(uid)
                naive.remove_base(uid)
            case 2 | 3 | 4:
                pool.add_module(uid, module, holder)
                naive.add_module(uid, module, holder)
            case 5 | 6 | 7 | 8:
                pool.remove_module(uid, module, holder)
                naive.remove_module(uid, module, holder)
            case 9 | 10 | 11:
                pool.forget(uid, module, holder)
                naive.forget(uid, module, holder)
            case _:
                count, policy, exclude = (
                    rng.choice((1, 1, 3, 20)),
                    rng.choice(list(SchedulingPolicy)),
                    rng.sample(uids, 2),
                )
                ours = pool.place(module, count, policy, exclude=exclude)
                assert ours == naive.place(module, count, policy, exclude=exclude)
        if step % 500 == 0:
            pool.check_invariants()
