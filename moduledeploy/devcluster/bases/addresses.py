"""Addresses for pods, all on this machine's loopback."""

from __future__ import annotations

import ipaddress
import resource
from collections import deque
from typing import TYPE_CHECKING, Final

from moduledeploy.kube.errors import KubeError

if TYPE_CHECKING:
    from collections.abc import Iterator

NETWORK: Final = ipaddress.IPv4Network("127.1.0.0/16")
_LOOPBACK: Final = ipaddress.IPv4Network("127.0.0.0/8")


def allow_many_sockets() -> None:
    """Let this process listen on as many addresses as the system permits: the usual limit is 1024 open files."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class AddressesExhausted(KubeError):
    """Raised when every address of the network is in use."""


def is_loopback(address: str) -> bool:
    """Whether an address lies in 127.0.0.0/8."""
    try:
        return ipaddress.IPv4Address(address) in _LOOPBACK
    except ValueError:
        return False


class AddressPool:
    """Gives every pod an address of its own.

    A freed address is the last to be given again, or with `reuse` the first: then a new pod has the address of the one
    that has just gone, as happens on real nodes.
    """

    def __init__(self, *, network: ipaddress.IPv4Network = NETWORK, reuse: bool = False) -> None:
        self._reuse: Final = reuse
        self._fresh: Final[Iterator[ipaddress.IPv4Address]] = network.hosts()
        self._freed: Final[deque[str]] = deque()
        self._used: Final[set[str]] = set()

    def take(self) -> str:
        """An address that nobody has; raises `AddressesExhausted`."""
        if self._reuse and self._freed:
            return self._use(self._freed.pop())
        for address in self._fresh:
            if str(address) not in self._used:
                return self._use(str(address))
        if not self._freed:
            raise AddressesExhausted(f"{len(self._used)} pods have an address, no more are left")
        return self._use(self._freed.popleft())

    def claim(self, address: str) -> bool:
        """Take this very address; False where it is in use or no loopback address."""
        if address in self._used or not is_loopback(address):
            return False
        if address in self._freed:
            self._freed.remove(address)
        self._use(address)
        return True

    def free(self, address: str) -> None:
        """Give an address back."""
        self._used.discard(address)
        self._freed.append(address)

    def _use(self, address: str) -> str:
        self._used.add(address)
        return address
