"""Words as kubectl's users type them, put as click reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from moduledeploy.cli.access.flags import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FLAG_VALUES: Final = {"true": True, "false": False}
_DRY_RUNS: Final = {**_FLAG_VALUES, "server": True, "client": True, "none": False}


def as_click_reads(command: click.Command, words: Sequence[str]) -> list[str]:
    """The same words with `-n=x` as `-n x`, `--watch=false` as nothing, and TYPE NAME as TYPE/NAME.

    What it doesn't know stays as it is, for click to refuse.
    """
    return list(_rewritten(command, list(words)))


def _rewritten(command: click.Command, words: list[str]) -> Iterator[str]:
    options = {name: param for param in command.params if isinstance(param, click.Option) for name in param.opts}
    has_name = any(isinstance(param, click.Argument) and param.name == "name" for param in command.params)
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        option = options.get(name)
        if word == "--":
            yield from (word, *words)
            return
        if option is not None and equals and option.is_flag:
            wanted = (_DRY_RUNS if name == "--dry-run" else _FLAG_VALUES).get(value)
            yield from () if wanted is False else (name if wanted else word,)
        elif option is not None and equals and not name.startswith("--"):
            yield from (name, value)
        elif option is not None and not equals and not option.is_flag:
            yield from (word, *words[:1])
            del words[:1]
        elif has_name and not word.startswith("-"):
            has_name = False
            is_kind = word.lower().partition(".")[0] in KINDS and words and not words[0].startswith("-")
            yield f"{word}/{words.pop(0)}" if is_kind and "=" not in words[0] else word
        else:
            yield word
