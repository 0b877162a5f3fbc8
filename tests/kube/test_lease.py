"""Who leads, when, and who may write: elections on a server that can be told to misbehave."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from moduledeploy.kube.errors import NotLeading
from moduledeploy.kube.lease import LeaseRules
from tests.clock import ManualClock, settle
from tests.kube.election import election
from tests.kube.things import THINGS, key


async def test_the_first_candidate_leads_and_says_so() -> None:
    async with election() as rig:
        a = rig.start("a")
        await rig.clock.run_until(lambda: a.has_lead, at_most_s=0)

        assert rig.server.spec == {
            "holderIdentity": "a",
            "leaseDurationSeconds": 15,
            "acquireTime": "2023-11-14T22:13:20.000000Z",
            "renewTime": "2023-11-14T22:13:20.000000Z",
            "leaseTransitions": 0,
        }
        a.gate.check()
        assert rig.metrics.registry.get_sample_value("leader_election_master_status", {"name": "leader"}) == 1


async def test_a_renewal_is_one_request_and_keeps_when_and_how_often_it_changed_hands() -> None:
    async with election() as rig:
        a = rig.start("a")
        await rig.clock.run_until(lambda: a.has_lead, at_most_s=0)
        await rig.clock.run_for(10)

        assert rig.server.puts == 5
        assert rig.server.spec is not None
        assert rig.server.spec["acquireTime"] == "2023-11-14T22:13:20.000000Z"
        assert rig.server.spec["renewTime"] == "2023-11-14T22:13:30.000000Z"
        assert rig.server.spec["leaseTransitions"] == 0


async def test_a_standby_takes_over_only_after_a_whole_lease_without_a_renewal() -> None:
    async with election() as rig:
        a = rig.start("a")
        await rig.clock.run_until(lambda: a.has_lead, at_most_s=0)
        with capture_logs() as logs:
            b = rig.start("b")
            await rig.clock.run_for(30)
        assert not b.has_lead, "the holder renews"
        assert [entry["leader"] for entry in logs if entry["event"] == "standing by"] == ["a"]

        a.scope.cancel()
        died_at = rig.clock.now
        await rig.clock.run_until(lambda: b.has_lead, at_most_s=20)

        assert 13 <= rig.clock.now - died_at <= 20
        assert rig.server.spec is not None
        assert rig.server.spec["leaseTransitions"] == 1
        assert b.gate.epoch == 1


async def test_26_a_hung_renewal_is_given_up_and_tried_again_within_the_deadline() -> None:
    async with election() as rig:
        a = rig.start("a")
        await rig.clock.run_until(lambda: a.has_lead, at_most_s=0)
        rig.server.is_hung = True
        await rig.clock.run_for(5)
        rig.server.is_hung = False

        await rig.clock.run_for(30)

        assert a.lost == ""
        assert rig.server.holder == "a"


async def test_26_a_renewal_that_hangs_after_one_that_failed_is_not_the_last() -> None:
    async with election() as rig:
        a = rig.start("a")
        await rig.clock.run_until(lambda: a.has_lead, at_most_s=0)
        rig.server.is_down = True
        await rig.clock.run_for(3)  # one is refused
        rig.server.is_down, rig.server.is_hung = False, True
        await rig.clock.run_for(4.5)  # the next one hangs
        rig.server.is_hung = False  # new requests are answered again; that one never is

        await rig.clock.run_for(30)

        assert a.lost == ""


async def test_26_renewals_that_all_hang_end_the_leadership_at_the_deadline() -> None:
    async with election() as rig:
        a = rig.start("a")
        await rig.clock.run_until(lambda: a.has_lead, at_most_s=0)
        led_at = rig.clock.now
        rig.server.is_hung = True

        await rig.clock.run_until(lambda: a.lost, at_most_s=20)

        assert rig.clock.now - led_at == pytest.approx(10, abs=0.01)
        with pytest.raises(NotLeading):
            a.gate.check()


async def test_27_a_conflict_is_solved_by_reading_the_lease_first() -> None:
    """A timed-out renewal that arrived after all leaves such a conflict behind."""
    async with election() as rig:
        a = rig.start("a")
        await rig.clock.run_until(lambda: a.has_lead, at_most_s=0)
        assert rig.server.spec is not None
        rig.server.write(rig.server.spec)

        await rig.clock.run_for(20)

        assert a.lost == ""
        assert rig.metrics.registry.get_sample_value("leader_election_slowpath_total", {"name": "leader"}) == 1


async def test_27_a_lease_that_somebody_else_holds_is_lost_at_once() -> None:
    async with election() as rig:
        a = rig.start("a")
        await rig.clock.run_until(lambda: a.has_lead, at_most_s=0)
        assert rig.server.spec is not None
        rig.server.write(rig.server.spec | {"holderIdentity": "b"})

        await rig.clock.run_until(lambda: a.lost, at_most_s=2)

        assert "held by b" in a.lost
        assert not a.gate.is_leading


@pytest.mark.parametrize("shift_s", [3600, -3600])
async def test_28_a_wall_clock_that_is_an_hour_off_changes_nothing(shift_s: float) -> None:
    async with election() as rig:
        a = rig.start("a")
        await rig.clock.run_until(lambda: a.has_lead, at_most_s=0)
        b = rig.start("b")
        await rig.clock.run_for(5)

        rig.clock.shift_wall(shift_s)
        await rig.clock.run_for(60)

        assert a.lost == ""
        assert not b.has_lead


async def test_what_others_wrote_onto_the_lease_stays() -> None:
    theirs = {
        "labels": {"app": "moduledeploy"},
        "annotations": {"note": "ours"},
        "finalizers": ["example.com/hold"],
        "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u", "blockOwnerDeletion": True}],
    }
    async with election() as rig:
        rig.server.metadata = dict(theirs)
        rig.server.write({"holderIdentity": None, "leaseDurationSeconds": 1})
        leader = rig.start("leader")
        await rig.clock.run_until(lambda: leader.has_lead)
        await rig.clock.run_for(5)

        await leader.elector.release()

        assert rig.server.puts > 2
        assert {name: rig.server.metadata.get(name) for name in theirs} == theirs


async def test_a_lease_that_is_deleted_is_made_again_by_its_holder_and_by_nobody_else_before_its_end() -> None:
    async with election() as rig:
        leader = rig.start("leader")
        await rig.clock.run_until(lambda: leader.has_lead)
        standby = rig.start("standby")
        await rig.clock.run_for(3)

        rig.server.spec = None
        await rig.clock.run_for(2.5)

        assert (rig.server.holder, leader.lost, standby.has_lead) == ("leader", "", False)
        assert leader.gate.is_leading


async def test_a_standby_takes_a_deleted_lease_only_when_its_holder_must_have_given_up() -> None:
    async with election() as rig:
        leader = rig.start("leader")
        await rig.clock.run_until(lambda: leader.has_lead)
        standby = rig.start("standby")
        await rig.clock.run_for(3)
        (rig.server.spec or {})["leaseTransitions"] = 4

        leader.scope.cancel()  # it neither renews nor ends
        await rig.clock.run_for(2)
        rig.server.spec = None
        await rig.clock.run_until(lambda: standby.has_lead)

        assert not leader.gate.is_leading
        assert rig.server.spec["leaseTransitions"] == standby.gate.epoch == 5  # type: ignore[index]  # there again


async def test_a_lease_written_by_hand_for_a_day_is_waited_for_only_until_somebody_deletes_it() -> None:
    async with election() as rig:
        rig.server.spec = {"holderIdentity": "nobody we know", "leaseDurationSeconds": 86_400, "leaseTransitions": 1}
        with capture_logs() as logs:
            standby = rig.start("standby")
            await rig.clock.run_for(60)
        assert not standby.has_lead
        assert [entry["lasts_s"] for entry in logs if entry["event"] == "standing by"] == [86_400]

        rig.server.spec = None
        with capture_logs() as logs:
            await rig.clock.run_until(lambda: standby.has_lead, at_most_s=3)

        assert "lease was deleted and is made again" in [entry["event"] for entry in logs]


async def test_30_a_release_lets_a_standby_lead_within_three_seconds() -> None:
    async with election() as rig:
        a = rig.start("a")
        await rig.clock.run_until(lambda: a.has_lead, at_most_s=0)
        b = rig.start("b")
        await rig.clock.run_for(7)

        a.scope.cancel()
        await a.elector.release()
        assert rig.server.holder is None
        assert not a.gate.is_leading
        await rig.clock.run_until(lambda: b.has_lead, at_most_s=3)


async def test_30_a_release_never_takes_the_lease_from_a_successor() -> None:
    async with election() as rig:
        a = rig.start("a")
        await rig.clock.run_until(lambda: a.has_lead, at_most_s=0)
        a.scope.cancel()
        b = rig.start("b")
        await rig.clock.run_until(lambda: b.has_lead)

        written = rig.server.version
        await a.elector.release()

        assert (rig.server.holder, rig.server.version) == ("b", written)
        await rig.clock.run_for(10)
        assert b.lost == ""


async def test_30_a_release_without_a_server_ends_all_the_same() -> None:
    async with election() as rig:
        a = rig.start("a")
        await rig.clock.run_until(lambda: a.has_lead, at_most_s=0)
        a.scope.cancel()
        rig.server.is_down = True

        await a.elector.release()

        assert not a.gate.is_leading


async def test_31_a_server_that_is_down_for_9_seconds_costs_nothing() -> None:
    async with election() as rig:
        a = rig.start("a")
        await rig.clock.run_until(lambda: a.has_lead, at_most_s=0)
        rig.server.is_down = True
        await rig.clock.run_for(9)
        rig.server.is_down = False

        await rig.clock.run_for(30)

        assert a.lost == ""
        assert a.gate.is_leading


async def test_31_a_server_that_is_down_for_11_seconds_costs_the_leadership() -> None:
    async with election() as rig:
        a = rig.start("a")
        await rig.clock.run_until(lambda: a.has_lead, at_most_s=0)
        rig.server.is_down = True
        await rig.clock.run_for(11)

        assert "not renewed for 10 s" in a.lost
        assert not a.gate.is_leading


async def test_a_server_that_is_down_at_the_start_is_waited_for() -> None:
    async with election() as rig:
        rig.server.is_down = True
        a = rig.start("a")
        await rig.clock.run_for(60)
        assert not a.has_lead
        assert a.elector.last_error

        rig.server.is_down = False
        await rig.clock.run_until(lambda: a.has_lead, at_most_s=3)

        assert a.elector.last_error == ""


async def test_the_gate_closes_a_second_before_the_lease_runs_out_whatever_the_elector_does() -> None:
    async with election() as rig:
        a = rig.start("a")
        await rig.clock.run_until(lambda: a.has_lead, at_most_s=0)
        a.scope.cancel()
        await settle()

        rig.clock.advance(13.9)
        a.gate.check()
        rig.clock.advance(0.2)

        with pytest.raises(NotLeading):
            a.gate.check()


async def test_the_lease_counts_from_before_the_renewal_was_sent() -> None:
    async with election() as rig:
        rig.server.is_hung = True
        a = rig.start("a")
        sent_at = rig.clock.now
        await rig.clock.run_for(3)
        rig.server.is_hung = False
        rig.server.hung.set()
        await rig.clock.run_until(lambda: a.has_lead, at_most_s=0)

        # The read took those three seconds; the creation was sent, and counts from, after it.
        assert a.gate.valid_until == sent_at + 3 + 15


async def test_35_two_candidates_never_write_at_the_same_time() -> None:
    """Each with a clock of its own; the first is stopped, as by SIGSTOP, and goes on after its lease ran out."""
    async with election() as rig:
        theirs, ours = ManualClock(), ManualClock()
        a = rig.start("a", theirs)
        await theirs.run_until(lambda: a.has_lead, at_most_s=0)
        b = rig.start("b", ours)
        for _ in range(10):
            await theirs.run_for(2)
            await ours.run_for(2)
            await a.writer.patch(THINGS, key("x"), {})
        assert not b.has_lead

        await ours.run_until(lambda: b.has_lead, at_most_s=20)
        await b.writer.patch(THINGS, key("x"), {})
        theirs.now += 20  # no timer of its own has run meanwhile
        with pytest.raises(NotLeading):
            await a.writer.patch(THINGS, key("x"), {})
        await theirs.run_until(lambda: a.lost, at_most_s=5)

        assert [who for who, _ in rig.server.writes] == ["a"] * 10 + ["b"]


async def test_a_holder_that_stopped_renewing_is_unhealthy_long_after() -> None:
    async with election() as rig:
        a = rig.start("a")
        await rig.clock.run_until(lambda: a.has_lead, at_most_s=0)
        assert a.elector.is_healthy
        a.scope.cancel()
        await settle()

        rig.clock.advance(34)
        assert a.elector.is_healthy
        rig.clock.advance(2)

        assert not a.elector.is_healthy


@pytest.mark.parametrize(("lease_s", "renew_s", "retry_s"), [(10, 10, 2), (15, 2, 2), (15, 10, 0)])
def test_rules_that_would_let_two_lead_are_refused(lease_s: float, renew_s: float, retry_s: float) -> None:
    with pytest.raises(ValueError, match="renew deadline"):
        LeaseRules(lease_s=lease_s, renew_s=renew_s, retry_s=retry_s)
