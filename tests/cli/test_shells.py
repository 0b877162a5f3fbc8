"""Completion as it happens in real shells, with names that are in the cluster now."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import MANIFESTS
from tests.cli.test_steering import Rollout, rollout

__all__ = ["rollout"]  # the fixture

pytestmark = pytest.mark.slow
BASH = """
source <(moduledeploy completion bash)
COMP_WORDS=({words} "") COMP_CWORD={count}
_moduledeploy_completion moduledeploy 2>/dev/null
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
FISH = "moduledeploy completion fish | source; complete -C '{words} '"
# A terminal of its own: what Tab writes comes back on it.
ZSH = """
zmodload zsh/zpty
moduledeploy completion zsh > completion.zsh
zpty shell 'TERM=dumb zsh -f -i'
zpty -w shell 'autoload -U compinit; compinit -u -D; source ./completion.zsh; PROMPT=; echo READ''Y'
shown=
until [[ $shown == *READY* ]]; do zpty -r shell part; shown+=$part; done
zpty -n -w shell $'{words} \\t'
shown=
for turn in {{1..100}}; do
    while zpty -r -t shell part; do shown+=$part; done
    [[ $shown == *{expected}* ]] && break
    sleep 0.2
done
print -r -- $shown
"""


def complete(rollout: Rollout, folder: Path, shell: str, script: str, *words: str, expected: str) -> str:
    """What the shell shows for the word after these."""
    if shutil.which(shell) is None:
        pytest.skip(f"NOT CHECKED in {shell}: it is not installed")
    program = folder / "moduledeploy"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={MANIFESTS.parent} exec {sys.executable} -m moduledeploy "$@"\n')
    program.chmod(0o755)
    environ = {
        **os.environ,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "HOME": str(folder),
        "KUBECONFIG": str(rollout.cluster.kubeconfig),
    }
    typed = " ".join(["moduledeploy", *words])
    text = script.format(words=typed, count=len(words) + 1, expected=expected)
    done = subprocess.run(
        [shell, "-c", text], cwd=folder, env=environ, capture_output=True, text=True, timeout=50, check=False
    )
    assert expected in done.stdout, done
    return done.stdout


SHELLS = pytest.mark.parametrize(("shell", "script"), [("bash", BASH), ("fish", FISH), ("zsh", ZSH)])


@SHELLS
def test_names_of_the_cluster_are_completed(rollout: Rollout, tmp_path: Path, shell: str, script: str) -> None:
    rollout.apply()

    complete(rollout, tmp_path, shell, script, "get", expected=rollout.name)


def test_a_description_is_whole_in_fish(rollout: Rollout, tmp_path: Path) -> None:
    shown = complete(rollout, tmp_path, "fish", FISH, expected="confirm")

    assert "confirm a batch; so that the next one begins" in shown
