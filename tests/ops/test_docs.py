"""The site is built without a warning, and its generated pages are up to date."""

from __future__ import annotations

import re
import runpy
import sys
from typing import TYPE_CHECKING, Final

import pytest

from tests.ops.tools import ROOT, run

if TYPE_CHECKING:
    from pathlib import Path

DOCS: Final = ROOT / "docs"
PAGES: Final = sorted(path.relative_to(ROOT) for path in DOCS.rglob("*.md"))


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


@pytest.mark.parametrize(
    "page", [*PAGES, *(path.relative_to(ROOT) for path in (ROOT / ".github").glob("*.md"))], ids=str
)
def test_what_a_page_names_is_there(page: Path) -> None:
    named = re.findall(r"`((?:docs|manifests|tests|moduledeploy|benchmarks)/[\w./-]+)`", (ROOT / page).read_text())

    assert [path for path in named if not (ROOT / path).exists()] == []
