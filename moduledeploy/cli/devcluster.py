"""The embedded API server with the controllers a cluster would bring."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from moduledeploy.cli.access.exits import CliError, Exit
from moduledeploy.cli.access.foreground import run_until_stopped
from moduledeploy.devcluster.bases.attached import parse_addresses
from moduledeploy.devcluster.cluster import run


def serve_cluster(*, port: int, kubeconfig: str, bases: int, attach: str, rbac: bool) -> int:
    """Run until a signal comes. Raises CliError for addresses that can't be attached, a taken port, an unwritable file."""
    try:
        addresses = parse_addresses(attach) if attach else ()
    except ValueError as error:
        raise CliError(f"--attach: {error}", Exit.USAGE) from error
    begin = partial(run, port=port, kubeconfig=Path(kubeconfig), bases=bases, attach=addresses, rbac=rbac)
    return run_until_stopped(begin)
