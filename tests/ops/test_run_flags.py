"""What `run` makes of its flags before it begins."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
import pytest

from moduledeploy.cli.commands.serve import address, interval, namespace_name, schemes
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


@pytest.mark.parametrize("text", ["0", "-5", "nan", "inf", "-inf", "1e999", "soon", ""])
def test_an_interval_without_a_length_or_an_end_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no number of seconds above 0"):
        interval(text)


@pytest.mark.parametrize("text", ["Not A Namespace", "a/b", "-a", "a-", "a.b", "a" * 64, "../x"])
def test_a_name_that_no_namespace_has_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no name of a namespace"):
        namespace_name(text)


@pytest.mark.parametrize("text", ["junk", ":-1", ":99999", ":", "1.2.3.4"])
def test_an_address_without_a_port_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no IP:PORT"):
        address(text)


def test_what_flags_may_say() -> None:
    assert [namespace_name(text) for text in ("", "team-1")] == ["", "team-1"]
    assert [interval(text) for text in ("600", "0.5")] == [600.0, 0.5]
    assert [address(text) for text in (":8080", "[::1]:80")] == [("", 8080), ("::1", 80)]


@pytest.mark.parametrize("flag", ["--leader-election", "--no-leader-election"])
def test_election_can_be_asked_for_and_forgone(tmp_path: Path, flag: str) -> None:
    code, said = moduledeploy("--kubeconfig", kubeconfig(tmp_path), flag)

    assert code == 1
    assert "check the kubeconfig and the server" in said.splitlines()[-1]
