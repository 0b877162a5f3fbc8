"""Words as kubectl's users type them, and what is said where none is meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from moduledeploy.cli.access.habits import as_click_reads
from moduledeploy.cli.access.proxies import proxy_for
from moduledeploy.cli.program import program
from tests.cli.conftest import Call
from tests.cli.objects import bases, completed, deployment, family
from tests.cli.test_start import KUBECONFIG


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("get -n=team orders", "get -n team orders"),
        ("get -nteam orders -o=json", "get -nteam orders -o json"),
        ("get orders --watch=false", "get orders"),
        ("get orders -w=true", "get orders -w"),
        ("get mddeploy orders", "get mddeploy/orders"),
        ("get -n mddeploy orders", "get -n mddeploy orders"),
        ("get mddeploy -w", "get mddeploy -w"),
        ("why pod base-1", "why pod/base-1"),
        ("set mddeploy version=2", "set mddeploy version=2"),
        ("undo orders --dry-run=server", "undo orders --dry-run"),
        ("undo orders --dry-run=none", "undo orders"),
        ("get orders --watch=perhaps", "get orders --watch=perhaps"),
        ("list -A=true -l=app=x", "list -A -l app=x"),
        ("get -- -n=x", "get -- -n=x"),
    ],
)
def test_what_kubectl_takes_is_read_in_the_same_way(typed: str, read: str) -> None:
    command, *words = typed.split()

    assert [command, *as_click_reads(program.commands[command], words)] == read.split()


@pytest.mark.parametrize("words", [["help"], ["help", "get"], ["approve", "--help"], ["-n=x", "get", "--help"]])
def test_help_is_found_where_fingers_look_for_it(call: Call, words: list[str]) -> None:
    said = call(*words)

    assert (said.status, said.err) == (0, "")
    assert said.out.startswith("Usage: moduledeploy")


@pytest.mark.parametrize("words", [["get", ""], ["get", "pods/x"], ["why", "deploy/x"], ["get", "mddeploy/"]])
def test_what_names_nothing_of_ours_is_not_understood(call: Call, words: list[str]) -> None:
    assert call(*words).status == 2


@pytest.mark.parametrize(
    "words", [["plan", "ordrs"], ["plan", "mddeploy/ordrs"], ["simulate", "ordrs", "--scale", "3"]]
)
def test_a_name_that_is_almost_right_is_told_the_right_one(call: Call, tmp_path: Path, words: list[str]) -> None:
    objects: list[Any] = [deployment() | {"status": completed()}, *bases(4), *family(on=4)]
    snapshot = tmp_path / "snapshot.yaml"
    snapshot.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": objects}))

    said = call(*words, "--snapshot", str(snapshot))

    assert (said.status, said.err) == (
        6,
        "moduledeploy: no ModuleDeployment ordrs in namespace default; did you mean orders?\n",
    )


def test_a_context_that_is_not_there_is_told_which_are(call: Call, tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text(KUBECONFIG.format(user="{}"))

    said = call("list", "--kubeconfig", str(tmp_path / "kubeconfig"), "--context", "prod")

    assert (said.status, said.err) == (2, "moduledeploy: no context prod in the kubeconfig; there are: c\n")


@pytest.mark.parametrize(
    ("host", "no_proxy", "is_used"),
    [
        ("https://api.example.com:6443", "", True),
        ("https://api.example.com:6443", "example.com", False),
        ("https://10.1.2.3:6443", "10.0.0.0/8", False),
        ("https://10.1.2.3:6443", "192.168.0.0/16, nonsense/3", True),
        ("https://127.0.0.1:6443", "", False),
        ("https://localhost:6443", "", False),
        ("http://api.example.com", "", False),
    ],
)
def test_a_proxy_is_taken_from_the_environment_as_by_kubectl(
    monkeypatch: pytest.MonkeyPatch, host: str, no_proxy: str, is_used: bool
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
    monkeypatch.setenv("no_proxy", no_proxy)

    assert proxy_for(host) == ("http://proxy.example.com:3128" if is_used else None)
