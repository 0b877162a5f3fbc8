"""What a candidate that waits for its turn says of itself."""

from __future__ import annotations

from tests.kube.election import election


async def test_a_standby_has_no_more_to_complain_of_once_it_reads_the_lease_again() -> None:
    async with election() as rig:
        leader = rig.start("leader")
        await rig.clock.run_until(lambda: leader.has_lead, at_most_s=0)
        standby = rig.start("standby")
        rig.server.is_down = True
        await rig.clock.run_until(lambda: standby.elector.last_error, at_most_s=5)

        rig.server.is_down = False
        await rig.clock.run_until(lambda: not standby.elector.last_error, at_most_s=5)

        assert not standby.has_lead
        assert leader.gate.is_leading
