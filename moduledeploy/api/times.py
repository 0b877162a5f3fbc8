"""Instants: seconds since the epoch in the program, RFC 3339 with microseconds on the wire."""

from __future__ import annotations

from datetime import UTC, datetime


def encode_time(at: float) -> str:
    """The instant as text; microseconds are kept, so that what was written compares equal to what is read back."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def decode_time(text: str) -> float:
    """The instant in seconds since the epoch. Raises ValueError where the text is no RFC 3339 time."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment.timestamp()


def at(moment: datetime | None) -> float | None:
    """Seconds since the epoch of a decoded time."""
    return None if moment is None else moment.timestamp()
