"""Each base's list is read again once an interval, and never too many in a second."""

from __future__ import annotations

from collections import Counter

from moduledeploy.controllers.audit import CALLS_PER_S, AuditSchedule
from moduledeploy.controllers.facts import BaseKey
from tests.clock import ManualClock
from tests.controllers.world import World

INTERVAL_S = 600.0


def keys(count: int) -> list[BaseKey]:
    return [BaseKey("default", f"base-{number}", f"uid-{number}") for number in range(count)]


def audited(
    schedule: AuditSchedule, clock: ManualClock, bases: list[BaseKey], seconds: float
) -> list[tuple[float, BaseKey]]:
    """Who is audited when, where each base is looked at at the moment it was told."""
    found, end = [], clock.monotonic() + seconds
    while (due := min(bases, key=schedule.next_at)) and (at := schedule.next_at(due)) < end:
        clock.advance(max(0.0, at - clock.monotonic()))
        if schedule.is_due(due):
            found.append((clock.monotonic(), due))
    return found


def test_bases_whose_lists_a_start_read_at_once_are_audited_within_an_interval_and_spread_over_it() -> None:
    clock, bases = ManualClock(), keys(300)
    schedule = AuditSchedule(interval_s=INTERVAL_S, clock=clock)
    for base in bases:
        schedule.done(base)
    began_at = clock.monotonic()

    found = audited(schedule, clock, bases, INTERVAL_S + 2)

    assert {base for _, base in found} == set(bases)
    assert len(found) == len(bases)
    tenths = Counter(int(10 * (at - began_at) / INTERVAL_S) for at, _ in found)
    assert all(15 <= tenths[number] <= 60 for number in range(3, 10))


def test_a_base_whose_list_was_read_again_is_audited_an_interval_later() -> None:
    clock, (base,) = ManualClock(), keys(1)
    schedule = AuditSchedule(interval_s=INTERVAL_S, clock=clock)
    schedule.done(base)
    clock.advance(1)

    schedule.done(base)

    assert schedule.next_at(base) == clock.monotonic() + INTERVAL_S


def test_no_more_are_audited_in_a_second_than_the_limit() -> None:
    clock, bases = ManualClock(), keys(50)
    schedule = AuditSchedule(interval_s=INTERVAL_S, clock=clock)
    for base in bases:
        schedule.done(base)

    moments = [at for at, _ in audited(schedule, clock, bases, INTERVAL_S + 10)]

    assert max(sum(at <= other < at + 1 for other in moments) for at in moments) <= CALLS_PER_S + 1


def test_a_process_wakes_once_a_second_for_all_audits_of_that_second() -> None:
    clock, bases = ManualClock(), keys(50)
    schedule = AuditSchedule(interval_s=INTERVAL_S, clock=clock)

    moments = [at for at, _ in audited(schedule, clock, bases, 2 * INTERVAL_S)]

    assert len(moments) > len(bases)
    assert all(at == int(at) for at in moments)


async def test_modules_that_somebody_uninstalled_on_all_bases_at_once_come_back() -> None:
    world = World()
    world.add_bases(3)
    world.start()
    world.deploy("1", replicas=3)
    await world.rest()
    before = world.arklet.serving()
    for address in before:
        world.arklet.running[address].clear()

    await world.run_for(INTERVAL_S + 10)

    assert len(before) == 3
    assert world.arklet.serving() == before
