"""The controller, and what is for development: processes that run until they are told to end.

None of them is to load the generated client, which would take a third of the time to start, and 40 MB.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

import click

from moduledeploy.cli.access import flags
from moduledeploy.cli.access.lean import import_config_only

if TYPE_CHECKING:
    from moduledeploy.runtime.log import Level


def address(text: str) -> tuple[str, int]:
    """IP:PORT, or :PORT on all addresses."""
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise click.BadParameter(f"{text!r} is no IP:PORT")
    return host.strip("[]"), int(port)


def schemes(text: str) -> frozenset[str]:
    """Schemes as URLs have them, separated by commas."""
    found = text.split(",")
    if not all(re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme) for scheme in found):
        raise click.BadParameter(f"{text!r} is no list of schemes; write http,https")
    return frozenset(found)


def namespace_name(text: str) -> str:
    """A namespace's name, or nothing."""
    if text and not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", text):
        raise click.BadParameter(f"{text!r} is no name of a namespace")
    return text


def interval(text: str) -> float:
    """Seconds, more than none and an end to them."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise click.BadParameter(f"{text!r} is no number of seconds above 0")
    return seconds


@click.command(short_help="run the controller")
@flags.kubeconfig
@click.option("--namespace", type=namespace_name, default="", metavar="NS", help="only this namespace (default: all)")
@click.option("--metrics-address", type=address, default=":8080", show_default=True, metavar="IP:PORT")
@click.option(
    "--metrics-tls-dir",
    type=click.Path(),
    metavar="DIR",
    help="serve metrics with TLS, by tls.crt and tls.key of this folder",
)
@click.option(
    "--metrics-auth",
    is_flag=True,
    help="let only those read metrics who may get /metrics at the API server; needs --metrics-tls-dir",
)
@click.option(
    "--metrics-max-objects",
    type=click.IntRange(0),
    default=1000,
    show_default=True,
    metavar="N",
    help="ModuleDeployments told in the metrics, about 35 series each",
)
@click.option("--health-address", type=address, default=":8081", show_default=True, metavar="IP:PORT")
@click.option(
    "--url-schemes",
    type=schemes,
    default="http,https",
    show_default=True,
    metavar="LIST",
    help="schemes of module urls",
)
@click.option(
    "--leader-election/--no-leader-election",
    default=None,
    help="work only while holding the lease 'moduledeploy' (default: in a pod yes, with a kubeconfig no)",
)
@click.option(
    "--lease-namespace",
    type=namespace_name,
    metavar="NS",
    help="namespace of the lease (default: the pod's, or the context's)",
)
@click.option(
    "--audit-interval",
    type=interval,
    default="600",
    show_default=True,
    metavar="SECONDS",
    help="how often a base's list is read again",
)
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
def run(
    *,
    kubeconfig: str | None,
    namespace: str,
    metrics_address: tuple[str, int],
    metrics_tls_dir: str | None,
    metrics_auth: bool,
    metrics_max_objects: int,
    health_address: tuple[str, int],
    url_schemes: frozenset[str],
    leader_election: bool | None,
    lease_namespace: str | None,
    audit_interval: float,
    log_level: Level,
) -> int:
    """Run the controller until SIGTERM or SIGINT; a second signal ends it at once. In a pod no flag is needed.

    \b
    Example:
      moduledeploy run --kubeconfig ~/.kube/config --url-schemes http,https,file
    """
    import_config_only()
    from moduledeploy.app import Settings
    from moduledeploy.cli.run import run_controller

    settings = Settings(
        kubeconfig=kubeconfig,
        namespace=namespace,
        metrics_address=metrics_address,
        health_address=health_address,
        url_schemes=url_schemes,
        metrics_tls_dir=metrics_tls_dir,
        metrics_auth=metrics_auth,
        metrics_max_objects=metrics_max_objects,
        lease_namespace=lease_namespace,
        audit_interval_s=audit_interval,
    )
    return run_controller(settings, leader_election=leader_election, log_level=log_level)


@click.command(short_help="show the main job live, on an embedded cluster")
def demo() -> int:
    """Show the main job live: an embedded cluster with simulated bases, the controller as a process of its own, real manifests.

    Ends by itself; exit status 0 only if every step was seen to hold. While it runs, kubectl works with the kubeconfig that it
    prints.

    \b
    Example:
      moduledeploy demo
    """
    from moduledeploy.cli.access.connection import run
    from moduledeploy.cli.demo.play import play

    return run(play)


@click.command(short_help="print the completion script of a shell")
@click.argument("shell", metavar="SHELL", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print the script that completes commands, flags and live names in bash, zsh or fish.

    \b
    Examples:
      source <(moduledeploy completion bash)
      moduledeploy completion zsh > "${fpath[1]}/_moduledeploy"
      moduledeploy completion fish > ~/.config/fish/completions/moduledeploy.fish
    """
    from moduledeploy.cli.program import completion_script

    click.echo(completion_script(shell), nl=False)
    return 0


@click.command(short_help="embedded API server with simulated bases, for development and tests")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8001, show_default=True, help="on 127.0.0.1; 0 takes a free one"
)
@click.option(
    "--kubeconfig", type=click.Path(), required=True, metavar="FILE", help="where to write a kubeconfig for it"
)
@click.option(
    "--bases", type=click.IntRange(0), default=0, metavar="N", help="begin with a base Deployment `base` of N pods"
)
@click.option(
    "--attach",
    default="",
    metavar="IP:PORT,…",
    help="running bases, by the addresses of their Arklets: the next pods of base Deployments stand for them",
)
@click.option("--rbac", is_flag=True, help="a token may do only what the stored roles grant its service account")
def devcluster(*, port: int, kubeconfig: str, bases: int, attach: str, rbac: bool) -> int:
    """Run an embedded API server with the controllers a cluster would bring and simulated bases, in memory and on loopback.

    Prints one line when it is ready and runs until SIGTERM or SIGINT. It is no product for production.

    \b
    Example:
      moduledeploy devcluster --port 8001 --kubeconfig dev.kubeconfig --bases 10
      kubectl --kubeconfig dev.kubeconfig get pods
    """
    import_config_only()
    from moduledeploy.cli.devcluster import serve_cluster

    return serve_cluster(port=port, kubeconfig=kubeconfig, bases=bases, attach=attach, rbac=rbac)


@click.command(short_help="play kubelet and Arklet for base pods on any API server")
@click.option(
    "--kubeconfig", type=click.Path(), required=True, metavar="FILE", help="of the API server whose pods are played"
)
@click.option("--selector", default="", metavar="LABELS", help="only pods with these labels (default: all)")
def devbases(*, kubeconfig: str, selector: str) -> int:
    """Play kubelet and Arklet for base pods on whatever API server the kubeconfig names, until SIGTERM or SIGINT.

    Every pod gets an address in 127.0.0.0/8, becomes Ready, and answers Arklet on port 1238 there.

    \b
    Example:
      moduledeploy devbases --kubeconfig dev.kubeconfig
    """
    import_config_only()
    from moduledeploy.cli.devbases import play_bases

    return play_bases(kubeconfig, selector)


@click.command(short_help="one simulated Arklet")
@click.option("--address", default="127.0.0.1:1238", show_default=True, metavar="IP:PORT", help="loopback only")
def devarklet(address: str) -> int:
    """Run one simulated Arklet, until SIGTERM or SIGINT.

    \b
    Example:
      moduledeploy devarklet --address 127.0.0.1:1238
    """
    import_config_only()
    from moduledeploy.cli.devarklet import serve_arklet

    return serve_arklet(address)


COMMANDS: Final = (run, demo, completion, devcluster, devbases, devarklet)
