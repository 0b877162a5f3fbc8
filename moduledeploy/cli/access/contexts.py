"""The contexts of a kubeconfig."""

from __future__ import annotations

import os
from pathlib import Path

import yaml


def context_names(kubeconfig: str | None) -> list[str]:
    """Names of the contexts of this file, else of those of $KUBECONFIG or ~/.kube/config; what can't be read has none."""
    paths = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    found: set[str] = set()
    for path in paths.split(os.pathsep):
        try:
            text = Path(path).expanduser().read_text(encoding="utf-8")
            found.update(str(item["name"]) for item in yaml.safe_load(text)["contexts"])
        except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
            continue
    return sorted(found)
