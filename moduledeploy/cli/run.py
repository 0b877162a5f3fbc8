"""Run the controller until SIGTERM or SIGINT; a second signal ends it at once.

In a pod no flag is needed. Example:

  moduledeploy run --kubeconfig ~/.kube/config --url-schemes http,https,file
"""

from __future__ import annotations

import argparse
import sys

import anyio

from moduledeploy.app import Settings, run
from moduledeploy.controllers.preflight import StartError
from moduledeploy.kube.config import ConfigError, is_in_cluster
from moduledeploy.kube.errors import KubeError
from moduledeploy.runtime.log import configure_logging


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `run`."""
    parser.add_argument("--kubeconfig", metavar="FILE", help="kubeconfig; in a pod the service account is used")
    parser.add_argument("--namespace", default="", metavar="NS", help="only this namespace (default: all)")
    parser.add_argument(
        "--metrics-address", type=_address, default=":8080", metavar="IP:PORT", help="default: %(default)s"
    )
    parser.add_argument(
        "--metrics-tls-dir", metavar="DIR", help="serve metrics with TLS, by tls.crt and tls.key of this folder"
    )
    parser.add_argument(
        "--metrics-auth",
        action="store_true",
        help="let only those read metrics who may get /metrics at the API server; needs --metrics-tls-dir",
    )
    parser.add_argument(
        "--metrics-max-objects",
        type=int,
        default=1000,
        metavar="N",
        help="ModuleDeployments told in the metrics, about 40 series each (default: %(default)s)",
    )
    parser.add_argument(
        "--health-address", type=_address, default=":8081", metavar="IP:PORT", help="default: %(default)s"
    )
    parser.add_argument(
        "--url-schemes", default="http,https", metavar="LIST", help="schemes of module urls (default: %(default)s)"
    )
    parser.add_argument(
        "--leader-election",
        action=argparse.BooleanOptionalAction,
        help="work only while holding the lease 'moduledeploy' (default: in a pod yes, with a kubeconfig no)",
    )
    parser.add_argument(
        "--lease-namespace", metavar="NS", help="namespace of the lease (default: the pod's, or the context's)"
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
    if options.metrics_auth and not options.metrics_tls_dir:
        return _say(ConfigError("--metrics-auth needs --metrics-tls-dir: a token must not travel in the clear"), 2)
    settings = Settings(
        kubeconfig=options.kubeconfig,
        namespace=options.namespace,
        metrics_address=options.metrics_address,
        health_address=options.health_address,
        url_schemes=frozenset(options.url_schemes.split(",")),
        metrics_tls_dir=options.metrics_tls_dir,
        metrics_auth=options.metrics_auth,
        metrics_max_objects=options.metrics_max_objects,
        leader_election=_elects(options),
        lease_namespace=options.lease_namespace,
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


def _elects(options: argparse.Namespace) -> bool:
    """As the flag says, else by where this runs: of several pods one may work, a process on a desk is alone."""
    if options.leader_election is not None:
        return bool(options.leader_election)
    return options.kubeconfig is None and is_in_cluster()


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
