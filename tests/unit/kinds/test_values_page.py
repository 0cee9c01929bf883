"""The tables of docs/values.md say what becomes of a cell: each row of them is tried."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

from leanplum_sync.kinds.rows.row import CellError
from leanplum_sync.sources import rows

PAGE = Path(__file__).parents[3] / "docs/values.md"
TYPES = ("", "text", "integer", "number", "boolean", "date", "list")
ATTRIBUTES = "\n".join(
    f"  {kind or 'none'}: {{column: v{f', type: {kind}' if kind else ''}}}" for kind in TYPES
)
REFUSED = "refused"
_ROW = re.compile(r"^\| (CSV|NDJSON|Parquet|inline) \| `(.*?)` \| (.*) \|$", re.MULTILINE)


def documented() -> list[tuple[str, str, list[str]]]:
    return [
        (
            source,
            written.replace("\\|", "|"),
            [each.strip("`").replace("\\|", "|") for each in outcomes.split(" | ")],
        )
        for source, written, outcomes in _ROW.findall(PAGE.read_text())
    ]


def outcomes_of(folder: Any, source: str, written: str) -> list[str]:
    """Return what becomes of a cell, as JSON, for each of ``TYPES``."""
    match source:
        case "CSV":
            cell = '"' + written.replace('"', '""') + '"'
            folder.write("specs/u.csv", f"id,v\nu1,{cell}\n")
            users = "{file: u.csv, id: id}"
        case "NDJSON":
            folder.write("specs/u.ndjson", f'{{"id": "u1", "v": {written}}}\n')
            users = "{file: u.ndjson, id: id}"
        case "Parquet":
            with duckdb.connect() as connection:
                (folder.root / "specs").mkdir()
                connection.execute(
                    f"COPY (SELECT 'u1' AS id, {written} AS v) TO '{folder.root}/specs/u.parquet'"
                )
            users = "{file: u.parquet, id: id}"
        case _:
            users = f"{{inline: [{{id: u1, v: {written}}}]}}"
    folder.spec("UserAttributes", f"users: {users}\nattributes:\n{ATTRIBUTES}")
    loaded = folder.load()
    if loaded.problems:
        return [REFUSED] * len(TYPES)
    (resource,) = loaded.resources
    (row,) = rows(resource.source, folder.root, lambda problem: pytest.fail(str(problem)))
    return [outcome(part, row.values) for part in resource.parts]


def outcome(part: Any, values: Any) -> str:
    try:
        return json.dumps(part.desire(values, "u1").value, ensure_ascii=False)
    except CellError:
        return REFUSED


@pytest.mark.parametrize(("source", "written", "outcomes"), documented())
def test_what_the_page_says_is_what_happens(
    folder: Any, source: str, written: str, outcomes: list[str]
) -> None:
    assert outcomes_of(folder, source, written) == outcomes


def test_the_page_has_every_format() -> None:
    assert {source for source, _, _ in documented()} == {"CSV", "NDJSON", "Parquet", "inline"}
