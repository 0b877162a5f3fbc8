"""A real base answers the recorded requests as it did when it was recorded, which is what the simulated one plays."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.arklet_base.recorded import make_recorded_folder
from tests.devcluster.arklet.wire_answers import ask
from tests.devcluster.arklet.wire_requests import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.arklet_base.processes import RealBase
    from tests.arklet_real.stage import Stage

pytestmark = [pytest.mark.realarklet, pytest.mark.timeout(1200, func_only=True)]

ROOT: Final = Path(__file__).parents[2]
TRANSCRIPT: Final = ROOT.parent / "shared" / "arklet" / "transcript.py"
RECORDED: Final = ROOT / "tests" / "devcluster" / "arklet" / "recorded"
QUIET_S: Final = 1.0  # after this a connection that stayed open is taken to stay so


@pytest.fixture
def lone_base(stage: Stage) -> Iterator[RealBase]:
    """A base that nobody else calls: which requests wait for a slow install depends on how many came before them."""
    with stage.lone_base() as base:
        yield base


def test_the_requests_are_answered_as_recorded(lone_base: RealBase, tmp_path: Path) -> None:
    if not TRANSCRIPT.exists():
        pytest.skip("NOT CHECKED against the recording: its program is not beside this checkout")

    # The program sends the next request after a time, not after what came before has ended: so a busy machine may need more.
    for pace in (1, 2, 8):
        said = _replay(lone_base, tmp_path / str(pace), pace)
        if re.search(r"^\d+ passed, 0 failed$", said, re.MULTILINE):
            return

    pytest.fail(said)


def _replay(base: RealBase, folder: Path, pace: int) -> str:
    """What the program says when the slow module and all pauses take so many times as long as they were recorded."""
    modules = make_recorded_folder(base.jars, folder / "modules", slow_start_s=6 * pace)
    texts = {}
    for name in ("scenario.json", "golden-2.1.6.json"):  # a base accepts an id once
        text = (RECORDED / name).read_text().replace("/modules/", f"{modules}/").replace('"r-', f'"r-{pace}-')
        texts[name] = text.replace("(r-", f"(r-{pace}-")
    steps: list[dict[str, Any]] = json.loads(texts["scenario.json"])
    scenario, golden = folder / "scenario.json", folder / "golden.json"
    scenario.write_text(json.dumps([step | {"sleep": step.get("sleep", 0) * pace} for step in steps]))
    golden.write_text(texts["golden-2.1.6.json"])
    command = [sys.executable, TRANSCRIPT, "check", "--address", base.address, "--golden", golden, scenario]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert not done.stderr, done.stderr
    return done.stdout


def test_odd_requests_are_answered_as_recorded(lone_base: RealBase) -> None:
    recorded: dict[str, Any] = json.loads((RECORDED / "wire-2.1.6.json").read_text())
    sent, address = requests(), (lone_base.host, lone_base.arklet_port)
    left_open = [name for name, seen in recorded.items() if seen["connection"] == "open"]

    def answer(name: str) -> dict[str, Any]:
        return ask(address, sent[name], like=recorded[name], quiet_s=QUIET_S)

    with ThreadPoolExecutor(len(left_open)) as pool:
        found = dict(zip(left_open, pool.map(answer, left_open), strict=True))
    found |= {name: answer(name) for name in recorded.keys() - found.keys()}

    assert sent.keys() == recorded.keys()
    assert [(name, found[name], seen) for name, seen in recorded.items() if found[name] != seen] == []
