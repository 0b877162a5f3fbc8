"""The arithmetic of rolling updates: from any state it ends, and never leaves its limits."""

from __future__ import annotations

import attrs
from hypothesis import given
from hypothesis import strategies as st

from moduledeploy.devcluster.controllers.rolling import Limits, Share, roll, scale

SIZES = st.integers(0, 30)


@st.composite
def limits(draw: st.DrawFn) -> Limits:
    desired = draw(st.integers(1, 30))
    surge = draw(st.integers(0, 10))
    unavailable = draw(st.integers(0 if surge else 1, desired))
    return Limits(desired=desired, surge=surge, unavailable=unavailable)


def settled(share: Share, replicas: int) -> Share:
    return attrs.evolve(share, replicas=replicas, available=min(share.available, replicas))


@given(limits(), st.data())
def test_a_rolling_update_ends_and_stays_within_its_limits(within: Limits, data: st.DataObject) -> None:
    shares = [Share(name="new", replicas=0, available=0, created="9")]
    left = within.desired
    for number in range(data.draw(st.integers(1, 3))):
        replicas = left if number == 2 else data.draw(st.integers(0, left))
        left -= replicas
        shares.append(Share(name=f"old{number}", replicas=replicas, available=replicas, created=str(number)))
    start = sum(share.available for share in shares)

    for _ in range(400):
        new, old = shares[0], shares[1:]
        sizes = roll(new, old, within)
        shares = [settled(share, sizes.get(share.name, share.replicas)) for share in shares]
        assert sum(share.replicas for share in shares) <= within.maximum
        assert sum(share.available for share in shares) >= min(start, within.minimum)
        if not sizes:
            if new.available == new.replicas:
                break
            shares[0] = attrs.evolve(new, available=new.available + 1)

    assert shares[0].replicas == within.desired
    assert not any(share.replicas for share in shares[1:])


@given(limits(), st.lists(st.tuples(SIZES, SIZES), min_size=1, max_size=4))
def test_scaling_shares_out_exactly_what_may_be_there(within: Limits, sizes: list[tuple[int, int]]) -> None:
    shares = [
        Share(
            name=str(n),
            replicas=size,
            available=min(size, available),
            created=str(n),
            annotated_maximum=sum(s for s, _ in sizes),
        )
        for n, (size, available) in enumerate(sizes)
    ]

    result = scale(shares[0], shares[1:], within)

    after = [result.get(share.name, share.replicas) for share in shares]
    assert all(size >= 0 for size in after)
    active = [share for share in shares if share.replicas]
    saturated = shares[0].replicas == shares[0].available == within.desired
    if len(active) <= 1:
        assert sum(after) == within.desired
    elif not saturated:
        assert sum(after) == within.maximum


def test_replicas_that_do_not_serve_go_before_those_that_do() -> None:
    broken = Share(name="broken", replicas=4, available=0, created="2")
    serving = Share(name="serving", replicas=4, available=4, created="1")
    new = Share(name="new", replicas=2, available=0, created="3")

    assert roll(new, [broken, serving], Limits(desired=8, surge=2, unavailable=2)) == {"broken": 2}
