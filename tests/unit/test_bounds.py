"""All bounds are in one module, and the docs list each of them."""

from __future__ import annotations

from pathlib import Path

from leanplum_sync import bounds

PAGE = Path(__file__).parents[2] / "docs" / "where-data-comes-from.md"


def test_each_bound_is_listed() -> None:
    defined = {name for name, value in vars(bounds).items() if isinstance(value, bounds.Bound)}
    listed = {name for name in defined if getattr(bounds, name) in bounds.ALL}
    assert listed == defined


def test_the_docs_have_each_bound_with_its_number_and_reason() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    for bound in bounds.ALL:
        assert f"| {bound.what} | {bound.most:,} {bound.unit} | {bound.reason} |" in rows
