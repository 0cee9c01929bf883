"""The data of the examples is what their scripts write, and what they say it is."""

from __future__ import annotations

import csv
import gzip
import runpy
import shutil
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def content(path: Path) -> bytes:
    """A compressed file's bytes depend on the version of zlib; what is in it does not."""
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


@pytest.mark.parametrize("script", sorted(EXAMPLES.glob("*/make_*.py")), ids=lambda path: path.parent.name)
def test_running_the_script_again_changes_nothing(script: Path, tmp_path: Path) -> None:
    copy = tmp_path / "example"
    shutil.copytree(script.parent, copy, ignore=shutil.ignore_patterns("seed", ".leanplum-sync", "*.lpplan"))
    for folder in script.parent.glob("seed"):
        (copy / folder.name).mkdir()
    runpy.run_path(str(copy / script.name), run_name="__main__")
    made = {
        path.relative_to(copy): content(path)
        for path in copy.rglob("*")
        if path.parent.name in ("data", "seed")
    }
    assert made == {name: content(script.parent / name) for name in made}
    assert any(name.parent.name == "seed" for name in made)


def test_the_customers_are_all_there_with_their_ids_as_text() -> None:
    with (EXAMPLES / "loyalty-migration/data/customers.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2357
    assert rows[0] == {
        "customer_id": "00004",
        "first_order": "1997-01-01",
        "last_order": "1997-12-12",
        "orders": "4",
        "cds": "7",
        "spend_usd": "100.50",
    }


def test_nothing_in_the_examples_could_be_taken_for_a_real_token() -> None:
    with (EXAMPLES / "push-token-import/data/ios.csv").open(newline="") as file:
        tokens = [row["iosPushToken"] for row in csv.DictReader(file)]
    assert all(token == token[:8] * 8 for token in tokens)
