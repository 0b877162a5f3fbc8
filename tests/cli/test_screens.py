"""What a person sees: real pseudo-terminals of two widths, their screens compared as text."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from secrets import token_hex

import pytest

from moduledeploy.cli.access.exits import Exit
from tests.cli.conftest import MANIFESTS
from tests.cli.test_steering import Rollout, rollout

__all__ = ["rollout"]  # the fixture

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="NOT CHECKED in a terminal: tmux is not installed"),
]
SEEN_WITHIN_S = 30.0


class Terminal:
    """A tmux session of its own server."""

    def __init__(self, columns: int) -> None:
        self.name = f"md{token_hex(4)}"
        self._tmux("-f", "/dev/null", "new-session", "-d", "-s", "t", "-x", str(columns), "-y", "60", "sh")

    def _tmux(self, *words: str) -> str:
        return subprocess.run(
            ["tmux", "-L", self.name, *words], capture_output=True, text=True, timeout=20, check=True
        ).stdout

    def type(self, line: str) -> None:
        self._tmux("send-keys", "-t", "t", line, "Enter")

    def screen(self, *flags: str) -> str:
        return self._tmux("capture-pane", "-p", "-t", "t", *flags)

    def wait(self, pattern: str) -> str:
        """The screen as soon as it shows that."""
        until = time.monotonic() + SEEN_WITHIN_S
        while not re.search(pattern, shown := self.screen()):
            assert time.monotonic() < until, shown.rstrip()
            time.sleep(0.1)  # another process
        return shown

    def end(self) -> None:
        self._tmux("kill-server")


@pytest.fixture
def terminal(request: pytest.FixtureRequest) -> Iterator[Terminal]:
    found = Terminal(getattr(request, "param", 80))
    yield found
    found.end()


def command(rollout: Rollout, *words: str, before: str = "") -> str:
    called = f"{sys.executable} -m moduledeploy {' '.join(words)} --kubeconfig {rollout.cluster.kubeconfig}"
    return f"cd {MANIFESTS.parent}; clear; env -u COLUMNS -u LINES {before} {called}"


@pytest.mark.parametrize("terminal", [80, 160], indirect=True)
def test_the_live_tree_follows_a_confirmation(rollout: Rollout, terminal: Terminal) -> None:
    rollout.is_at_its_first_gate()
    terminal.type(command(rollout, "get", rollout.name, "-w"))
    terminal.wait(f"Go on with: moduledeploy confirm {rollout.name} --batch 1")

    assert rollout("confirm", "--batch", "1").status == 0

    shown = terminal.wait("Status: +✔ Completed")
    assert shown.count("Name:") == 1, "one picture, drawn over the last"
    assert "3/3" in shown
    modules = [line for line in shown.splitlines() if "□" in line]
    assert len([line for line in modules if "Terminating" not in line]) == 4, "what was replaced may just be leaving"


def test_a_terminal_has_colours_unless_no_color_is_set_and_a_pipe_has_none(
    rollout: Rollout, terminal: Terminal
) -> None:
    rollout.apply()
    rollout.reaches(Exit.REACHED)

    for before, has_colours in (("", True), ("NO_COLOR=1", False)):
        terminal.type(f"{command(rollout, 'get', rollout.name, before=before)}; echo 'do''ne:{before}'")
        terminal.wait(f"done:{before}\n")  # which isn't what was typed
        assert ("\x1b[38;5;28m" in terminal.screen("-e")) is has_colours
    assert "\x1b" not in rollout("get").out
