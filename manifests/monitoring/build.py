"""Makes what manifests/monitoring holds from its sources: prometheus-rule.yaml from rules.yaml, dashboards/ from boards.py."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder

sys.path.insert(0, str(Path(__file__).parent))  # run as a script from anywhere, and imported by the tests
import boards

HERE: Final = Path(__file__).parent
HEAD: Final = "# Made from rules.yaml by build.py.\n"


def files() -> dict[Path, str]:
    """Every file that is made, with its text."""
    made = {HERE / "prometheus-rule.yaml": HEAD + _prometheus_rule()}
    for name, board in (("rollouts", boards.rollouts()), ("controller", boards.controller())):
        made[HERE / "dashboards" / f"{name}.json"] = JSONEncoder(sort_keys=True, indent=2).encode(board.build()) + "\n"
    return made


def _prometheus_rule() -> str:
    rule = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "moduledeploy", "namespace": "moduledeploy-system"},
        "spec": yaml.safe_load((HERE / "rules.yaml").read_text()),
    }
    return yaml.safe_dump(rule, sort_keys=False, width=10_000)


if __name__ == "__main__":
    for path, text in files().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
