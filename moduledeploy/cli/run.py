"""Run the controller until SIGTERM or SIGINT; a second signal ends it at once.

In a pod no flag is needed. Example:

  moduledeploy run --kubeconfig ~/.kube/config --url-schemes http,https,file
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import anyio

from moduledeploy.app import Settings, StartError, run
from moduledeploy.kube.config import ConfigError
from moduledeploy.kube.errors import KubeError
from moduledeploy.runtime.log import configure_logging

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `run`."""
    parser.add_argument("--kubeconfig", metavar="FILE", help="kubeconfig; in a pod the service account is used")
    parser.add_argument("--namespace", default="", metavar="NS", help="only this namespace (default: all)")
    parser.add_argument(
        "--metrics-address", type=_address, default=":8080", metavar="IP:PORT", help="default: %(default)s"
    )
    parser.add_argument(
        "--health-address", type=_address, default=":8081", metavar="IP:PORT", help="default: %(default)s"
    )
    parser.add_argument(
        "--url-schemes", default="http,https", metavar="LIST", help="schemes of module urls (default: %(default)s)"
    )
    parser.add_argument(
        "--audit-interval",
        type=float,
        default=600.0,
        metavar="SECONDS",
        help="how often a base's list is read again (default: 600)",
    )
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), default="info")


def main(options: argparse.Namespace) -> int:
    """Run; 2 without a usable configuration, 1 where the cluster isn't usable or a part of the process failed."""
    configure_logging(level=options.log_level)
    settings = Settings(
        kubeconfig=options.kubeconfig,
        namespace=options.namespace,
        metrics_address=options.metrics_address,
        health_address=options.health_address,
        url_schemes=frozenset(options.url_schemes.split(",")),
        leader_election=False,
        audit_interval_s=options.audit_interval,
    )
    try:
        anyio.run(run, settings)
    except ConfigError as error:
        return _say(error, 2)
    except (StartError, KubeError) as error:
        return _say(error, 1)
    except BaseExceptionGroup as group:
        causes = _leaves(group)
        told = next((cause for cause in causes if isinstance(cause, StartError | KubeError)), None)
        if told is None:
            raise
        return _say(told, 1)
    return 0


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return found


def _say(error: BaseException, status: int) -> int:
    print(f"moduledeploy: {error}", file=sys.stderr)
    return status


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdigit():
        raise ValueError(text)
    return host.strip("[]"), int(port)
