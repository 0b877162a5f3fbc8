"""Commands that move a rollout; doing one twice does no harm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from moduledeploy.cli import candidates
from moduledeploy.cli.access import flags

if TYPE_CHECKING:
    from moduledeploy.cli.access.flags import Access


@click.command(short_help="confirm a batch, so that the next one begins")
@flags.deployment
@click.option(
    "--batch",
    type=click.IntRange(1),
    required=True,
    metavar="K",
    shell_complete=candidates.batches,
    help="the batch that is good, counted from 1",
)
@click.option(
    "--revision",
    metavar="R",
    shell_complete=candidates.revisions,
    help="only if this revision (number or name) is the one rolled out",
)
@flags.output()
@flags.cluster
def confirm(access: Access, name: str, *, batch: int, revision: str | None, output: str) -> int:
    """Confirm that a batch is good: the next one begins. Confirming twice does no harm; a batch not yet reached is refused.

    \b
    Example:
      moduledeploy confirm orders --batch 1
    """
    from moduledeploy.cli.confirm import confirm

    return confirm(access, name=name, batch=batch, revision=revision, output=output)


@click.command(short_help="hold a rollout")
@flags.deployment
@flags.output()
@flags.cluster
def pause(access: Access, name: str, *, output: str) -> int:
    """Hold a rollout: nothing more is replaced until `resume`. Repair, scaling and deletion go on.

    \b
    Example:
      moduledeploy pause orders
    """
    from moduledeploy.cli.pause import pause

    return pause(access, name=name, output=output)


@click.command(short_help="end a pause")
@flags.deployment
@flags.output()
@flags.cluster
def resume(access: Access, name: str, *, output: str) -> int:
    """End a pause that a person made. A batch that waits for confirmation is not confirmed by it.

    \b
    Example:
      moduledeploy resume orders
    """
    from moduledeploy.cli.resume import resume

    return resume(access, name=name, output=output)


@click.command(short_help="try a failed rollout again")
@flags.deployment
@flags.output()
@flags.cluster
def retry(access: Access, name: str, *, output: str) -> int:
    """Lift the decision that a failed rollout stands under: what failed is tried anew.

    \b
    Example:
      moduledeploy retry orders
    """
    from moduledeploy.cli.retry import retry

    return retry(access, name=name, output=output)


@click.command(short_help="deploy the same version again")
@flags.deployment
@flags.output()
@flags.cluster
def restart(access: Access, name: str, *, output: str) -> int:
    """Deploy the same version again, as a new revision, in the batches of the strategy.

    \b
    Example:
      moduledeploy restart orders
    """
    from moduledeploy.cli.restart import restart

    return restart(access, name=name, output=output)


@click.command(short_help="go back to an earlier revision")
@flags.deployment
@click.option(
    "--to-revision",
    default="0",
    metavar="R",
    shell_complete=candidates.revisions,
    help="number (as in `history`) or name; 0, the default, is the one before",
)
@flags.dry_run
@flags.output()
@flags.cluster
def undo(access: Access, name: str, *, to_revision: str, dry_run: bool, output: str) -> int:
    """Go back to an earlier revision: a rollout like any other, in the batches of the strategy. A pause stays a pause.

    \b
    Example:
      moduledeploy undo orders --to-revision 3
    """
    from moduledeploy.cli.undo import undo

    return undo(access, name=name, to_revision=to_revision, dry_run=dry_run, output=output)


@click.command(short_help="change the number of replicas")
@flags.deployment
@click.option("--replicas", type=click.IntRange(0), required=True, metavar="N", help="how many, from 0")
@flags.output()
@flags.cluster
def scale(access: Access, name: str, *, replicas: int, output: str) -> int:
    """Change the number of replicas, as `kubectl scale` does.

    \b
    Example:
      moduledeploy scale orders --replicas 12
    """
    from moduledeploy.cli.scale import scale

    return scale(access, name=name, replicas=replicas, output=output)


@click.command("set", short_help="deploy another version")
@flags.deployment
@click.argument("fields", nargs=-1, required=True, type=flags.assignment, metavar="FIELD=VALUE...")
@flags.dry_run
@flags.output()
@flags.cluster
def set_(access: Access, name: str, *, fields: tuple[tuple[str, str], ...], dry_run: bool, output: str) -> int:
    """Change what is deployed, a new revision, by the fields version, url, md5 and type.

    Where only the version is given, the old version in the url is replaced by it.

    \b
    Example:
      moduledeploy set orders version=2.0.0 url=https://repo.example.com/orders-2.0.0-ark-biz.jar
    """
    from moduledeploy.cli.set import set_fields

    return set_fields(access, name=name, fields=dict(fields), dry_run=dry_run, output=output)


COMMANDS: Final = (confirm, pause, resume, retry, restart, undo, scale, set_)
