"""Builds the documentation site: `make site`. Nothing is fetched from the network, neither to build it nor to read it."""

from importlib.metadata import version as version_of
from pathlib import Path

from sphinx.application import Sphinx

# The order of the navigation. A page that is missing here is a warning, and `make site` treats warnings as errors.
NAVIGATION = {
    "Learn": ["README", "docs/tutorial", "docs/coming-from", "examples/*/README", "examples/*/data/README"],
    "How to": ["docs/how-to-*", "docs/erasure"],
    "Help": ["docs/troubleshooting"],
    "Reference": [
        "docs/specs",
        "docs/kinds",
        "docs/values",
        "docs/project-file",
        "docs/commands",
        "docs/shell",
        "docs/exit-codes",
        "docs/plan-file",
        "docs/journal",
        "docs/library",
        "docs/client",
        "docs/api-actions",
        "docs/emulator",
        "docs/fidelity",
        "docs/glossary",
    ],
    "Background": [
        "docs/where-data-comes-from",
        "docs/delivery",
        "docs/costs",
        "docs/beyond-one-machine",
        "docs/secrets",
        "docs/api-notes",
        "docs/api-claims",
        "docs/architecture",
    ],
    "Take part": ["docs/contributing", "CHANGELOG"],
}

project = "leanplum-sync"
author = "The leanplum-sync authors"
project_copyright = "The leanplum-sync authors, Apache-2.0"
version = release = version_of("leanplum-sync")

# The pages stay where code hosts show them, so that links work in both places.
root_doc = "docs/index"
include_patterns = ["README.md", "CHANGELOG.md", "docs/*.md", "examples/**/*.md"]

extensions = ["myst_parser"]
myst_heading_anchors = 4
suppress_warnings = ["misc.highlighting_failure"]  # examples contain "..."

html_theme = "furo"
html_title = f"leanplum-sync {version}"
html_show_sourcelink = False
html_show_sphinx = False


def setup(app: Sphinx) -> None:
    app.connect("source-read", with_navigation)
    app.connect("build-finished", with_front_door)


def with_navigation(_: Sphinx, page: str, source: list[str]) -> None:
    """Add the navigation to the first page. It isn't in the page itself because code hosts would show it as code."""
    if page == root_doc:
        for title, pages in NAVIGATION.items():
            listed = "\n".join(f"/{each}" for each in pages)
            source[0] += f"\n```{{toctree}}\n:hidden:\n:glob:\n:caption: {title}\n\n{listed}\n```\n"


def with_front_door(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.name == "html":
        door = f'<!doctype html><meta http-equiv="refresh" content="0; url={root_doc}.html"><title>leanplum-sync</title>\n'
        (Path(app.outdir) / "index.html").write_text(door, encoding="utf-8")
