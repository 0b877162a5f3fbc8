"""Programs that some of these tests need: looked for beside the interpreter, in $OPS_TOOLS, a folder, and in PATH."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
MANIFESTS: Final = ROOT / "manifests"
MONITORING: Final = MANIFESTS / "monitoring"
OVERLAYS: Final = ("default", "namespaced", "ha")
_PACKAGES: Final = {
    "promtool": "Debian's package prometheus",
    "prometheus": "Debian's package prometheus",
    "checkov": "checkov, from PyPI",
}
_BESIDE: Final = str(Path(sys.executable).parent)


def tool(name: str) -> str:
    """The program's path; skips the test, saying what was not checked, where it isn't there."""
    places = os.pathsep.join([_BESIDE, os.environ.get("OPS_TOOLS", ""), os.environ.get("PATH", os.defpath)])
    found = shutil.which(name, path=places)
    if found is None and name not in _PACKAGES:
        pytest.fail(f"{name} is locked in requirements.lock and not there: run make install")
    if found is None:
        pytest.skip(f"NOT CHECKED by {name}: put it into PATH or name its folder in OPS_TOOLS ({_PACKAGES[name]})")
    return found


def run(*command: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    """Run a program to its end; its output as text."""
    done = subprocess.run(command, input=stdin, capture_output=True, check=False)
    return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())


def kubectl() -> str:
    """The kubectl of the environment that runs the tests."""
    beside = Path(sys.executable).with_name("kubectl")
    return str(beside) if beside.exists() else "kubectl"


@cache
def rendered(folder: Path) -> str:
    """What kustomize makes of a folder, which doesn't change any more."""
    made = run(kubectl(), "kustomize", folder)
    assert made.returncode == 0, made.stderr
    return made.stdout
