"""Objects from YAML and JSON files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import yaml

from moduledeploy.cli.access.exits import CliError, Exit
from moduledeploy.runtime.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_DEEPEST: Final = 200  # building what is nested a million times deep ends the process, not the call


class Limits(NamedTuple):
    """How much is read: characters of text, and values when every alias is written out, which a few lines make billions."""

    characters: int
    values: int


MANIFESTS: Final = Limits(3 * 2**20, 200_000)  # an API server reads no larger request
SNAPSHOT: Final = Limits(2**28, 20_000_000)  # tens of thousands of pods, each some KiB


def read_objects(path: str, limits: Limits = MANIFESTS) -> list[dict[str, Any]]:
    """Every object of a YAML or JSON file, `-` being standard input; lists are unfolded. Raises CliError."""
    called = "standard input" if path == "-" else path
    try:
        text = _beginning(path, limits.characters + 1)
    except OSError as error:
        raise CliError(f"{called}: {error.strerror}", Exit.USAGE) from error
    except UnicodeDecodeError as error:
        raise CliError(f"{called}: {error}", Exit.USAGE) from error
    if len(text) > limits.characters:
        raise CliError(f"{called}: larger than {limits.characters // 2**20} MiB", Exit.USAGE)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # both are safe loaders
    try:
        if _depth(yaml.parse(text, Loader=loader)) > _DEEPEST:
            raise CliError(f"{called}: nested more than {_DEEPEST} times", Exit.USAGE)
        documents = list(yaml.load_all(text, Loader=loader))
        if _values_in(documents, {}) > limits.values:
            raise CliError(f"{called}: its aliases stand for more than {limits.values} values", Exit.USAGE)
    except yaml.YAMLError as error:
        raise CliError(f"{called}: {one_line(error)}", Exit.USAGE) from error
    except RecursionError as error:
        raise CliError(f"{called}: an alias stands for what it is in", Exit.USAGE) from error
    return [found for document in documents for found in _unfold(document, called)]


def _beginning(path: str, characters: int) -> str:
    if path == "-":
        return sys.stdin.read(characters)
    with Path(path).open(encoding="utf-8") as file:
        return file.read(characters)


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
    document["metadata"] = document.get("metadata") or {}
    if not isinstance(document["metadata"], dict):
        raise CliError(f"{path}: not a Kubernetes object: its metadata is no object", Exit.USAGE)
    if document["kind"].endswith("List") and isinstance(document.get("items"), list):
        for item in document["items"]:
            yield from _unfold(item, path)
    else:
        yield document
