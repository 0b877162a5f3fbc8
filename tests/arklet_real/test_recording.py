"""A real base answers the recorded requests as it did when it was recorded, which is what the simulated one plays."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.arklet_base.processes import new_bases
from tests.arklet_base.recorded import make_recorded_folder
from tests.devcluster.arklet.wire_answers import ask
from tests.devcluster.arklet.wire_requests import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.arklet_base.processes import RealBase
    from tests.arklet_real.stage import Stage

pytestmark = [pytest.mark.realarklet, pytest.mark.timeout(600)]

ROOT: Final = Path(__file__).parents[2]
TRANSCRIPT: Final = ROOT.parent / "shared" / "arklet" / "transcript.py"
RECORDED: Final = ROOT / "tests" / "devcluster" / "arklet" / "recorded"
HURRIED: Final = {
    "record of a failure"
}  # asked for a second after an asynchronous install began, which on a busy machine goes on


@pytest.fixture
def lone_base(stage: Stage, tmp_path: Path) -> Iterator[RealBase]:
    """A base that nobody else calls: which requests wait for a slow install depends on how many came before them."""
    [base] = new_bases(stage.jars, tmp_path, 1)
    try:
        base.start()
        base.wait_up()
        yield base
    finally:
        base.kill()


def test_the_requests_are_answered_as_recorded(lone_base: RealBase, tmp_path: Path) -> None:
    if not TRANSCRIPT.exists():
        pytest.skip("NOT CHECKED against the recording: its program is not beside this checkout")
    folder = make_recorded_folder(lone_base.jars, tmp_path / "modules")
    for name in ("scenario.json", "golden-2.1.6.json"):
        text = (RECORDED / name).read_text().replace("/modules/", f"{folder}/")
        (tmp_path / name).write_text(text)
    golden, scenario = tmp_path / "golden-2.1.6.json", tmp_path / "scenario.json"

    address = lone_base.address
    command = [sys.executable, str(TRANSCRIPT), "check", "--address", address, "--golden", str(golden), str(scenario)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)

    assert set(re.findall(r"^FAIL (.+)$", done.stdout, re.MULTILINE)) <= HURRIED, done.stdout
    assert re.search(r"^\d+ passed, \d+ failed$", done.stdout, re.MULTILINE), done.stderr


def test_odd_requests_are_answered_as_recorded(lone_base: RealBase) -> None:
    recorded = json.loads((RECORDED / "wire-2.1.6.json").read_text())
    waits = {name: 1.0 if seen["connection"] == "open" else 20.0 for name, seen in recorded.items()}
    address = (lone_base.host, lone_base.arklet_port)

    found = {name: ask(address, data, wait_s=waits[name]) for name, data in requests().items()}

    assert [(name, found[name], seen) for name, seen in recorded.items() if found[name] != seen] == []
