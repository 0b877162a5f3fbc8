"""The site is built without a warning, and its generated pages are up to date."""

from __future__ import annotations

import re
import runpy
import sys
from functools import cache
from pathlib import Path
from typing import Final

import pytest
import yaml

from moduledeploy.api.decode import decode_deployment_spec
from tests.ops.tools import ROOT, run

DOCS: Final = ROOT / "docs"
PAGES: Final = sorted(path.relative_to(ROOT) for path in DOCS.rglob("*.md"))
ALL: Final = [*PAGES, *sorted(path.relative_to(ROOT) for path in (ROOT / ".github").glob("*.md")), Path("README.md")]
pages = pytest.mark.parametrize("page", ALL, ids=str)


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    build = ("-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet", "--doctree-dir", tmp_path / "trees")
    done = run(sys.executable, *build, DOCS, tmp_path / "site")

    assert done.returncode == 0, done.stderr
    assert {(tmp_path / "site" / page.relative_to("docs")).with_suffix(".html") for page in PAGES} == {
        page for page in (tmp_path / "site").rglob("*.html") if page.stem not in {"genindex", "search"}
    }


@pytest.mark.parametrize("name", ["metrics", "resources"])
def test_a_page_made_from_sources_is_up_to_date(name: str) -> None:
    page = runpy.run_path(str(DOCS / f"{name}.py"))["page"]()

    assert (DOCS / f"{name}.md").read_text() == page, f"run python docs/{name}.py"


@cache
def commands() -> set[str]:
    """What the program can be asked for."""
    told = run(sys.executable, "-m", "moduledeploy", "--help").stdout
    return set(re.findall(r"^  ([a-z-]+)  ", told, flags=re.MULTILINE))


@pages
def test_what_a_page_names_is_there(page: Path) -> None:
    text = (ROOT / page).read_text()
    named = re.findall(r"`((?:docs|manifests|tests|moduledeploy|benchmarks)/[\w./-]+)`", text)
    linked = [re.sub("#.*", "", link) for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]

    assert [path for path in named if not (ROOT / path).exists()] == []
    assert [path for path in linked if path and not (ROOT / page.parent / path).exists()] == []


@pages
def test_what_a_page_says_to_type_can_be_typed(page: Path) -> None:
    text = (ROOT / page).read_text()
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    shells = (re.sub(r"^\$ ", "", block, flags=re.MULTILINE) for kind, block in blocks if kind in {"", "console"})
    code = "\n".join([*shells, *re.findall(r"`([^`\n]+)`", text)])
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)

    assert set(re.findall(r"^make ([a-z-]+)", code, flags=re.MULTILINE)) <= set(targets)
    assert set(re.findall(r"^(?:kubectl )?moduledeploy ([a-z]+)\b", code, flags=re.MULTILINE)) <= commands()


@pages
def test_a_manifest_on_a_page_is_understood(page: Path) -> None:
    for block in re.findall(r"```yaml\n(.*?)```", (ROOT / page).read_text(), flags=re.DOTALL):
        for shown in yaml.safe_load_all(block):
            if shown.get("kind") == "ModuleDeployment":
                decode_deployment_spec(shown["spec"])
