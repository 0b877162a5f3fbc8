"""The site of these pages; `make docs` builds it into dist/docs, and any warning fails it."""

from __future__ import annotations

from typing import Final

from moduledeploy import __version__

project: Final = "moduledeploy"
copyright: Final = "the moduledeploy authors, Apache-2.0"  # noqa: A001  # the builder's name for it
release: Final = __version__
extensions: Final = ["myst_parser", "sphinx_copybutton"]
exclude_patterns: Final = ["_build"]
nitpicky: Final = True
# Commands are no Python, and two hyphens before a flag stay two.
highlight_language: Final = "none"
smartquotes_action: Final = "qe"

myst_enable_extensions: Final = ["colon_fence", "deflist"]
# Every heading can be linked to, as on the pages of a repository.
myst_heading_anchors: Final = 4
copybutton_prompt_text: Final = "$ "
copybutton_only_copy_prompt_lines: Final = True

html_theme: Final = "furo"
html_title: Final = f"moduledeploy {release}"
html_static_path: Final = ["_static"]
html_css_files: Final = ["site.css"]
html_copy_source: Final = False
html_show_sourcelink: Final = False
html_theme_options: Final = {
    "light_css_variables": {"color-brand-primary": "#1f5fb4", "color-brand-content": "#1f5fb4"},
    "dark_css_variables": {"color-brand-primary": "#7db2f5", "color-brand-content": "#7db2f5"},
}
