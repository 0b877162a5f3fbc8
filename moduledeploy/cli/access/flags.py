"""Flags that the commands share, named as in kubectl; loads nothing but click, so that help and completion are quick."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from moduledeploy.cli import candidates

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_DEPLOYMENT: Final = frozenset({"mddeploy", "moduledeployment", "moduledeployments"})
KINDS: Final = _DEPLOYMENT | {"md", "module", "modules", "po", "pod", "pods"}  # those that `why` knows
FIELDS: Final = ("version", "url", "md5", "type")
NEEDED: Final = ("version", "url")


class Access(NamedTuple):
    """Which cluster and namespace are meant, as far as the flags say."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None


kubeconfig = click.option(
    "--kubeconfig",
    type=click.Path(),
    metavar="FILE",
    help="kubeconfig (default: $KUBECONFIG, ~/.kube/config, or the pod's)",
)
_context = click.option(
    "--context",
    metavar="NAME",
    shell_complete=candidates.contexts,
    help="context of the kubeconfig (default: its current one)",
)
_namespace = click.option(
    "-n",
    "--namespace",
    metavar="NS",
    shell_complete=candidates.names("namespaces"),
    help="namespace (default: the context's)",
)


def cluster(command: Callable[..., int]) -> Callable[..., int]:
    """--kubeconfig, --context, -n, given to the command as its `access`."""

    @kubeconfig
    @_context
    @_namespace
    @wraps(command)
    def with_access(*, kubeconfig: str | None, context: str | None, namespace: str | None, **others: object) -> int:
        return command(access=Access(kubeconfig, context, namespace), **others)

    return with_access


def before_command(function: Callable[..., None]) -> Callable[..., None]:
    """The same flags before the command, for fingers that type them there."""
    return kubeconfig(_context(_namespace(function)))


def deployment_name(text: str) -> str:
    """NAME, or TYPE/NAME as kubectl prints it."""
    return _name(text, _DEPLOYMENT, "ModuleDeployment")


def explained_name(text: str) -> str:
    """NAME, or TYPE/NAME of a ModuleDeployment, a Module or a pod."""
    return _name(text, KINDS, "ModuleDeployment, Module or pod")


def _name(text: str, kinds: Collection[str], called: str) -> str:
    kind, slash, name = text.rpartition("/")
    if not name or (slash and kind.lower().partition(".")[0] not in kinds):
        raise click.BadParameter(f"{text!r} is no {called}")
    return name


deployment = click.argument(
    "name", metavar="NAME", type=deployment_name, shell_complete=candidates.names("deployments")
)
all_namespaces = click.option("-A", "--all-namespaces", is_flag=True, help="all namespaces")
selector = click.option("-l", "--selector", metavar="LABELS", default="", help="only objects with these labels")
watch = click.option("-w", "--watch", is_flag=True, help="go on showing changes")
snapshot = click.option("--snapshot", type=click.Path(), metavar="FILE", help="read this instead of a cluster")
dry_run = click.option("--dry-run", is_flag=True, help="let the server check it, and change nothing")


def output(shown: str = "text") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """-o; the schema of json and yaml is documented in docs/cli.md."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice([shown, "json", "yaml"]),
        default=shown,
        show_default=True,
        help="yaml and json are stable",
    )


def duration(text: str) -> float:
    """Seconds from 90, 90s, 5m, 1h30m."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0}
    total, number = 0.0, ""
    for letter in text if text[-1:] in units else f"{text}s":
        if letter in units and number.replace(".", "", 1).isdecimal():
            total, number = total + float(number) * units[letter], ""
        elif letter in "0123456789.":
            number += letter
        else:
            raise click.BadParameter(f"{text!r} is no duration; write 90s, 10m or 1h30m")
    return total


class Goal(NamedTuple):
    """What somebody waits for: healthy, paused (a gate), or the end of a batch."""

    word: str = "healthy"
    batch: int = 0


def goal(text: str) -> Goal:
    """healthy, paused or batch=N."""
    word, _, number = text.partition("=")
    if word in ("healthy", "paused") and not number:
        return Goal(word)
    if word == "batch" and number.isdecimal() and int(number) > 0:
        return Goal(word, int(number))
    raise click.BadParameter(f"{text!r} is no goal; write healthy, paused or batch=N")


def assignment(text: str) -> tuple[str, str]:
    """field=value, of the fields of a module that may be changed."""
    field, equals, value = text.partition("=")
    if not equals or field not in FIELDS:
        raise click.BadParameter(f"{text!r} is no FIELD=VALUE with one of the fields {', '.join(FIELDS)}")
    if not value and field in NEEDED:
        raise click.BadParameter(f"a module needs a {field}")
    return field, value
