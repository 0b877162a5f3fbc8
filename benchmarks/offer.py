"""Runs one benchmark and prints its rows as lines of JSON: `python -m benchmarks.offer NAME full|quick`."""

from __future__ import annotations

import importlib
import sys

import msgspec

from benchmarks.rows import Row


def main(name: str, size: str) -> None:
    """One line a row, as soon as it is measured."""
    for row in importlib.import_module(f"benchmarks.{name}").rows(size):
        assert isinstance(row, Row)
        sys.stdout.buffer.write(msgspec.json.encode(row) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
