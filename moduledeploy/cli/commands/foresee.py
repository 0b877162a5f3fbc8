"""Commands that tell what will or would happen, and why; they write nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from moduledeploy.cli import candidates
from moduledeploy.cli.access import flags

if TYPE_CHECKING:
    from moduledeploy.cli.access.flags import Access


@click.command(short_help="what a rollout will do, before it does it")
@click.argument(
    "name", metavar="[NAME]", required=False, type=flags.deployment_name, shell_complete=candidates.names("deployments")
)
@click.option(
    "-f",
    "--filename",
    type=click.Path(),
    metavar="FILE",
    help="manifests to plan as if they were applied; - is standard input",
)
@click.option(
    "--set", "fields", type=flags.assignment, multiple=True, metavar="FIELD=VALUE", help="as in `set`; repeatable"
)
@flags.snapshot
@flags.output()
@flags.cluster
def plan(
    access: Access,
    name: str | None,
    *,
    filename: str | None,
    fields: tuple[tuple[str, str], ...],
    snapshot: str | None,
    output: str,
) -> int:
    """Show what a rollout will do, before it does it: every batch with its bases, what is done on each, where it waits.

    It reads a cluster, or a snapshot of one made by `kubectl get mddeploy,mdrs,md,pods,deploy,rs -o yaml`, and writes
    nothing. The controller plans by the same code.

    \b
    Examples:
      moduledeploy plan -f orders-v2.yaml
      moduledeploy plan orders --set version=2.0.0 --snapshot cluster.yaml
    """
    if (name is None) == (filename is None):
        raise click.UsageError("Give either NAME or -f FILE.")
    from moduledeploy.cli.plan import Subject, show_plans

    subject = Subject(name=name, filename=filename, fields=dict(fields))
    return show_plans(access, subject, snapshot=snapshot, output=output)


@click.command(short_help="what if bases went, or replicas or the cap changed")
@flags.deployment
@click.option(
    "--lose-base",
    "lost",
    multiple=True,
    metavar="POD",
    shell_complete=candidates.names("pods"),
    help="this base is gone; repeatable",
)
@click.option("--scale", type=click.IntRange(0), metavar="N", help="another number of replicas")
@click.option("--cap", type=click.IntRange(0), metavar="K", help="another max-module-count on every base")
@flags.snapshot
@flags.output()
@flags.cluster
def simulate(
    access: Access,
    name: str,
    *,
    lost: tuple[str, ...],
    scale: int | None,
    cap: int | None,
    snapshot: str | None,
    output: str,
) -> int:
    """Tell what would happen to availability and placement if bases went, the number of replicas or the cap changed.

    Lost bases are taken as not coming back.

    \b
    Examples:
      moduledeploy simulate orders --lose-base base-6c5d-x7k2p --lose-base base-6c5d-9qv4z
      moduledeploy simulate orders --scale 20
    """
    if not lost and scale is None and cap is None:
        raise click.UsageError("Nothing to simulate: give --lose-base, --scale or --cap.")
    from moduledeploy.cli.simulate import Change, simulate

    change = Change(lost=lost, scale=scale, cap=cap)
    return simulate(access, change, name=name, snapshot=snapshot, output=output)


@click.command(short_help="slots used and free, and whether the rollouts can finish")
@flags.all_namespaces
@flags.output("table")
@flags.cluster
def capacity(access: Access, *, all_namespaces: bool, output: str) -> int:
    """Show for each base Deployment how many module slots are used and free, and whether its rollouts can finish.

    \b
    Example:
      moduledeploy capacity
    """
    from moduledeploy.cli.capacity import show_capacity

    return show_capacity(access, all_namespaces=all_namespaces, output=output)


@click.command(short_help="why something waits, and what each base says to it")
@click.argument(
    "name",
    metavar="NAME",
    type=flags.explained_name,
    shell_complete=candidates.names("deployments", "pods", "modules"),
)
@flags.snapshot
@flags.output()
@flags.cluster
def why(access: Access, name: str, *, snapshot: str | None, output: str) -> int:
    """Explain a ModuleDeployment, a Module or a base: what is waited for, and for each base what each filter says.

    \b
    Examples:
      moduledeploy why orders
      moduledeploy why orders-wl68jn4tzd-1b2c3d4e
      moduledeploy why base-699849976c-2z6cc
    """
    from moduledeploy.cli.why import explain

    return explain(access, name=name, snapshot=snapshot, output=output)


@click.command(short_help="check manifests without a cluster")
@click.option(
    "-f",
    "--filename",
    "filenames",
    type=click.Path(),
    multiple=True,
    required=True,
    metavar="FILE",
    help="manifests; - is standard input; repeatable",
)
@click.option("--from-v1", is_flag=True, help="say too what changes for a manifest of module-controller v1")
@flags.output()
def lint(filenames: tuple[str, ...], *, from_v1: bool, output: str) -> int:
    """Check manifests without a cluster: what will be refused, what is unwise, and for manifests of v1 what changes.

    \b
    Example:
      moduledeploy lint -f orders.yaml --from-v1
    """
    from moduledeploy.cli.lint import lint

    return lint(filenames, from_v1=from_v1, output=output)


COMMANDS: Final = (plan, simulate, capacity, why, lint)
