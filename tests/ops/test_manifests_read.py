"""Files that are made to hurt the one who reads them are refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from moduledeploy.cli.access.exits import CliError
from moduledeploy.cli.reading.manifests import read_objects

BOMB = "kind: X\na: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (BOMB, "aliases"),
        ("kind: X\na: &a [*a]\n", "alias"),
        ("kind: X\na: " + "[" * 1_000_000, "nested"),
        ("kind: X\na:\n  " + "- " * 100_000, "nested"),
        ("kind: X\n#" + "x" * 4_000_000, "larger than 3 MiB"),
        ('kind: X\na: "\x1b[2J"\n', "control characters"),
        ("kind: X\nkind: [\n", "parsing"),
        ("just a text", "not a Kubernetes object"),
    ],
)
def test_it_is_refused_in_one_line(text: str, why: str, tmp_path: Path) -> None:
    file = tmp_path / "manifest.yaml"
    file.write_text(text)

    with pytest.raises(CliError, match=why) as refused:
        read_objects(str(file))

    assert str(refused.value).isprintable()


def test_aliases_as_people_use_them_are_read(tmp_path: Path) -> None:
    file = tmp_path / "manifest.yaml"
    file.write_text(
        "kind: X\nmetadata: {}\nlabels: &labels {team: a}\nselector: *labels\n---\n"
        "kind: YList\nitems: [{kind: Y, metadata: {}}]\n"
    )

    assert read_objects(str(file)) == [
        {"kind": "X", "metadata": {}, "labels": {"team": "a"}, "selector": {"team": "a"}},
        {"kind": "Y", "metadata": {}},
    ]
