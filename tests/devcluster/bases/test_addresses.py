"""Addresses are given to one pod at a time."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moduledeploy.devcluster.bases.addresses import AddressesExhausted, AddressPool, is_loopback

NETWORK = ipaddress.IPv4Network("127.5.0.0/29")


@given(st.booleans(), st.lists(st.integers(0, 9)))
def test_no_address_is_given_twice(reuse: bool, steps: list[int]) -> None:
    pool, held = AddressPool(network=NETWORK, reuse=reuse), list[str]()
    for step in steps:
        if step < 6 and len(held) < 6:
            address = pool.take()
            assert address not in held
            assert is_loopback(address)
            held.append(address)
        elif held:
            pool.free(held.pop(step % len(held)))


def test_a_freed_address_is_given_last_or_first() -> None:
    for reuse, wanted in ((False, "127.5.0.3"), (True, "127.5.0.1")):
        pool = AddressPool(network=NETWORK, reuse=reuse)
        first, _ = pool.take(), pool.take()
        pool.free(first)
        assert pool.take() == wanted


def test_an_address_can_be_claimed_once_and_only_on_loopback() -> None:
    pool = AddressPool(network=NETWORK)

    assert pool.claim("127.5.0.1")
    assert not pool.claim("127.5.0.1")
    assert not pool.claim("10.0.0.1")
    assert pool.take() == "127.5.0.2"


def test_no_address_left_is_said() -> None:
    pool = AddressPool(network=NETWORK)
    for _ in range(6):
        pool.take()

    with pytest.raises(AddressesExhausted, match="6 pods have an address"):
        pool.take()
