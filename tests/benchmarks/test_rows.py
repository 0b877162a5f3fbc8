from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree as ET

import pytest

from benchmarks import pictures, report
from benchmarks.__main__ import BENCHMARKS
from benchmarks.rows import Point, Target, measured

POINTS = tuple(
    Point(picture="placement-bases", curve=curve, x=x, y=y)
    for curve, y in (("ours", 2.0), ("<bare>", 1.0))
    for x in (100, 1_000)
)


@pytest.mark.parametrize(
    ("sign", "of", "met"),
    [("<=", "ratio", True), (">=", "ratio", False), ("<=", "ours", False), (">=", "ours", True)],
)
def test_a_target_is_of_the_ratio_or_of_our_own_number(
    sign: Literal["<=", ">="], of: Literal["ratio", "ours"], met: bool
) -> None:
    row = measured(what="w", size="s", ours=10.0, reference=8.0, target=Target(sign=sign, limit=1.5, of=of))

    assert row.ratio == 1.25
    assert row.met is met


def test_a_target_of_the_ratio_is_missed_without_a_reference() -> None:
    row = measured(what="w", size="s", ours=10.0, target=Target(sign="<=", limit=1.5))

    assert row.met is False


def test_rows_for_programs_have_seven_keys_and_no_points() -> None:
    row = measured(what="w", size="s", ours=1.23456, reference=2.0, points=POINTS)

    assert json.loads(report.as_json([row])) == [
        {"what": "w", "size": "s", "ours": 1.235, "reference": 2.0, "ratio": 0.6173, "target": None, "met": None}
    ]


def test_a_picture_is_drawn_for_every_name_that_has_points(tmp_path: Path) -> None:
    pictures.draw([measured(what="w", size="s", ours=1.0, points=POINTS)], tmp_path)

    (drawn,) = tmp_path.iterdir()
    words = {element.text for element in ET.parse(drawn).iter() if element.text and element.text.strip()}
    assert drawn.name == "placement-bases.svg"
    assert {"ours", "<bare>", "bases", "100", "1,000"} <= words


def test_every_benchmark_finds_what_it_measures() -> None:
    assert all(callable(importlib.import_module(f"benchmarks.{name}").rows) for name in BENCHMARKS)
