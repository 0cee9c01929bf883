"""Promises about the documents that don't need a command to run: `tests/e2e/test_docs.py` runs what they show."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text()
# What people type into a search box, and the page they should find.
SEARCHED = [
    ("reverse ETL", "index"),
    ("dry run", "tutorial"),
    ("upsert", "specs"),
    ("idempotency key", "how-to-send-once"),
    ("idempotency key", "glossary"),
    ("dead letter", "delivery"),
    ("dead letter", "troubleshooting"),
    ("reconcile", "glossary"),
    ("drift", "how-to-find-drift"),
    ("staged rollout", "how-to-migrate-users"),
    ("backfill", "how-to-migrate-users"),
    ("precondition check", "delivery"),
    ("in flight", "glossary"),
    ("personal data", "secrets"),
]


def test_the_readme_is_short_and_names_the_two_first_commands_in_thirty_lines() -> None:
    lines = README.splitlines()
    assert len(lines) < 150
    assert {"make demo", "make test"} <= {line.partition("  ")[0] for line in lines[:30]}


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md") if path.stem != "index"))
def test_each_page_is_linked_from_the_first(page: str) -> None:
    assert f"]({page})" in (DOCS / "index.md").read_text()


@pytest.mark.parametrize(("words", "page"), SEARCHED)
def test_the_words_people_search_for_occur_where_they_belong(words: str, page: str) -> None:
    text = " ".join((DOCS / f"{page}.md").read_text().split())
    assert re.search(words.replace(" ", "[ -]"), text, re.IGNORECASE)


def quoted_messages() -> list[str]:
    """Return the messages that are a whole first cell on the page on troubleshooting."""
    return re.findall(r"^\| `([^`]+)` \|", (DOCS / "troubleshooting.md").read_text(), re.MULTILINE)


def parts(message: str) -> list[str]:
    """Return what a message says besides values: "..." and names of variables stand for those."""
    pieces = re.split(r"\.\.\.|[A-Z]+(?:_[A-Z]+)+", message)
    return [piece.strip() for piece in pieces if len(piece.strip()) > 3]


def test_each_message_on_the_page_on_troubleshooting_is_one_that_the_program_prints() -> None:
    texts = [
        node.value
        for path in (ROOT / "leanplum_sync").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    messages = [message for message in quoted_messages() if not message.startswith("run-N.")]
    assert len(messages) > 15
    missing = [
        part for message in messages for part in parts(message) if not any(part in text for text in texts)
    ]
    assert not missing
