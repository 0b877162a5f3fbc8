"""What the controller has in memory of the client library."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.cli.conftest import MANIFESTS
from tests.faults.processes import free_port, kubeconfig

if TYPE_CHECKING:
    from pathlib import Path


def test_the_controller_loads_no_generated_client(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(kubeconfig(f"http://127.0.0.1:{free_port()}")))
    words = ["run", "--kubeconfig", str(path), "--health-address", "127.0.0.1:0", "--metrics-address", "127.0.0.1:0"]
    code = f"from moduledeploy.cli import main\nstatus = main({words!r})\nimport sys\nprint(status, *sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=MANIFESTS.parent, capture_output=True, text=True, timeout=60, check=True
    )

    status, *modules = done.stdout.splitlines()[-1].split()
    assert status == "1"
    assert "no API server at" in done.stderr
    assert "kubernetes_asyncio.config.kube_config" in modules
    assert not [name for name in modules if name.startswith("kubernetes_asyncio.client.api_client")]
