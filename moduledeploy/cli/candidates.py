"""What the word under the cursor may become: commands, flags, their values, and names that are in the cluster now."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final

import anyio

from moduledeploy.cli import COMMANDS
from moduledeploy.cli.access.exits import CliError

PATIENCE_S: Final = 2.0  # whoever pressed Tab waits no longer for a name
_FILES: Final = frozenset({"FILE"})
# Which kinds' names a flag or positional takes, by command where that matters.
_DEPLOYMENTS: Final = ("deployments",)
_LIVE: Final[dict[str, tuple[str, ...]]] = {
    "name": _DEPLOYMENTS,
    "why name": ("deployments", "pods", "modules"),
    "lose_base": ("pods",),
    "revision": ("replica_sets",),
    "to_revision": ("replica_sets",),
    "namespace": ("namespaces",),
}


def print_candidates(words: Sequence[str]) -> int:
    """One candidate a line, with a description after a tab; nothing where none is known."""
    for candidate in candidates(words):
        print(candidate)
    return 0


def complete_for_kubectl() -> int:
    """What kubectl calls for its plugin: the candidates, then that the shell needn't offer files."""
    for candidate in candidates(sys.argv[1:]):
        print(candidate)
    print(":4")
    return 0


def candidates(words: Sequence[str]) -> Iterator[str]:
    """Candidates for the last of these words, those before it being complete."""
    *before, word = words or [""]
    if not before:
        yield from (f"{name}\t{text}" for name, text in COMMANDS.items() if name.startswith(word))
        return
    command = before[0]
    if command not in COMMANDS:
        return
    parser = _parser(command)
    action = _expects_value(parser, before[1:])
    if action is None and word.startswith("-"):
        yield from _flags(parser, word)
        return
    action = action or _positional(parser, before[1:])
    if action is None or action.metavar in _FILES:
        return
    found: Iterable[str] = (
        [str(choice) for choice in action.choices] if action.choices else _names(command, action, before)
    )
    yield from (name for name in found if name.startswith(word))


def _parser(command: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=command)
    importlib.import_module(f"moduledeploy.cli.{command}").add_arguments(parser)
    return parser


def _flags(parser: argparse.ArgumentParser, word: str) -> Iterator[str]:
    for action in parser._actions:  # argparse has no other way to tell its flags
        help_text = (action.help or "").replace("%(default)s", str(action.default))
        yield from (
            f"{flag}\t{help_text}" for flag in action.option_strings if flag.startswith("--") and flag.startswith(word)
        )


def _expects_value(parser: argparse.ArgumentParser, before: Sequence[str]) -> argparse.Action | None:
    """The flag whose value comes now."""
    if not before:
        return None
    action = parser._option_string_actions.get(before[-1])
    return action if action is not None and action.nargs != 0 else None


def _positional(parser: argparse.ArgumentParser, before: Sequence[str]) -> argparse.Action | None:
    """The positional argument that comes now."""
    given, skip = 0, False
    for word in before:
        action = parser._option_string_actions.get(word)
        if not skip and action is None and not word.startswith("-"):
            given += 1
        skip = action is not None and action.nargs != 0
    places = [action for action in parser._actions if not action.option_strings]
    if given < len(places):
        return places[given]
    return places[-1] if places and places[-1].nargs == "+" else None


def _names(command: str, action: argparse.Action, before: Sequence[str]) -> list[str]:
    """Live names, of the cluster and namespace that the words so far choose."""
    kinds = _LIVE.get(f"{command} {action.dest}") or _LIVE.get(action.dest)
    if kinds is None or (action.dest == "name" and action.metavar != "NAME"):
        return []
    options = argparse.Namespace(
        kubeconfig=_value(before, "--kubeconfig"),
        context=_value(before, "--context"),
        namespace=_value(before, "--namespace", "-n"),
    )
    return _quietly(lambda: anyio.run(_live_names, kinds, options))


def _value(before: Sequence[str], *flags: str) -> str | None:
    for flag, value in pairwise(before):
        if flag in flags:
            return value
    return None


async def _live_names(kinds: Sequence[str], options: argparse.Namespace) -> list[str]:
    import msgspec  # noqa: PLC0415  # completing commands and flags must not wait for it

    from moduledeploy.cli.access.connection import connect  # noqa: PLC0415  # as above
    from moduledeploy.controllers import resources  # noqa: PLC0415  # as above
    from moduledeploy.kube.resources import Resource  # noqa: PLC0415  # as above

    known = {
        "deployments": resources.MODULE_DEPLOYMENTS,
        "replica_sets": resources.MODULE_REPLICA_SETS,
        "modules": resources.MODULES,
        "pods": resources.PODS,
        "namespaces": Resource("", "v1", "namespaces", "Namespace", namespaced=False),
    }
    found: list[str] = []
    with anyio.move_on_after(PATIENCE_S):
        async with connect(options) as connection:
            for kind in kinds:
                resource = known[kind]
                async for page in connection.lists(resource, connection.namespace if resource.namespaced else None):
                    items = msgspec.json.decode(page)["items"] or []
                    found.extend(str(item["metadata"]["name"]) for item in items)
    return sorted(found)


def _quietly(ask: Callable[[], list[str]]) -> list[str]:
    """No names where the cluster can't be asked: a shell shows no errors while somebody types."""
    from moduledeploy.kube.errors import KubeError  # noqa: PLC0415  # only where a cluster is asked
    from moduledeploy.runtime.log import configure_logging  # noqa: PLC0415  # as above

    configure_logging(level="error")
    try:
        return ask()
    except (CliError, KubeError, OSError):
        return []
