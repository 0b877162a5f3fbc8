"""Which urls bases are told to fetch: those whose scheme the installation allows (flag --url-schemes)."""

from __future__ import annotations


def refusal_of(url: str, allowed: frozenset[str]) -> str | None:
    """Why no base is told to fetch this url; None where it may.

    The scheme is all before the first colon, nothing stripped: a url that one reader mends and another doesn't is refused.
    """
    scheme, colon, _ = url.partition(":")
    if colon and scheme.lower() in allowed:
        return None
    return f"the module's url: scheme {scheme!r} is not allowed, only {', '.join(sorted(allowed))} (flag --url-schemes)"
