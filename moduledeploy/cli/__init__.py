"""The command line: one module a command, imported only when it is called."""

from __future__ import annotations


def main() -> int:
    """Run the command that the arguments name and return its exit status."""
    raise SystemExit("moduledeploy: no command is built yet")
