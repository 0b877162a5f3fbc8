"""Runs `moduledeploy` as in a pod whose service account is mounted at the folder that the first argument names."""

from __future__ import annotations

import sys
from pathlib import Path

from moduledeploy.cli import main
from moduledeploy.kube import config

if __name__ == "__main__":
    folder = Path(sys.argv.pop(1))
    for function in (config.load_credentials, config.is_in_cluster):
        assert function.__kwdefaults__ is not None
        function.__kwdefaults__["service_account"] = folder
    sys.exit(main())
