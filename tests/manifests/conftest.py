"""The servers that judge the manifests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.manifests.api import Api, embedded_api, real_api

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session", params=["embedded", pytest.param("real", marks=pytest.mark.realapi)])
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server that has the CRDs."""
    if request.param == "real":
        _need_a_real_server(request.config)
    with real_api(tmp_path_factory.mktemp("real")) if request.param == "real" else embedded_api() as server:
        server.prepare()
        yield server
        server.leave()


def _need_a_real_server(config: pytest.Config) -> None:
    if "KUBEBUILDER_ASSETS" in os.environ:
        return
    if "KUBECONFIG" not in os.environ:
        pytest.skip("NOT CHECKED on a real API server: set KUBEBUILDER_ASSETS (etcd, kube-apiserver) or KUBECONFIG")
    if "realapi" not in config.option.markexpr:
        pytest.skip(
            "NOT CHECKED on a real API server: pass -m realapi to write CRDs to the cluster that KUBECONFIG names"
        )
