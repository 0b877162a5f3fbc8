"""Structured logs: one JSON object per line on standard error, configured once per process."""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING, Final, Literal, TextIO

import msgspec
import structlog

from moduledeploy.runtime.text import one_line, visible

if TYPE_CHECKING:
    from collections.abc import Mapping

LogFormat = Literal["json", "text"]
Level = Literal["debug", "info", "warning", "error"]

_LEVELS: Final[Mapping[str, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
# The cluster library logs whole bodies at DEBUG, Secrets and tokens included; aiohttp and asyncio are noise there.
_FOREIGN_LOGGERS: Final = ("kubernetes_asyncio", "aiohttp", "asyncio")
# What bases and admission webhooks answer ends up in logs; container runtimes cut lines at 16 KiB.
_LONGEST_VALUE_BYTES: Final = 4096
_LONGEST_TRACEBACK: Final = 10_000
# Of an address the password, and the query, in which signed urls of jars have their signature.
_SECRET: Final = re.compile(r"(?<=://)[^/\s@]+(?=@)|(?<=\S\?)\S+")


def configure_logging(*, level: Level = "info", output: LogFormat = "json", stream: TextIO | None = None) -> None:
    """Send every log of this process to `stream` (standard error) at `level` and above; call it once, at the start."""
    target = stream if stream is not None else sys.stderr
    renderer: list[structlog.typing.Processor] = [structlog.processors.format_exc_info, _tame]
    if output == "json":
        renderer.append(structlog.processors.JSONRenderer(serializer=_to_json))
    else:
        plain = structlog.dev.plain_traceback
        renderer.append(structlog.dev.ConsoleRenderer(colors=target.isatty(), exception_formatter=plain))
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
    ]
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(file=target),
        cache_logger_on_first_use=False,
    )
    _route_foreign_logs(shared, renderer, target, _LEVELS[level])


def _route_foreign_logs(
    shared: list[structlog.typing.Processor], renderer: list[structlog.typing.Processor], target: TextIO, level: int
) -> None:
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _FOREIGN_LOGGERS:
        logging.getLogger(name).setLevel(max(level, logging.INFO))


def _tame(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Let no value move a terminal's cursor, begin a line that looks like another log, fill a disk, or tell a secret."""
    for key, value in event.items():
        if type(value) is str:
            is_long = key == "exception"
            told = visible(value[-_LONGEST_TRACEBACK:]) if is_long else one_line(value, _LONGEST_VALUE_BYTES)
            event[key] = _SECRET.sub("…", told) if "://" in told else told
    return event


def _to_json(event: object, **_: object) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()
