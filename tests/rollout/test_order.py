"""Orders that are kept from pass to pass are those that sorting everything anew would give."""

from __future__ import annotations

from contextlib import closing
from itertools import islice

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from moduledeploy.api.kinds import ModuleSource, ModuleStatusWord
from moduledeploy.api.spec import SchedulingPolicy
from moduledeploy.placement.bases import Base
from moduledeploy.placement.pool import Pool
from moduledeploy.rollout.order import Key, Last, Order
from moduledeploy.rollout.slots import BaseFacts, Mark, ModuleFacts, Slot, Slots

UIDS = [f"base-{number}" for number in range(6)]
SOURCE = ModuleSource(name="orders", version="1", url="file:///orders.jar")


def facts(uid: str, replica_set: str, status: ModuleStatusWord, order: float = 0.0) -> ModuleFacts:
    name = f"{replica_set}-{uid}"
    return ModuleFacts(
        name=name,
        uid=name,
        replica_set=replica_set,
        order=(order, 0, name),
        base_uid=uid,
        base_name=uid,
        source=SOURCE,
        status=status,
        active_since=0.0,
        slot_active_since=0.0,
    )


class OrderMachine(RuleBasedStateMachine):
    """Slots and bases change at random; both ways of ordering are asked now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.slots, self.pool = Slots(), Pool()
        self.slots.aim("new", 0.0)

    @rule(
        uid=st.sampled_from(UIDS),
        replica_set=st.sampled_from(["old", "new"]),
        status=st.sampled_from([ModuleStatusWord.PENDING, ModuleStatusWord.AVAILABLE]),
        ready=st.booleans(),
    )
    def a_module_comes_or_changes(self, uid: str, replica_set: str, status: ModuleStatusWord, *, ready: bool) -> None:
        base = BaseFacts(uid=uid, name=uid, ready_since=0.0 if ready else None)
        self.slots.set_module(facts(uid, replica_set, status), base)
        self.pool.add_module(uid, "orders", f"{replica_set}-{uid}")

    @rule(uid=st.sampled_from(UIDS), replica_set=st.sampled_from(["old", "new"]))
    def a_module_goes(self, uid: str, replica_set: str) -> None:
        self.slots.drop_module(uid, f"{replica_set}-{uid}")
        self.pool.remove_module(uid, "orders", f"{replica_set}-{uid}")

    @rule(uid=st.sampled_from(UIDS), newest=st.booleans())
    def a_base_comes_or_changes(self, uid: str, *, newest: bool) -> None:
        self.pool.set_base(Base(uid=uid, name=uid, is_newest=newest))

    @rule(uid=st.sampled_from(UIDS))
    def a_base_goes(self, uid: str) -> None:
        self.pool.remove_base(uid)

    @rule(uid=st.sampled_from(UIDS), module=st.sampled_from(["stock", "prices"]), comes=st.booleans())
    def a_module_of_another_family_comes_or_goes(self, uid: str, module: str, *, comes: bool) -> None:
        (self.pool.add_module if comes else self.pool.remove_module)(uid, module, module)

    @rule(module=st.sampled_from(["stock", "prices"]), count=st.integers(1, 4))
    def another_family_is_placed(self, module: str, count: int) -> None:
        self.pool.place(module, count, SchedulingPolicy.SCATTER)

    @rule(revision=st.sampled_from(["old", "new"]))
    def the_rollout_turns(self, revision: str) -> None:
        self.slots.aim(revision, 0.0)

    @rule()
    def the_process_begins_anew_with_another_pool(self) -> None:
        other = Pool()
        for slot in self.slots:
            for module in slot.modules:
                other.add_module(slot.base.uid, "orders", module.name)
        self.pool = other

    @rule(mark=st.sampled_from([Mark.OLD, Mark.UPDATED, Mark.KEPT]), count=st.integers(0, 7), removal=st.booleans())
    def the_first_few_are_those_of_a_sort(self, mark: Mark, count: int, *, removal: bool) -> None:
        rank = self.removal if removal else self.replacement
        ranked = [slot for slot in self.slots.marked(mark) if rank(slot) is not None]

        with closing(self.slots.ordered(mark, rank, self.pool, by=rank.__name__)) as order:
            found = [slot.base.uid for slot in islice(order, count)]

        assert found == [slot.base.uid for slot in sorted(ranked, key=rank)][:count]

    @invariant()
    def counts_are_right(self) -> None:
        self.slots.check_invariants()

    def removal(self, slot: Slot) -> Key | None:
        return slot.has(Mark.AVAILABLE), Last(self.pool.removal_rank(slot.base.uid, SchedulingPolicy.SCATTER))

    def replacement(self, slot: Slot) -> Key | None:
        return None if len(slot.modules) > 1 else (slot.has(Mark.READY), self.pool.replacement_rank(slot.base.uid))


OrderMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
test_an_order_kept_is_the_order_of_a_sort = OrderMachine.TestCase


@pytest.mark.parametrize("is_asked", [True, False])
def test_an_order_keeps_no_more_than_there_is(*, is_asked: bool) -> None:
    order, pool = Order(), Pool()
    ranks = dict.fromkeys(UIDS, 0)

    for turn in range(1000):
        for uid in UIDS:
            ranks[uid] = turn
            order.touch(uid)
            order.touch(f"gone-{turn}")
        if is_asked or turn == 0:
            assert list(order.first(lambda uid: (ranks[uid],) if uid in ranks else None, UIDS, pool.journal)) == UIDS

    assert len(order) < 200
