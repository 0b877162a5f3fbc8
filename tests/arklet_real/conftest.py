"""One set of real bases for the whole session; without a JDK or Maven its tests are skipped, and say so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.arklet_base.build import ArtifactsMissing, build, what_is_missing
from tests.arklet_real.stage import open_stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.arklet_real.stage import Stage


@pytest.fixture(scope="session")
def _stage(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Stage]:
    if "realarklet" not in pytestconfig.option.markexpr:
        pytest.skip("NOT CHECKED on real bases: `make test-arklet` runs them, for some minutes")
    if missing := what_is_missing():
        pytest.skip(f"NOT CHECKED on real bases: {missing}")
    try:
        build()
    except ArtifactsMissing as error:
        pytest.skip(f"NOT CHECKED on real bases: {error}")
    with open_stage(tmp_path_factory.mktemp("arklet-real")) as stage:
        yield stage


@pytest.fixture
def stage(_stage: Stage) -> Iterator[Stage]:
    """The stage, empty before and after."""
    yield _stage
    _stage.clear()
