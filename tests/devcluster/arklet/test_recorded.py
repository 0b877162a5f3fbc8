"""Recordings of real Arklets, replayed with a clock that runs faster.

`golden.json` is of arklet-core 1.4.2 with sofa-ark 2.2.16, `golden-2.1.6.json` of the base in tests/arklet_base.
"""

from __future__ import annotations

import json
import pathlib
import re
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from moduledeploy.devcluster.arklet import RECORDED_FOLDER, Behaviour, Runtime

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.devcluster.arklet.conftest import Base, QuickClock

RECORDED = pathlib.Path(__file__).parent / "recorded"
NUMBERS = {"changeTime", "elapsedSpace", "elapsedTime", "startTime", "startTimestamp", "endTime", "endTimestamp"}
HIDDEN = {"errorStackTrace", "throwable", "baseIdentity", "threadName", "bizTempWorkDir", "mainClass"}


def normalised(value: Any, key: str = "") -> Any:
    """The value with placeholders for what differs from run to run."""
    if key in NUMBERS and isinstance(value, int):
        return 0 if key == "endTimestamp" and not value else "<number>"
    if key in HIDDEN:
        return f"<{key}>"
    if isinstance(value, dict):
        return {name: normalised(item, name) for name, item in value.items()}
    if isinstance(value, list):
        items = ["<path>"] if key == "classPath" else [normalised(item) for item in value]
        return sorted(items, key=lambda item: json.dumps(item, sort_keys=True)) if key == "data" else items
    if isinstance(value, str):
        if key == "bizUrl" and "-unpack" in value:
            return "<unpacked>"
        value = re.sub(r"Cannot invoke .*", "<null pointer>", value)
        return re.sub(r"cost: \d+ ms, started at: [\d:,]+", "cost: <n> ms, started at: <time>", value)
    return value


def shown(data: bytes, is_closed: bool) -> dict[str, Any]:
    head, _, body = data.partition(b"\r\n\r\n")
    status, *headers = head.decode().split("\r\n")
    try:
        answer = normalised(json.loads(body))
    except ValueError:
        answer = body.decode()
    names = sorted(line.split(":")[0] for line in headers)
    return {"status": status, "headers": names, "closed": is_closed, "body": answer}


def request(step: dict[str, Any]) -> bytes:
    body = str(step.get("raw", json.dumps(step.get("body", {})))).encode()
    head = f"{step.get('method', 'POST')} {step['path']} HTTP/1.1\r\nHost: base\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@pytest.mark.parametrize(
    ("runtime", "recording"), [(Runtime.BARE, "golden.json"), (Runtime.SPRING, "golden-2.1.6.json")]
)
async def test_every_recorded_step_is_answered_as_by_the_real_one(
    make_base: Callable[..., Base], quick_clock: QuickClock, runtime: Runtime, recording: str
) -> None:
    base = make_base(quick_clock, folder=RECORDED_FOLDER)
    base.arklet.behaviour = Behaviour(runtime=runtime)
    answers: dict[str, Any] = {}

    async def run(step: dict[str, Any]) -> None:
        wait_s = step["wait"] / quick_clock.RATE if "wait" in step else 15
        answers[step["name"]] = shown(*await base.raw(request(step), wait_s=wait_s))

    async with anyio.create_task_group() as tasks:
        for step in json.loads((RECORDED / "scenario.json").read_text()):
            if step.get("background"):
                tasks.start_soon(run, step)
            else:
                await run(step)
            await quick_clock.sleep(step.get("sleep", 0))

    golden = json.loads((RECORDED / recording).read_text())
    assert {name: answers[name] for name in golden} == golden
