"""Order of resourceVersions: digit strings that only the server makes and everybody may compare, within one kind.

Kubernetes guarantees the order for its own kinds and custom resources since 1.35 (KEP-5504). Aggregated APIs may use
anything, so what doesn't parse is told apart by `is_comparable` and never guessed at.
"""

from __future__ import annotations


def is_comparable(version: str) -> bool:
    """Tell whether it is a positive decimal number without leading zeros."""
    return version.isascii() and version.isdigit() and not version.startswith("0")


def is_at_least(version: str, other: str) -> bool:
    """Tell whether `version` is as new as `other` or newer; both must be comparable."""
    return (len(version), version) >= (len(other), other)
