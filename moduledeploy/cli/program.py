"""The program: all commands under one name, errors in one line, exit statuses."""

from __future__ import annotations

import atexit
import gc
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import get_completion_class

from moduledeploy import __version__
from moduledeploy.cli.access import flags
from moduledeploy.cli.access.exits import INTERRUPTED, UNREAD, CliError, Exit, Unread
from moduledeploy.cli.access.habits import as_click_reads
from moduledeploy.cli.candidates import KubectlComplete
from moduledeploy.cli.commands import foresee, look, serve, steer
from moduledeploy.runtime.memory import collect_rarely

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME: Final = "moduledeploy"
SECTIONS: Final = {
    "Look": look.COMMANDS,
    "Foresee": foresee.COMMANDS,
    "Steer": steer.COMMANDS,
    "Run": serve.COMMANDS,
}
_ALIASES: Final = {"approve": "confirm"}  # as for other rollouts
_COMPLETE: Final = "_MODULEDEPLOY_COMPLETE"  # set by the completion scripts


class _Sections(click.Group):
    """Lists its commands by section, in the order in which they are told of."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(self.commands)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, as_click_reads(self, args))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, _ALIASES.get(cmd_name, cmd_name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[:1] == ["help"]:
            args = [*args[1:2], "--help"] if args[1:] else ["--help"]
        name, command, words = super().resolve_command(ctx, args)
        return name, command, words if command is None else as_click_reads(command, words)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # as above
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(str(command.name), str(command.short_help)) for command in commands])


@click.group(
    cls=_Sections,
    commands=[command for commands in SECTIONS.values() for command in commands],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
@flags.before_command
@click.version_option(__version__, prog_name=NAME)
@click.pass_context
def program(ctx: click.Context, /, **given: str | None) -> None:
    """Deploy Koupleless modules to many bases in safe batches; `COMMAND --help` tells more.

    \b
    Example:
      moduledeploy get orders -w
    """
    if ctx.invoked_subcommand is not None:
        ctx.default_map = {ctx.invoked_subcommand: {name: value for name, value in given.items() if value is not None}}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name and return its exit status."""
    collect_rarely()
    atexit.register(gc.freeze)  # the last collections would take a fifth of a short command's time; all goes anyway
    _open_output()
    try:
        return int(program.main(arguments, prog_name=_called(), complete_var=_COMPLETE, standalone_mode=False))
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return Exit.USAGE
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else _called()
        return _say(f"{error.format_message().rstrip('.')}; see {path} --help", Exit.USAGE)
    except CliError as error:
        return _say(str(error), error.status)
    except Unread:
        return UNREAD
    except click.Abort:
        return INTERRUPTED


def complete_for_kubectl() -> int:
    """What kubectl calls for its plugin: candidates for the last of the words, then what the shell may add."""
    lines = KubectlComplete(program, {}, NAME, _COMPLETE).lines(sys.argv[1:])
    click.echo("\n".join(lines))
    return Exit.REACHED


def completion_script(shell: str) -> str:
    """What a shell is to run so that it completes this program."""
    script: Any = get_completion_class(shell)
    return str(script(program, {}, NAME, _COMPLETE).source())


def _open_output() -> None:
    """Write UTF-8 whatever the locale says, as kubectl does; where standard output is closed, write to nowhere."""
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # as long as the process
    elif isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")


def _called() -> str:
    """How this program was called: by itself, or as kubectl's plugin."""
    return f"kubectl {NAME}" if Path(sys.argv[0]).name.startswith("kubectl-") else NAME


def _say(message: str, status: Exit) -> int:
    click.echo(f"{NAME}: {' '.join(message.split())}", err=True)
    return status
