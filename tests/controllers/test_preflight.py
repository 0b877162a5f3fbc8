"""What is said at the start of how this process talks to its API server."""

from __future__ import annotations

import logging

import pytest
import structlog
from structlog.testing import capture_logs

from moduledeploy.kube.credentials import Credentials, TlsFiles
from tests.controllers.starting import check

NOBODY = "https://127.0.0.1:1"
UNVERIFIED = "API server not verified"


async def said_of(credentials: Credentials) -> list[str]:
    """Events of the log when a pod starts with these credentials and its server is away."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with capture_logs() as told:
        await check(credentials, in_pod=True)
    return [entry["event"] for entry in told]


@pytest.mark.parametrize("is_verified", [True, False])
async def test_a_server_that_nobody_verifies_is_warned_of(is_verified: bool) -> None:
    said = await said_of(Credentials(host=NOBODY, tls=TlsFiles(is_verified=is_verified)))

    assert "no API server yet" in said
    assert (UNVERIFIED in said) is not is_verified
