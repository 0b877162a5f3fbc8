"""The recipe of the image: linted, from locked files alone, and named as the program names itself."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from moduledeploy import __version__
from tests.ops.tools import ROOT, run, tool

RECIPE: Final = (ROOT / "Containerfile").read_text()


LOCKS: Final = {"image": "manifests/image.lock", "build": "manifests/build.lock"}
locks = pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS.keys())


def pins(file: str) -> dict[str, str]:
    """Locked packages with their versions."""
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", (ROOT / file).read_text(), flags=re.MULTILINE))


# The locks are for this Python and those after it, which ask for less.
OLDEST: Final = {"extra": "", "python_version": "3.11", "python_full_version": "3.11.0", "sys_platform": "linux"}


def needed(requirements: Iterable[str]) -> set[Requirement]:
    """What these requirements ask for, and all that those ask for in turn."""
    found: set[Requirement] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        one = waiting.pop()
        if one not in found and (one.marker is None or one.marker.evaluate(OLDEST)):
            found.add(one)
            waiting += [Requirement(text) for text in distribution(one.name).requires or ()]
    return found


def test_the_linter_has_nothing_to_say() -> None:
    done = run(tool("hadolint"), ROOT / "Containerfile")

    assert done.returncode == 0, done.stdout


@locks
def test_the_image_has_and_is_built_with_what_was_tested(lock: str) -> None:
    locked, tested = pins(lock), pins("requirements.lock")

    assert {name: version for name, version in locked.items() if tested.get(name) != version} == {}, "run make lock"


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_what_the_project_says_it_needs_and_nothing_else(lock: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    said = {"image": project["project"]["dependencies"], "build": project["dependency-groups"]["build"]}[lock]
    locked = pins(LOCKS[lock])

    wanted = needed(said)

    assert {canonicalize_name(one.name) for one in wanted} == set(locked), "run make lock"
    assert [str(one) for one in wanted if locked[canonicalize_name(one.name)] not in one.specifier] == []


@locks
def test_every_locked_file_has_a_hash(lock: str) -> None:
    entries = re.split(r"^(?=[a-z0-9._-]+==)", (ROOT / lock).read_text(), flags=re.MULTILINE)[1:]

    assert len(entries) == len(pins(lock))
    assert all("--hash=sha256:" in entry for entry in entries)
    assert re.search(rf"--require-hashes --no-deps --requirement {Path(lock).name}", RECIPE)


def test_it_runs_as_nobody_and_hears_signals_itself() -> None:
    assert re.findall(r"^USER (.*)$", RECIPE, flags=re.MULTILINE) == ["65532:65532"]
    assert 'ENTRYPOINT ["/app/.venv/bin/moduledeploy"]' in RECIPE


def test_its_label_says_which_version_it_is() -> None:
    assert f'org.opencontainers.image.version="{__version__}"' in RECIPE
