from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from moduledeploy.runtime.memory import collect_rarely, exempt_present_objects

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def collector_as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def test_the_collector_comes_rarely() -> None:
    collect_rarely()

    assert gc.get_threshold()[0] >= 10_000


def test_what_is_there_is_left_alone_from_then_on() -> None:
    before = gc.get_freeze_count()

    exempt_present_objects()

    assert gc.get_freeze_count() > before
