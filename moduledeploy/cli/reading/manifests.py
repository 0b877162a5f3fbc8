"""Objects from YAML and JSON files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from moduledeploy.cli.access.exits import CliError, Exit
from moduledeploy.runtime.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MOST_CHARACTERS: Final = 3 * 2**20  # an API server reads no larger request
_DEEPEST: Final = 200  # building what is nested a million times deep ends the process, not the call
_MOST_VALUES: Final = 200_000  # a few lines of YAML aliases stand for billions


def read_objects(path: str) -> list[dict[str, Any]]:
    """Every object of a YAML or JSON file, `-` being standard input; lists are unfolded. Raises CliError."""
    try:
        text = _beginning(path)
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"{path}: {error}", Exit.USAGE) from error
    if len(text) > _MOST_CHARACTERS:
        raise CliError(f"{path}: larger than {_MOST_CHARACTERS // 2**20} MiB, which no API server takes", Exit.USAGE)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # both are safe loaders
    try:
        if _depth(yaml.parse(text, Loader=loader)) > _DEEPEST:
            raise CliError(f"{path}: nested more than {_DEEPEST} times", Exit.USAGE)
        documents = list(yaml.load_all(text, Loader=loader))
        if _values_in(documents, {}) > _MOST_VALUES:
            raise CliError(f"{path}: its aliases stand for more than {_MOST_VALUES} values", Exit.USAGE)
    except yaml.YAMLError as error:
        raise CliError(f"{path}: {one_line(error)}", Exit.USAGE) from error
    except RecursionError as error:
        raise CliError(f"{path}: an alias stands for what it is in", Exit.USAGE) from error
    return [found for document in documents for found in _unfold(document, path)]


def _beginning(path: str) -> str:
    if path == "-":
        return sys.stdin.read(_MOST_CHARACTERS + 1)
    with Path(path).open(encoding="utf-8") as file:
        return file.read(_MOST_CHARACTERS + 1)


def _depth(events: Iterable[yaml.Event]) -> int:
    """How deep the deepest value is; stops where that is too deep."""
    depth = deepest = 0
    for event in events:
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            deepest = max(deepest, depth)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if deepest > _DEEPEST:
            break
    return deepest


def _values_in(value: object, known: dict[int, int]) -> int:
    """How many values it is when every alias is written out. Raises RecursionError for one that holds itself."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in known:
        inner = value if isinstance(value, list) else [*value, *value.values()]
        known[id(value)] = 1 + sum(_values_in(item, known) for item in inner)
    return known[id(value)]


def _unfold(document: object, path: str) -> Iterator[dict[str, Any]]:
    if document is None:
        return
    if not isinstance(document, dict) or not isinstance(document.get("kind"), str):
        raise CliError(f"{path}: not a Kubernetes object: it has no kind", Exit.USAGE)
    if document["kind"].endswith("List") and isinstance(document.get("items"), list):
        for item in document["items"]:
            yield from _unfold(item, path)
    else:
        yield document
