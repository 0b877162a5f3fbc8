"""Which tests may run beside which, where several workers share them out (`pytest -n`)."""

from __future__ import annotations

from pathlib import Path

import pytest

_ROOT = Path(__file__).parent
_ONE_AT_A_TIME = {"faults"}  # whole processes with limits on wall time: two of them would want more than two cores


@pytest.hookimpl(tryfirst=True)  # before the workers' own, which puts the group into the test's name
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of a file stay together and share its fixtures; folders of whole processes stay together."""
    for item in items:
        path = item.path.relative_to(_ROOT)
        item.add_marker(pytest.mark.xdist_group(path.parts[0] if path.parts[0] in _ONE_AT_A_TIME else str(path)))
