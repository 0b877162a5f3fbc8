"""Commands that show where rollouts stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from moduledeploy.cli import candidates
from moduledeploy.cli.access import flags

if TYPE_CHECKING:
    from moduledeploy.cli.access.flags import Access, Goal


@click.command(short_help="one rollout as a tree; -w keeps it live")
@flags.deployment
@click.option("--all", "everything", is_flag=True, help="every replica, however many there are")
@flags.watch
@flags.output("tree")
@flags.cluster
def get(access: Access, name: str, *, everything: bool, watch: bool, output: str) -> int:
    """Show one rollout as a tree: revisions, batches, the module on each base, what is awaited and what moves it on.

    \b
    Example:
      moduledeploy get orders -w
    """
    from moduledeploy.cli.get import get

    return get(access, name=name, everything=everything, watch=watch, output=output)


@click.command("list", short_help="all rollouts of a namespace; -w keeps them live")
@flags.all_namespaces
@flags.selector
@flags.watch
@flags.output("table")
@flags.cluster
def list_(access: Access, *, all_namespaces: bool, selector: str, watch: bool, output: str) -> int:
    """List the rollouts of a namespace, or of all.

    \b
    Example:
      moduledeploy list -A -w
    """
    from moduledeploy.cli.list import Range, list_rollouts

    return list_rollouts(access, Range(all_namespaces=all_namespaces, selector=selector, output=output), watch=watch)


@click.command(short_help="where a rollout stands, for people and by exit status for pipelines")
@flags.deployment
@flags.watch
@click.option(
    "--timeout", type=flags.duration, metavar="D", help="watch for at most this long (90s, 10m, 1h; 0: no end)"
)
@click.option(
    "--until",
    type=flags.goal,
    default="healthy",
    metavar="WHAT",
    shell_complete=candidates.goals,
    help="healthy (default), paused, or batch=N: done",
)
@click.option(
    "--revision",
    metavar="R",
    shell_complete=candidates.revisions,
    help="only this revision (number or name): another one is exit status 5",
)
@flags.output()
@flags.cluster
def status(
    access: Access,
    name: str,
    *,
    watch: bool,
    timeout: float | None,
    until: Goal,
    revision: str | None,
    output: str,
) -> int:
    """Say where a rollout stands, one line per change, and tell pipelines by the exit status.

    0 reached, 1 failed, 2 not understood, 3 stopped at a gate, 4 not reached in time, 5 another revision came, 6 not found.
    Without -w and --timeout it looks once; what is still under way then is 4.

    \b
    Example:
      moduledeploy status orders -w --timeout 10m || echo "look at it: $?"
    """
    from moduledeploy.cli.status import Wish, show_status

    wish = Wish(until=until, revision=revision, output=output)
    return show_status(access, wish, name=name, watch=watch, timeout=timeout)


@click.command(short_help="revisions: outcome, duration, who confirmed which batch")
@flags.deployment
@click.option(
    "--revision",
    metavar="R",
    shell_complete=candidates.revisions,
    help="everything about one revision (number or name)",
)
@flags.output("table")
@flags.cluster
def history(access: Access, name: str, *, revision: str | None, output: str) -> int:
    """Show the revisions: what was deployed when, how it ended, how long it took and who confirmed which batch.

    A revision that was rolled out more than once tells of the last time.

    \b
    Example:
      moduledeploy history orders
    """
    from moduledeploy.cli.history import show_history

    return show_history(access, name=name, revision=revision, output=output)


COMMANDS: Final = (get, list_, status, history)
