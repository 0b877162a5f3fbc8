"""Flags that the commands share, named as in kubectl."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_cluster_flags(parser: argparse.ArgumentParser) -> None:
    """--kubeconfig, --context, -n."""
    group = parser.add_argument_group("cluster")
    group.add_argument(
        "--kubeconfig", metavar="FILE", help="kubeconfig (default: $KUBECONFIG, ~/.kube/config, or the pod's)"
    )
    group.add_argument("--context", metavar="NAME", help="context of the kubeconfig (default: its current one)")
    group.add_argument("-n", "--namespace", metavar="NS", help="namespace (default: the context's)")


def add_range_flags(parser: argparse.ArgumentParser) -> None:
    """-A and -l, for commands that show several objects."""
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="all namespaces")
    parser.add_argument("-l", "--selector", metavar="LABELS", default="", help="only objects with these labels")


def add_output_flag(parser: argparse.ArgumentParser, shown: str = "text") -> None:
    """-o; the schema of json and yaml is documented in docs/cli.md."""
    parser.add_argument(
        "-o",
        "--output",
        choices=(shown, "json", "yaml"),
        default=shown,
        help="default: %(default)s; yaml and json are stable",
    )


def add_watch_flag(parser: argparse.ArgumentParser) -> None:
    """-w."""
    parser.add_argument("-w", "--watch", action="store_true", help="go on showing changes")


def duration(text: str) -> float:
    """Seconds from 90, 90s, 5m, 1h30m. Raises ValueError."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0}
    total, number = 0.0, ""
    for letter in text:
        if letter.isdigit() or letter == ".":
            number += letter
        elif letter in units and number:
            total, number = total + float(number) * units[letter], ""
        else:
            raise ValueError(text)
    if not text:
        raise ValueError(text)
    return total + (float(number) if number else 0.0)


def count(text: str) -> int:
    """A whole number from 0. Raises ValueError."""
    if not text.isascii() or not text.isdigit():
        raise ValueError(text)
    return int(text)
