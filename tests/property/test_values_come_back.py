"""What is written as a cell comes back from the emulator as the same text or number, or was refused, in every format and type."""

from __future__ import annotations

import csv
import json
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import Phase, event, given, settings
from hypothesis import strategies as st
from searching import examples

from leanplum_sync import Project, apply, plan
from leanplum_sync.emulator.store import Store
from leanplum_sync.emulator.values import to_json
from leanplum_sync.operations.check import check
from leanplum_sync.progress import SilentProgress
from leanplum_sync.specs import load
from leanplum_sync.staging import Staging

PROJECT = """apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: test}
spec: {specs: [specs], environments: {sandbox: {emulator: embedded}}, budget: {createdUsers: 1000}}
"""
TYPES = ("as-is", "text", "integer", "number", "boolean", "date", "list")
TRUE, FALSE = ("true", "yes", "1"), ("false", "no", "0")
PLAIN_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")


@dataclass(frozen=True)
class Cell:
    """*text* is how a file spells it; *items* are those of a list that is spelled in brackets."""

    text: str
    is_number: bool = False
    items: tuple[str, ...] | None = None


integers = st.integers(-(10**60), 10**60).map(str)
decimals = st.decimals(-(10**20), 10**20, places=4).map(lambda number: f"{number:.4f}")
doubles = st.floats(allow_nan=False, allow_infinity=False).map(repr)
near_the_edge = st.integers(2**53 - 3, 2**53 + 3).map(str)
numbers = (
    integers | decimals | doubles | near_the_edge | st.sampled_from(["0", "12.50", "0.1", "1e5", "3.0", "-0"])
)
codes = st.sampled_from(
    ["00123", "01234", "12E4", "+4915112345678", "1.10", "89012345678901234567", "0x1F", ".5", "1_000"]
)
dates = st.sampled_from(["2026-11-30", "2026-11-30T08:15:00Z", "20261130", "1764489600000", "30.11.2026"])
words = st.sampled_from(
    ["gold", "true", "No", "YES", "O'Brien", "ä b", 'say "hi"', "back\\slash", "a,b", "a;b", "a|b", "x\u00a0"]
)
letters = st.text(
    st.characters(categories=["L", "Nd", "Po", "Zs"], exclude_characters="\0"), min_size=1, max_size=8
)
items = st.lists(codes | st.sampled_from(["a", "12", "0.1", "1.50"]) | near_the_edge, min_size=1, max_size=3)
texts = (
    (codes | dates | words | numbers | letters.filter(str.strip)).map(Cell)
    | items.map(lambda found: Cell(f"[{', '.join(found)}]", items=tuple(found)))
    | st.lists(codes, min_size=1, max_size=3).map(lambda found: Cell(json.dumps(found), items=tuple(found)))
)


def _number(text: str) -> Cell:
    return Cell(text, is_number=True)


def write_csv(folder: Path, rows: Sequence[tuple[str, str, Cell]]) -> str:
    with (folder / "u.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", *TYPES])
        writer.writerows(
            [name, *(cell.text if each == kind else "" for each in TYPES)] for name, kind, cell in rows
        )
    return "{file: ../u.csv, id: id}"


def write_ndjson(folder: Path, rows: Sequence[tuple[str, str, Cell]]) -> str:
    lines = (f'{{"id": "{name}", "{kind}": {spelled(cell)}, "w": null}}\n' for name, kind, cell in rows)
    every_column = json.dumps({"id": "last", **dict.fromkeys(TYPES)})
    (folder / "u.ndjson").write_text("".join([*lines, every_column]))
    return "{file: ../u.ndjson, id: id}"


def write_inline(_: Path, rows: Sequence[tuple[str, str, Cell]]) -> str:
    lines = (f"\n      - {{id: {name}, {kind}: {spelled(cell)}}}" for name, kind, cell in rows)
    return (
        f"\n    inline:{''.join(lines)}\n      - {{id: last, {', '.join(f'{each}: null' for each in TYPES)}}}"
    )


def spelled(cell: Cell) -> str:
    return cell.text if cell.is_number else json.dumps(cell.text, ensure_ascii=False)


def parquet_writer(sql_type: str) -> Callable[[Path, Sequence[tuple[str, str, Cell]]], str]:
    def write(folder: Path, rows: Sequence[tuple[str, str, Cell]]) -> str:
        columns = ", ".join(f'"{each}" {sql_type}' for each in TYPES)
        with duckdb.connect() as connection:
            connection.execute(f"CREATE TABLE u (id VARCHAR, {columns})")
            for name, kind, cell in rows:
                connection.execute(
                    f'INSERT INTO u (id, "{kind}") VALUES (?, ?::{sql_type})', [name, cell.text]
                )
            connection.execute(f"COPY u TO '{folder}/u.parquet' (FORMAT parquet)")
        return "{file: ../u.parquet, id: id}"

    return write


def scaled(digits: int, places: int) -> st.SearchStrategy[Cell]:
    """Numbers that a DECIMAL of this type holds, as it writes them."""
    most = Decimal("9" * (digits - places))
    return st.decimals(-most, most, places=places).map(
        lambda number: _number(f"{number:.{places}f}" if number else f"{0:.{places}f}")
    )


json_numbers = numbers.filter(PLAIN_NUMBER.fullmatch) | st.sampled_from(
    ["1e5", "-0", "1.5E+3", "0.1000000000000000055"]
)
SOURCES = {
    "csv": (write_csv, texts),
    "ndjson": (write_ndjson, texts | json_numbers.map(_number)),
    "inline": (write_inline, texts | numbers.filter(PLAIN_NUMBER.fullmatch).filter(lambda text: text != "-0").map(_number)),
    "parquet-text": (parquet_writer("VARCHAR"), texts),
    "parquet-decimal": (parquet_writer("DECIMAL(38, 4)"), scaled(38, 4)),
    "parquet-whole": (parquet_writer("DECIMAL(38, 0)"), scaled(38, 0)),
    "parquet-bigint": (parquet_writer("BIGINT"), st.integers(-(2**63), 2**63 - 1).map(str).map(_number)),
    "parquet-date": (parquet_writer("DATE"), st.dates().map(lambda day: Cell(day.isoformat()))),
}  # fmt: skip


@pytest.mark.parametrize("source", SOURCES)
@settings(
    max_examples=examples(2), phases=[Phase.generate]
)  # an example is a whole run: shrinking would take minutes
@given(data=st.data())
def test_a_cell_comes_back_as_it_was_or_was_refused(source: str, data: st.DataObject) -> None:
    write, strategy = SOURCES[source]
    cells = data.draw(st.lists(strategy, min_size=4, max_size=12))
    rows = [(f"u{number}-{kind}", kind, cell) for number, (cell, kind) in enumerate(product(cells, TYPES))]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "specs").mkdir()
        (folder / "leanplum-sync.yaml").write_text(PROJECT)
        write_spec(folder, write(folder, rows))
        refused = rows_with_problems(folder, rows)
        kept = [row for number, row in enumerate(rows, start=1) if number not in refused]
        event(f"{source}: {'some' if refused else 'none'} refused")
        assert all(
            kind not in ("text", "as-is") or cell.is_number
            for number, (_, kind, cell) in enumerate(rows, start=1)
            if number in refused
        )
        assert all(kind != "text" for number, (_, kind, _) in enumerate(rows, start=1) if number in refused)
        write_spec(folder, write(folder, kept))
        assert apply(plan(Project.load(folder / "leanplum-sync.yaml"))).complete
        found = attributes(folder)
    for user, kind, cell in kept:
        assert is_same(found[user].get(kind), kind, cell), (source, kind, cell, found[user])


def write_spec(folder: Path, users: str) -> None:
    lines = [
        f"    {kind}: {{column: {kind}{'' if kind == 'as-is' else f', type: {kind}'}}}" for kind in TYPES
    ]
    head = "apiVersion: leanplum-sync/v1\nkind: UserAttributes\nmetadata: {name: it}\nspec:\n  createUsers: true\n"
    (folder / "specs" / "it.yaml").write_text(
        "\n".join([f"{head}  attributes:", *lines, f"  users: {users}", ""])
    )


def rows_with_problems(folder: Path, rows: Sequence[object]) -> set[int]:
    loaded = load(folder / "leanplum-sync.yaml")
    assert loaded.problems == ()
    with Staging(folder / "state", only_rows=True) as staging:
        problems = check(loaded, staging, SilentProgress()).problems
    first = len((folder / "specs" / "it.yaml").read_text().splitlines()) - len(rows) - 1
    return {problem.place.row or (problem.place.line or 0) - first for problem in problems}


def attributes(folder: Path) -> dict[str, dict[str, Any]]:
    store = Store(folder / ".leanplum-sync" / "emulator.db")
    try:
        return {
            user.user_id: json.loads(to_json(user.attributes), parse_float=Decimal, parse_int=Decimal)
            for user in store.users()
        }
    finally:
        store.close()


def is_same(found: Any, kind: str, cell: Cell) -> bool:
    match kind:
        case "as-is":
            return found == Decimal(cell.text) if cell.is_number else found == cell.text
        case "text":
            return bool(found == cell.text)
        case "integer" | "number":
            return found == Decimal(cell.text.strip())
        case "boolean":
            word = cell.text.lower().strip()
            return (word in TRUE + FALSE and found.lower() == str(word in TRUE).lower()) or (
                cell.is_number and Decimal(word) == (found == "True")
            )
        case "date":
            return bool(found == cell.text.strip())
        case _:
            if cell.is_number:
                return bool(found == [Decimal(cell.text)])
            spelled_items = [cell.text] if cell.items is None else cell.items
            return all(any(is_same_item(item, text) for item in found) for text in spelled_items) and all(
                any(is_same_item(item, text) for text in spelled_items) for item in found
            )


def is_same_item(found: str | Decimal, text: str) -> bool:
    if isinstance(found, str):
        return found == text
    return PLAIN_NUMBER.fullmatch(text) is not None and found == Decimal(text)
