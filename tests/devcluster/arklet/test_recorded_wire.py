"""Malformed, odd and lax requests are answered as a real base with runtime 2.1.6 was seen to answer them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from anyio import to_thread

from moduledeploy.devcluster.arklet import Behaviour, Runtime
from tests.devcluster.arklet.wire_answers import ask
from tests.devcluster.arklet.wire_requests import requests

if TYPE_CHECKING:
    from tests.devcluster.arklet.conftest import Base

RECORDED: Final[dict[str, Any]] = json.loads((Path(__file__).parent / "recorded" / "wire-2.1.6.json").read_text())

QUIET_S: Final = 0.02


async def test_every_recorded_request_is_answered_as_by_the_real_one(base: Base) -> None:
    base.arklet.behaviour = Behaviour(runtime=Runtime.SPRING)

    def answers() -> dict[str, Any]:
        address = ("127.0.0.1", base.port)
        return {name: ask(address, data, like=RECORDED[name], quiet_s=QUIET_S) for name, data in requests().items()}

    found = await to_thread.run_sync(answers)

    assert found.keys() == RECORDED.keys()
    assert [(name, found[name], seen) for name, seen in RECORDED.items() if found[name] != seen] == []
