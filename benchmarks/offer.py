"""Runs one benchmark and prints its rows as lines of JSON: `python -m benchmarks.offer NAME full|quick`."""

from __future__ import annotations

import importlib
import sys

import msgspec

from benchmarks.rows import Row


def main(name: str, size: str) -> None:
    """One line a row, as soon as it is measured; what anything else prints, logs above all, goes to stderr."""
    out, sys.stdout = sys.stdout.buffer, sys.stderr
    for row in importlib.import_module(f"benchmarks.{name}").rows(size):
        assert isinstance(row, Row)
        out.write(msgspec.json.encode(row) + b"\n")
        out.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
