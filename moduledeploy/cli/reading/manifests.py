"""Objects from YAML and JSON files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from moduledeploy.cli.access.exits import CliError, Exit

if TYPE_CHECKING:
    from collections.abc import Iterator


def read_objects(path: str) -> list[dict[str, Any]]:
    """Every object of a YAML or JSON file, `-` being standard input; lists are unfolded. Raises CliError."""
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"{path}: {error}", Exit.USAGE) from error
    try:
        documents = list(
            yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        )  # both are safe loaders
    except yaml.YAMLError as error:
        raise CliError(f"{path}: {error}", Exit.USAGE) from error
    return [found for document in documents for found in _unfold(document, path)]


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
