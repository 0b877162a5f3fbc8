"""What `run` makes of its flags before it begins."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
import pytest

from moduledeploy.cli.commands.serve import schemes
from tests.ops.tools import run

if TYPE_CHECKING:
    from pathlib import Path


def moduledeploy(*arguments: str) -> tuple[int, str]:
    done = run(sys.executable, "-m", "moduledeploy", "run", *arguments)
    return done.returncode, done.stderr


def kubeconfig(folder: Path) -> str:
    (folder / "kubeconfig").write_text(
        "{apiVersion: v1, kind: Config, current-context: c, users: [{name: u, user: {}}],"
        " clusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}], contexts: [{name: c, context: {cluster: c, user: u}}]}"
    )
    return str(folder / "kubeconfig")


def test_tokens_are_not_asked_for_in_the_clear(tmp_path: Path) -> None:
    code, said = moduledeploy("--kubeconfig", kubeconfig(tmp_path), "--metrics-auth")

    assert (code, said) == (
        2,
        "moduledeploy: --metrics-auth needs --metrics-tls-dir: a token must not travel in the clear\n",
    )


@pytest.mark.parametrize("text", ["", ",", "http, https", "HTTP", "https://", "http,,https"])
def test_a_list_of_schemes_without_a_scheme_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no list of schemes"):
        schemes(text)


def test_schemes_are_a_list() -> None:
    assert schemes("http,s3+https") == frozenset({"http", "s3+https"})


@pytest.mark.parametrize("flag", ["--leader-election", "--no-leader-election"])
def test_election_can_be_asked_for_and_forgone(tmp_path: Path, flag: str) -> None:
    code, said = moduledeploy("--kubeconfig", kubeconfig(tmp_path), flag)

    assert code == 1
    assert "check the kubeconfig and the server" in said.splitlines()[-1]
