"""What the embedded server answers is what a real one answers, now: the recorded scenarios run against either.

The real one is that of KUBECONFIG, reached through `kubectl proxy`; it needs kube-controller-manager.  Every run uses
namespaces of its own.  A server whose etcd reports progress answers watches with initial events, which the recordings
refuse; those steps are left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import secrets
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from moduledeploy.devcluster.cluster import DevCluster
from tests.devcluster.transcript import Replay, differences

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FOLDER = Path(__file__).parent.parent / "devcluster" / "transcripts"
CASES = (
    "01-crud",
    "02-status",
    "03-scale",
    "04-validation",
    "05-patch",
    "06-finalizers",
    "08-list",
    "21-apply",
    "22-errors",
    "26-lists",
    "45-paths-and-methods",
    "46-parameters",
    "48-mismatches-and-reviews",
)
KUBECTL = shutil.which("kubectl", path=str(Path(sys.executable).parent)) or shutil.which("kubectl")
DEPENDS_ON_THE_STORE = re.compile("initial|resource is gone")


@contextlib.asynccontextmanager
async def embedded() -> AsyncIterator[str]:
    async with DevCluster(watch_progress=False) as cluster:
        yield cluster.url


@contextlib.asynccontextmanager
async def real() -> AsyncIterator[str]:
    if "KUBECONFIG" not in os.environ or KUBECTL is None:
        pytest.skip("NOT CHECKED on a real API server: set KUBECONFIG (and install kubectl)")
    process = await asyncio.create_subprocess_exec(KUBECTL, "proxy", "--port=0", stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(10):
            line = (await process.stdout.readline()).decode()
        yield "http://" + line.split()[-1]
    finally:
        process.terminate()
        await process.communicate()


SERVERS = {"embedded": embedded, "real": real}


def read(folder: str, case: str) -> str:
    return (FOLDER / folder / f"{case}.json").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("server", ["embedded", pytest.param("real", marks=pytest.mark.realapi)])
async def test_a_recorded_scenario_is_answered_alike(server: str, case: str):
    steps, want = json.loads(read("scenarios", case)), json.loads(read("answers", case))
    namespace: str = steps[0]["body"]["metadata"]["name"]
    own = f"{namespace}-{secrets.token_hex(3)}"
    steps = json.loads(json.dumps(steps).replace(namespace, own))

    async with SERVERS[server]() as url:
        got: dict[str, Any] = await Replay(url, haste=0.2 if server == "embedded" else 1.0).run(steps)

    got = json.loads(json.dumps(got).replace(own, namespace))
    compared = [name for name in want if not DEPENDS_ON_THE_STORE.search(name)]
    assert [f"{name}{line}" for name in compared for line in differences(want[name], got.get(name, {}))] == []
