"""The command line: one module a command, imported only when it is called."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from typing import Final

from moduledeploy import __version__

COMMANDS: Final = {
    "get": "one rollout as a tree; -w keeps it live",
    "list": "all rollouts of a namespace; -w keeps them live",
    "status": "where a rollout stands, for people and by exit status for pipelines",
    "history": "revisions: outcome, duration, who confirmed which batch",
    "plan": "what a rollout will do, before it does it",
    "simulate": "what if bases went, or replicas or the cap changed",
    "capacity": "slots used and free, and whether the rollouts can finish",
    "why": "why something waits, and what each base says to it",
    "lint": "check manifests without a cluster",
    "confirm": "confirm a batch, so that the next one begins",
    "pause": "hold a rollout",
    "resume": "end a pause",
    "retry": "try a failed rollout again",
    "restart": "deploy the same version again",
    "undo": "go back to an earlier revision",
    "scale": "change the number of replicas",
    "set": "deploy another version",
    "run": "run the controller",
    "demo": "show the main job live, on an embedded cluster",
    "completion": "print the completion script of a shell",
    "devcluster": "embedded API server with simulated bases, for development and tests",
    "devbases": "play kubelet and Arklet for base pods on any API server",
    "devarklet": "one simulated Arklet",
}
COMPLETE: Final = "__complete"  # what the completion scripts call with the words typed so far


def main(arguments: list[str] | None = None) -> int:
    """Run the command that the arguments name and return its exit status: 0 well, 1 failed, 2 not understood."""
    given = sys.argv[1:] if arguments is None else arguments
    command = given[0] if given else ""
    if command == COMPLETE:
        return int(importlib.import_module("moduledeploy.cli.candidates").print_candidates(given[1:]))
    if command not in COMMANDS:
        return _overview(given, __version__)
    module = importlib.import_module(f"moduledeploy.cli.{command}")
    parser = argparse.ArgumentParser(
        prog=f"{_called()} {command}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    try:
        return int(module.main(parser.parse_args(given[1:])))
    except KeyboardInterrupt:
        return 130


def _called() -> str:
    """How this program was called: by itself, or as kubectl's plugin."""
    return "kubectl moduledeploy" if Path(sys.argv[0]).name.startswith("kubectl-") else "moduledeploy"


def _overview(given: list[str], version: str) -> int:
    parser = argparse.ArgumentParser(
        prog=_called(),
        description="Deploys Koupleless modules to many bases in safe batches.",
        epilog="commands:\n" + "\n".join(f"  {name:<12} {text}" for name, text in COMMANDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"moduledeploy {version}")
    parser.add_argument("command", nargs="?", choices=COMMANDS, metavar="COMMAND", help="`COMMAND --help` tells more")
    parser.parse_args(given)
    parser.print_help()
    return 2
