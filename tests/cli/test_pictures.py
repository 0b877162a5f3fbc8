"""What is drawn: colours for every background, lines that fit, trees that stay readable."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from rich.color import Color
from rich.color_triplet import ColorTriplet
from rich.text import Text

from moduledeploy.api.times import decode_time
from moduledeploy.cli.access.console import Feed, Screen
from moduledeploy.cli.pictures import words
from moduledeploy.cli.pictures.documents import text
from moduledeploy.cli.pictures.reasons import reasons
from moduledeploy.cli.pictures.rollout import RolloutPicture, rollout_picture
from moduledeploy.cli.pictures.table import Fit, hanging, table
from moduledeploy.cli.pictures.tree import rollout_tree
from moduledeploy.cli.reading.cluster import view_of
from moduledeploy.cli.reading.family import read_family
from moduledeploy.cli.reading.snapshot import stores_of
from tests.cli.objects import T0, bases, completed, deployment, family

NOW = decode_time(T0)
BLACK, WHITE = ColorTriplet(0, 0, 0), ColorTriplet(255, 255, 255)


def luminance(colour: ColorTriplet) -> float:
    """Relative luminance as WCAG 2 defines it."""
    parts = [part / 255 for part in colour]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: ColorTriplet, other: ColorTriplet) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("colour", [words.GOOD, words.ACTIVE, words.WAITS, words.BAD, words.LEAVES])
@pytest.mark.parametrize("background", [BLACK, WHITE])
def test_every_colour_can_be_read_on_dark_and_on_light(colour: str, background: ColorTriplet) -> None:
    assert contrast(Color.parse(colour).get_truecolor(), background) >= 3.75  # 4.58 on both at best


def picture(*objects: Any, now: float = NOW + 60) -> RolloutPicture:
    flat = [item for found in objects for item in (found if isinstance(found, list) else [found])]
    return rollout_picture(read_family(view_of(stores_of(flat, "default")), "default", "orders"), now)


def test_documents_of_a_watch_can_be_told_apart_in_yaml() -> None:
    made = "\n".join(text({"kind": kind}, "yaml", is_one_of_many=True) for kind in ("A", "B"))

    assert [item["kind"] for item in yaml.safe_load_all(made)] == ["A", "B"]


def test_a_feed_says_nothing_that_time_alone_changed(capsys: pytest.CaptureFixture[str]) -> None:
    feed = Feed("json")
    for age, message in ((1, "batch 1, 9s left"), (2, "batch 1, 8s left"), (3, "batch 2")):
        feed.emit({"items": [{"ageSeconds": age, "message": message}]})

    assert capsys.readouterr().out.splitlines() == [
        '{"items":[{"ageSeconds":1,"message":"batch 1, 9s left"}]}',
        '{"items":[{"ageSeconds":3,"message":"batch 2"}]}',
    ]


def test_a_long_line_goes_on_below_its_value() -> None:
    lines = hanging(Text("Status:  one two three four"), 17, indent=9)

    assert [line.plain for line in lines] == ["Status:  one two", "         three", "         four"]


@pytest.mark.parametrize(("term", "is_live"), [("xterm", True), ("dumb", False)])
def test_a_terminal_that_cannot_move_its_cursor_gets_lines(term: str, is_live: bool) -> None:
    assert Screen(force_terminal=True, _environ={"TERM": term}).is_live is is_live


def test_no_text_of_an_object_makes_a_second_line() -> None:
    forged = Text("Status:  fine\nStatus:  Completed\u2028x\r\n")

    assert [line.plain for line in hanging(forged, 80, indent=9)] == ["Status:  fine Status:  Completed x"]
    assert [line.plain for line in table(("NAME",), [("a\nb",), (Text("c\nd"),)])] == ["NAME", "a b", "c d"]


def test_a_word_that_fits_nowhere_is_left_whole() -> None:
    assert [line.plain for line in hanging(Text("Status:  abcdefghijkl"), 12, indent=9)] == ["Status:  abcdefghijkl"]


def test_a_row_that_is_too_long_ends_with_an_ellipsis() -> None:
    assert [line.plain for line in table(("NAME",), [("abcdefgh",), ("数数数数",)], Fit(width=6))] == [
        "NAME",
        "abcde…",
        "数数 …",
    ]


HEAD = ("NAME", "KIND", "STATUS", "INFO")
ROWS = (("base-7fc64c46b5-67vw4", "Module", "Available", "the module's start failed"),)


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (80, "base-7fc64c46b5-67vw4   Module   Available   the module's start failed"),
        (50, "base-7fc64c46b5-67vw4   Available   the module's …"),
        (40, "base-7fc64c46b5-67vw4   Available"),
        (30, "base-7fc64c…-67vw4   Available"),
    ],
)
def test_columns_go_before_anything_else_is_cut(width: int, line: str) -> None:
    fit = Fit(width=width, drop=("KIND", "INFO"), least=12)

    assert table(HEAD, ROWS, fit)[1].plain == line


def test_where_lines_wrap_nothing_is_cut() -> None:
    fit = Fit(width=30, drop=("KIND", "STATUS"), wraps=True)

    assert table(HEAD, ROWS, fit)[1].plain == "base-7fc64c46b5-67vw4   the module's start failed"


@pytest.mark.parametrize("width", [40, 60, 80, 160])
def test_no_line_of_a_tree_is_longer_than_the_terminal_and_every_status_is_whole(width: int) -> None:
    status = {"status": completed(replicas=4)}
    drawn = rollout_tree(picture(deployment() | status, bases(4), family(on=4)), width=width)

    assert max(line.cell_len for line in drawn) <= width
    assert sum("✔ Available" in line.plain for line in drawn) == 4


def test_a_live_picture_cuts_no_command() -> None:
    waiting = deployment(operationStrategy={"batchCount": 2, "needConfirm": True}, pause=True)
    waiting["metadata"]["annotations"] = {"koupleless.alipay.com/waiting": "orders-r1/1"}
    release = completed(batches=[2, 2], currentBatch=1, progress="WaitingForConfirmation", batchProgress="Completed")
    shown = picture(waiting | {"status": release}, bases(4), family(on=4))

    lines = [line.plain for line in rollout_tree(shown, width=40, foot_first=True)]

    assert max(map(len, lines)) <= 40
    assert "moduledeploy confirm orders --batch 1" in " ".join(" ".join(lines).split())


def test_of_a_hundred_batches_those_about_the_current_one_have_a_line() -> None:
    modules = family(on=60)
    for at, module in enumerate(modules[1:], start=1):
        module["metadata"]["annotations"] = {"koupleless.alipay.com/batch": f"1/{at}"}
    release = completed(replicas=60, batches=[1] * 100, currentBatch=61, progress="Executing")
    objects = (deployment(replicas=100) | {"status": release}, bases(60), modules)

    lines = [line.plain for line in rollout_tree(picture(*objects))]
    everything = [line.plain for line in rollout_tree(picture(*objects), everything=True)]

    assert len(lines) < 40
    assert [line for line in lines if line.endswith("57 before, 57 available")]
    assert [line for line in lines if line.endswith("33 more, not opened")]
    assert [line for line in lines if "… 58 more batches, Available" in line]
    assert sum("□" in line for line in everything) == 60


def test_of_a_thousand_replicas_some_are_shown_and_those_in_trouble_first() -> None:
    modules = family(on=1000)
    modules[-1]["status"] = {"status": "Failed", "reason": "InstallFailed", "message": "no such jar"}
    status = {"status": completed(replicas=1000)}

    lines = [line.plain for line in rollout_tree(picture(deployment(replicas=1000) | status, bases(1000), modules))]

    assert len(lines) < 30
    assert [line for line in lines if "no such jar" in line]
    assert [line for line in lines if "more, Available" in line]


def test_of_a_thousand_replicas_in_trouble_some_are_shown() -> None:
    modules = family(on=1000, status="Upgrading")
    status = {"status": completed(replicas=1000)}

    lines = [line.plain for line in rollout_tree(picture(deployment(replicas=1000) | status, bases(1000), modules))]

    assert len(lines) < 40
    assert [line for line in lines if "984 more, 984 of them not Available" in line]


def test_the_batches_of_an_earlier_rollout_of_a_revision_are_not_those_of_this_one() -> None:
    modules = family(on=4)
    for module in modules[1:]:
        module["metadata"] |= {"annotations": {"koupleless.alipay.com/batch": "1/1"}, "creationTimestamp": T0}
    release = completed(replicas=4, batches=[2], currentBatch=1, kind="Scale", startedAt="2026-01-02T03:04:30Z")

    [revision] = picture(deployment(replicas=4) | {"status": release}, bases(4), modules).revisions

    assert [len(batch.replicas) for batch in revision.batches] == [0]
    assert len(revision.replicas) == 4


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ({"status": "Terminating", "reason": "WaitingForEndpoints", "message": "an EndpointSlice has it"}, True),
        ({"status": "Available", "reason": "Installed"}, False),
    ],
)
def test_a_replica_that_goes_shows_what_keeps_it(status: dict[str, str], *, told: bool) -> None:
    modules = family(on=1)
    modules[-1]["metadata"] |= {"deletionTimestamp": T0, "finalizers": ["koupleless.alipay.com/finalizer"]}
    modules[-1]["status"] = status
    release = {"status": completed(replicas=1)}

    lines = [line.plain for line in rollout_tree(picture(deployment(replicas=1) | release, bases(1), modules))]

    [line] = [line for line in lines if "Terminating" in line]
    assert line.endswith("an EndpointSlice has it, 1 module") if told else line.split()[-2:] == ["1", "module"]
    assert "Installed" not in line


def test_a_write_that_the_server_refuses_is_a_reason_to_wait() -> None:
    refused = {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "RequestRefused",
        "message": "the API server refuses a request",
        "lastTransitionTime": T0,
    }
    objects = [
        deployment(replicas=1) | {"status": completed(replicas=1) | {"conditions": [refused]}},
        *bases(1),
        *family(on=1),
    ]

    found = read_family(view_of(stores_of(objects, "default")), "default", "orders")

    assert "the API server refuses a request" in list(reasons(found, NOW))
