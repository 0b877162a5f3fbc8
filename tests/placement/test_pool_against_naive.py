"""The pool decides as a placer that sorts everything, through any history of events."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from moduledeploy.api.spec import SchedulingPolicy
from moduledeploy.placement import Base, Obstacle, Pool
from moduledeploy.placement.pool import Rank
from tests.placement.naive import OBSTACLES, NaivePool

# Few of each, so that they collide; more UIDs than names, so that a name comes back under another UID.
UIDS = st.sampled_from([f"uid-{number:02}" for number in range(12)])
MODULES = st.sampled_from(["orders", "stock", "users", "web"])
HOLDERS = st.sampled_from(["module-a", "module-b"])
POLICIES = st.sampled_from(SchedulingPolicy)


def name_of(uid: str) -> str:
    return f"base-{int(uid[-2:]) * 7 % 10}"


class PoolMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.pool = Pool()
        self.naive = NaivePool()
        self.ranks: dict[str, Rank] = {}
        self.read_to = 0

    @rule(
        uid=UIDS,
        cap=st.sampled_from([None, None, 0, 1, 2, 3]),
        obstacle=st.sampled_from(OBSTACLES),
        is_newest=st.booleans(),
    )
    def a_base_is_told(self, uid: str, cap: int | None, obstacle: Obstacle | None, is_newest: bool) -> None:
        base = Base(uid=uid, name=name_of(uid), cap=cap, obstacle=obstacle, is_newest=is_newest)
        self.pool.set_base(base)
        self.naive.set_base(base)

    @rule(uid=UIDS)
    def a_base_goes(self, uid: str) -> None:
        self.pool.remove_base(uid)
        self.naive.remove_base(uid)

    @rule(uid=UIDS, module=MODULES, holder=HOLDERS)
    def a_module_appears(self, uid: str, module: str, holder: str) -> None:
        self.pool.add_module(uid, module, holder)
        self.naive.add_module(uid, module, holder)

    @rule(uid=UIDS, module=MODULES, holder=HOLDERS)
    def a_module_goes(self, uid: str, module: str, holder: str) -> None:
        self.pool.remove_module(uid, module, holder)
        self.naive.remove_module(uid, module, holder)

    @rule(uid=UIDS, module=MODULES, holder=HOLDERS)
    def a_module_is_assumed(self, uid: str, module: str, holder: str) -> None:
        self.pool.assume(uid, module, holder)
        self.naive.assume(uid, module, holder)

    @rule(uid=UIDS, module=MODULES, holder=HOLDERS)
    def an_assumption_is_forgotten(self, uid: str, module: str, holder: str) -> None:
        self.pool.forget(uid, module, holder)
        self.naive.forget(uid, module, holder)

    @rule(module=MODULES, count=st.integers(-1, 8), policy=POLICIES, exclude=st.frozensets(UIDS, max_size=3))
    def a_module_is_placed(self, module: str, count: int, policy: SchedulingPolicy, exclude: frozenset[str]) -> None:
        ours = self.pool.place(module, count, policy, exclude=exclude)

        assert ours == self.naive.place(module, count, policy, exclude=exclude)

    @rule(module=MODULES, policy=POLICIES)
    def a_module_is_placed_one_by_one(self, module: str, policy: SchedulingPolicy) -> None:
        for _ in range(3):
            ours = self.pool.place(module, 1, policy)

            assert ours == self.naive.place(module, 1, policy, exclude=())

    @rule(uids=st.lists(UIDS, unique=True), policy=POLICIES)
    def orders_are_equal(self, uids: list[str], policy: SchedulingPolicy) -> None:
        removal = sorted(uids, key=lambda uid: self.pool.removal_rank(uid, policy), reverse=True)

        assert removal == self.naive.removal_order(uids, policy)
        assert sorted(uids, key=self.pool.replacement_rank) == self.naive.replacement_order(uids)

    @rule(module=MODULES)
    def views_are_equal(self, module: str) -> None:
        assert self.pool.eligible_for(module) == self.naive.eligible_for(module)
        assert self.pool.eligible_for("no module is called so") == self.naive.eligible_for("no module is called so")
        assert list(self.pool.explain(module)) == self.naive.explain(module)

    @rule()
    def a_rank_changes_only_with_an_entry_in_the_journal(self) -> None:
        noted = self.pool.journal.since(self.read_to)
        assert noted is not None
        before, self.ranks = self.ranks, {uid: self.pool.replacement_rank(uid) for uid in self.naive.bases}
        self.read_to = self.pool.journal.end

        assert {uid for uid, rank in before.items() if self.ranks.get(uid, rank) != rank} <= set(noted)

    @invariant()
    def books_are_balanced(self) -> None:
        self.pool.check_invariants()
        assert len(self.pool) == len(self.naive.bases)
        assert all(self.pool.count(uid) == self.naive.count(uid) for uid in self.naive.bases)


PoolMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=60, deadline=None)
test_the_pool_decides_as_the_naive_placer = PoolMachine.TestCase
