"""The embedded server answers every recorded request as the real one did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from moduledeploy.devcluster.cluster import DevCluster
from tests.devcluster.transcript import Replay, differences

FOLDER = Path(__file__).parent / "transcripts"
SCENARIOS = sorted((FOLDER / "scenarios").glob("*.json"))
HASTE = 0.15


def read(path: Path) -> Any:
    return json.loads(path.read_text())


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.stem)
async def test_every_recorded_step_is_answered_alike(scenario: Path):
    want = read(FOLDER / "answers" / scenario.name)

    async with DevCluster(watch_progress=False) as cluster:
        got = await Replay(cluster.url, haste=HASTE).run(read(scenario))

    problems = [f"{name}{line}" for name in want for line in differences(want[name], got.get(name, {}))]
    assert problems == []
