"""The proxy that the environment names for an API server, as kubectl takes it."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass


def proxy_for(host: str) -> str | None:
    """The URL of HTTPS_PROXY or HTTP_PROXY; None for loopback and for whatever NO_PROXY has, networks included."""
    url, proxies = urlsplit(host), getproxies_environment()
    name = url.hostname or ""
    address = _address(name)
    if name == "localhost" or (address is not None and address.is_loopback):
        return None
    no_proxy = [entry.strip() for entry in proxies.get("no", "").split(",")]
    if address is not None and any(address in network for entry in no_proxy if (network := _network(entry))):
        return None
    return None if proxy_bypass(url.netloc) else proxies.get(url.scheme)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False) if "/" in text else None
    except ValueError:
        return None
