"""How often a fault strikes: once and shortened in an ordinary run, as often and as long as its table says in `make faults`."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Final

import pytest

from tests.devcluster.arklet.contexts import in_own_task
from tests.faults.cluster import running_scene

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.faults.cluster import Scene

FULL: Final = os.environ.get("MODULEDEPLOY_FAULT_RUNS") == "table"


def pytest_configure(config: pytest.Config) -> None:
    """The marker is this folder's own."""
    config.addinivalue_line(
        "markers", "faults(runs, is_long): a row of the table of faults and how often it is to be run"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`faults(runs=N)` is how often the table wants the test; `run` numbers them and seeds what is left to chance."""
    marker = metafunc.definition.get_closest_marker("faults")
    if marker is not None and "run" in metafunc.fixturenames:
        metafunc.parametrize("run", range(marker.kwargs["runs"] if FULL else 1))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What can't be shortened is run with the whole table alone."""
    long = [item for item in items if (marker := item.get_closest_marker("faults")) and marker.kwargs.get("is_long")]
    if not FULL and long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The counts, where the whole table was asked for."""
    if not FULL:
        return
    passed, failed = (
        Counter(report.nodeid.partition("[")[0].partition("::")[2] for report in terminalreporter.getreports(outcome))
        for outcome in ("passed", "failed")
    )
    terminalreporter.section("faults")
    for name in sorted(passed | failed):
        terminalreporter.line(f"{passed[name]:3} of {passed[name] + failed[name]:3} held  {name}")


@pytest.fixture(scope="session")
def is_full() -> bool:
    """Whether faults last as long as the table says."""
    return FULL


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """A cluster of the test's own."""
    async with in_own_task(running_scene(tmp_path)) as running:
        yield running
