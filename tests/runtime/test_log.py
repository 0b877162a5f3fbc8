from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING

import pytest
import structlog

from moduledeploy.runtime.log import LogFormat, configure_logging

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def unconfigured() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    names = ("kubernetes_asyncio", "aiohttp", "asyncio")
    levels = {name: logging.getLogger(name).level for name in names}
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers, root.level = handlers, level
    for name, old in levels.items():
        logging.getLogger(name).setLevel(old)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_log_is_one_json_object_per_line_with_its_context() -> None:
    stream = io.StringIO()
    configure_logging(stream=stream)
    structlog.contextvars.bind_contextvars(controller="base")

    structlog.get_logger().info("module installed", key="default/a", took_s=1.5, odd={1, 2}.__class__)

    (entry,) = lines(stream)
    assert entry["event"] == "module installed"
    assert entry["level"] == "info"
    assert entry["controller"] == "base"
    assert entry["took_s"] == 1.5
    assert str(entry["ts"]).endswith("Z")


def test_below_its_level_nothing_is_written() -> None:
    stream = io.StringIO()
    configure_logging(level="warning", stream=stream)

    structlog.get_logger().info("no")
    logging.getLogger("some.library").info("no")
    structlog.get_logger().warning("yes")

    assert [entry["event"] for entry in lines(stream)] == ["yes"]


def test_an_exception_is_told_with_its_traceback() -> None:
    stream = io.StringIO()
    configure_logging(stream=stream)

    try:
        int("deep trouble")
    except ValueError:
        structlog.get_logger().exception("failed")

    (entry,) = lines(stream)
    assert "deep trouble" in str(entry["exception"])
    assert "test_log.py" in str(entry["exception"])


def test_libraries_log_in_the_same_form_and_never_their_bodies() -> None:
    stream = io.StringIO()
    configure_logging(level="debug", stream=stream)

    logging.getLogger("kubernetes_asyncio.client.rest").debug("response body: secret")
    logging.getLogger("some.library").warning("careful: %s", "hot")

    assert [entry["event"] for entry in lines(stream)] == ["careful: hot"]


def test_for_people_a_line_of_text_is_enough() -> None:
    stream = io.StringIO()
    configure_logging(output="text", stream=stream)

    structlog.get_logger().info("hello", n=1)

    assert "hello" in stream.getvalue()
    assert "n=1" in stream.getvalue()


FORMATS = pytest.mark.parametrize("output", ["json", "text"])


@FORMATS
def test_what_others_say_can_neither_begin_a_line_nor_move_the_cursor(output: LogFormat) -> None:
    stream = io.StringIO()
    configure_logging(output=output, stream=stream)

    structlog.get_logger().warning("failed", error='no\r\n{"event":"all is well"}\x1b[2J\u202egnp.exe\x9b\u2028')
    logging.getLogger("some.library").warning("failed: %s", "no\nall is well\x1b[2J")

    text = stream.getvalue()
    assert len(text.splitlines()) == 2
    assert all(char.isprintable() for line in text.split("\n") for char in line)
    assert "gnp.exe" in text


@FORMATS
def test_a_traceback_keeps_its_lines_and_nothing_else_that_moves_the_cursor(output: LogFormat) -> None:
    stream = io.StringIO()
    configure_logging(output=output, stream=stream)

    structlog.get_logger().error("failed", exc_info=ValueError("deep \x1b[2J trouble"))

    assert "trouble" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()
    assert "\\u001b" not in stream.getvalue()


def test_a_value_is_cut_where_nobody_reads_on() -> None:
    stream = io.StringIO()
    configure_logging(stream=stream)

    structlog.get_logger().warning("failed", error="x" * 5_000)

    (entry,) = lines(stream)
    assert entry["error"] == "x" * 4_093 + "…"


def test_a_password_in_an_address_is_not_told() -> None:
    stream = io.StringIO()
    configure_logging(stream=stream)

    structlog.get_logger().warning("failed", error="can't reach https://me:secret@proxy.example.com:3128/x and a@b")

    (entry,) = lines(stream)
    assert entry["error"] == "can't reach https://…@proxy.example.com:3128/x and a@b"


def test_what_an_address_asks_for_is_not_told_since_signed_urls_have_their_signature_there() -> None:
    stream = io.StringIO()
    configure_logging(stream=stream)

    structlog.get_logger().warning(
        "module", message="can't get https://jars.example.com/a.jar?Signature=s3cret&a=b: 403"
    )
    try:
        int("https://jars.example.com/a.jar?Signature=s3cret")
    except ValueError:
        structlog.get_logger().exception("unexpected")

    told, unexpected = lines(stream)
    assert told["message"] == "can't get https://jars.example.com/a.jar?… 403"
    assert "s3cret" not in str(unexpected["exception"])
    assert "https://jars.example.com/a.jar?…" in str(unexpected["exception"])
