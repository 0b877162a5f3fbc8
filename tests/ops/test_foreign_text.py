"""What bases, API servers and users write can't forge lines or move cursors in status, events, answers and on screens."""

from __future__ import annotations

import io
import json
from typing import Any, Final

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.text import Text

from moduledeploy.arklet.outcomes import FailureClass, Refused
from moduledeploy.cli.access.console import Screen
from moduledeploy.cli.pictures import documents
from moduledeploy.cli.pictures.table import table
from moduledeploy.controllers import resources
from moduledeploy.kube.errors import error_from_response
from tests.controllers.conftest import quiet
from tests.controllers.world import World

__all__ = ["quiet"]
EVIL: Final = "no jar\x1b[2J\x1b[1;1H\r\nall is well\u202e\x07" + "x" * 5000
TEXTS: Final = st.text(st.characters(codec="utf-8"), max_size=60)


def texts(value: object) -> list[str]:
    """Every string in an object."""
    if isinstance(value, dict):
        return [text for pair in value.items() for item in pair for text in texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    return [value] if isinstance(value, str) else []


async def test_what_a_base_says_is_one_line_in_status_and_events() -> None:
    world = World()
    world.add_bases(2)
    world.arklet.refused["orders:1"] = Refused(FailureClass.PERMANENT, "FAILED", EVIL)
    world.deploy("1", replicas=2)
    world.start()
    await world.rest()

    said = [text for kind in (resources.MODULES, resources.MODULE_DEPLOYMENTS) for item in world.api.list(kind)
            for text in texts(item["status"])]  # fmt: skip
    assert sum("no jar [2J [1;1H all is well" in text for text in said) >= 4
    assert [text for text in said if not text.isprintable()] == []
    assert max(len(text.encode()) for text in said) <= 1024


async def test_at_rest_nothing_is_written_anew_for_a_text_that_was_cleaned() -> None:
    world = World()
    world.add_bases(1)
    world.arklet.refused["orders:1"] = Refused(FailureClass.PERMANENT, "FAILED", EVIL)
    world.deploy("1")
    world.start()
    await world.rest()
    before = world.status()
    world.start()
    await world.rest()

    assert world.status() == before


def test_an_api_servers_refusal_is_one_line() -> None:
    body = json.dumps({"kind": "Status", "reason": "Invalid", "message": EVIL}).encode()
    for answer in (body, EVIL.encode(), b"\xff\x1b[2J" * 400):
        error = error_from_response(request="POST /x", code=422, body=answer)

        assert error.message.isprintable()
        assert len(error.message.encode()) <= 4096


@given(TEXTS, st.sampled_from(["", "bold red"]))
def test_a_screen_obeys_nothing_that_it_shows(text: str, style: str) -> None:
    told = io.StringIO()
    screen = Screen(file=told, force_terminal=False, width=200, emoji=False, markup=False, highlight=False)
    for line in (Text(f"message: {text}", style), *table(("NAME", "MESSAGE"), [("orders", text)]), f"plain {text}"):
        screen.print(line, soft_wrap=True)

    assert told.getvalue().replace("\n", "").isprintable()


def test_colours_of_our_own_are_obeyed() -> None:
    told = io.StringIO()
    Screen(file=told, force_terminal=True, color_system="standard").print(Text("failed\x1b[2J", "red"))

    assert told.getvalue() == "\x1b[31mfailed\ufffd[2J\x1b[0m\n"


@given(st.recursive(TEXTS, lambda inner: st.dictionaries(TEXTS, inner, max_size=3) | st.lists(inner, max_size=3)))
@settings(deadline=None)
@pytest.mark.parametrize("form", ["json", "yaml"])
def test_a_document_says_the_same_without_anything_to_obey(form: str, value: Any) -> None:
    made = documents.text({"value": value}, form)

    assert made.replace("\n", "").isprintable()
    assert (json.loads if form == "json" else yaml.safe_load)(made) == {"value": value}
