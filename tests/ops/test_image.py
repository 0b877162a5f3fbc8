"""The recipe of the image: linted, from locked files alone, and named as the program names itself."""

from __future__ import annotations

import re
from typing import Final

from moduledeploy import __version__
from tests.ops.tools import ROOT, run, tool

RECIPE: Final = (ROOT / "Containerfile").read_text()


def pins(file: str) -> dict[str, str]:
    """Locked packages with their versions."""
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", (ROOT / file).read_text(), flags=re.MULTILINE))


def test_the_linter_has_nothing_to_say() -> None:
    done = run(tool("hadolint"), ROOT / "Containerfile")

    assert done.returncode == 0, done.stdout


def test_the_image_has_what_was_tested() -> None:
    image, tested = pins("manifests/image.lock"), pins("requirements.lock")

    assert {name: version for name, version in image.items() if tested.get(name) != version} == {}, "run make lock"


def test_every_locked_file_has_a_hash() -> None:
    entries = re.split(r"^(?=[a-z0-9._-]+==)", (ROOT / "manifests/image.lock").read_text(), flags=re.MULTILINE)[1:]

    assert len(entries) == len(pins("manifests/image.lock"))
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "--require-hashes" in RECIPE


def test_nothing_that_only_development_needs_is_in_it() -> None:
    assert not {"pytest", "mypy", "ruff", "hypothesis", "cel-expr-python", "grafana-foundation-sdk"} & set(
        pins("manifests/image.lock")
    )


def test_it_runs_as_nobody_and_hears_signals_itself() -> None:
    assert re.findall(r"^USER (.*)$", RECIPE, flags=re.MULTILINE) == ["65532:65532"]
    assert 'ENTRYPOINT ["/app/.venv/bin/moduledeploy"]' in RECIPE


def test_its_label_says_which_version_it_is() -> None:
    assert f'org.opencontainers.image.version="{__version__}"' in RECIPE
