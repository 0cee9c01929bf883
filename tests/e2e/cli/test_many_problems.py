"""A data file with more problems than anybody reads: all counted, the first shown, a file with the rest, memory flat."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from shell import Command

ROWS = 4_000
COLUMNS = 4
SPEC = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: many}
spec:
  users: {file: ../data/many.csv, id: id}
  attributes: {a0: {column: a0, type: integer}, a1: {column: a1}, a2: {column: a2}, a3: {column: a3}}
"""


def cell(user: int, *, is_bad: bool) -> str:
    return f"u{user:08},{'many' if is_bad else user},x,y,z\n"


def extra(user: int, *, is_bad: bool) -> str:
    return f"u{user:08},{user},x,y,z{',one too many' if is_bad else ''}\n"


def quote(user: int, *, is_bad: bool) -> str:
    return f"u{user:08},{user},x,y,{chr(34) + 'z' + chr(34) + 'z' if is_bad else 'z'}\n"


def encoding(user: int, *, is_bad: bool) -> str:
    return f"u{user:08},{user},x,y,{chr(0xE9) if is_bad else 'z'}\n"


def written(shop: Path, row: Callable[..., str], rows: int = ROWS, every: int = 20) -> None:
    for spec in (shop / "specs").glob("*.yaml"):
        spec.unlink()
    (shop / "specs" / "many.yaml").write_text(SPEC)
    (shop / "data").mkdir(exist_ok=True)

    def lines() -> Iterator[str]:
        yield "id,a0,a1,a2,a3\n"
        yield from (row(user, is_bad=user % every == 1) for user in range(rows))

    (shop / "data" / "many.csv").write_text("".join(lines()), encoding="latin-1")


@pytest.mark.parametrize("row", [cell, extra, quote, encoding])
def test_all_are_counted_the_first_hundred_shown_and_a_file_has_them_all(
    command: Command, shop: Path, row: Callable[..., str]
) -> None:
    written(shop, row)
    result = command("validate")
    assert result.returncode == 3
    assert result.stdout.endswith(
        "\n200 problems; the first 100 are shown. .leanplum-sync/problems.ndjson lists all of them.\n"
    )
    shown = [line for line in result.stdout.splitlines() if line.startswith("data/many.csv:")]
    assert [line.split(":")[1] for line in shown] == [str(user + 2) for user in range(1, 2000, 20)]
    file = shop / ".leanplum-sync" / "problems.ndjson"
    listed = [json.loads(line) for line in file.read_text().splitlines()]
    assert [each["place"]["row"] for each in listed] == [user + 1 for user in range(1, ROWS, 20)]
    assert {each["resource"] for each in listed} == {"UserAttributes/many"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_plan_finds_is_listed_too_and_where_it_is_asked_for(command: Command, shop: Path) -> None:
    written(shop, cell)
    result = command("plan", "--problems", "all.ndjson", "-o", "json")
    assert result.returncode == 3
    assert "all.ndjson lists all of them." in result.stderr
    assert len((shop / "all.ndjson").read_text().splitlines()) == 200
    document = json.loads(result.stdout)
    assert [document["total"], document["listed"]] == [200, "all.ndjson"]


def test_once_the_data_is_mended_the_list_of_before_is_gone(command: Command, shop: Path) -> None:
    written(shop, cell)
    command("validate")
    written(shop, cell, every=ROWS)
    result = command("validate")
    assert result.stdout.endswith("\n1 problem in 1 file.\n")
    assert not (shop / ".leanplum-sync" / "problems.ndjson").exists()


def test_memory_must_be_a_size_and_not_too_little(command: Command, shop: Path) -> None:
    assert command("validate", "--memory", "512MB").returncode == 0
    assert command("validate", variables={"LEANPLUM_SYNC_VALIDATE_MEMORY": "1GB"}).returncode == 0
    for size, why in [("512", "not a size"), ("1kB", "not a size"), ("127MB", "too little")]:
        result = command("validate", "--memory", size)
        assert result.returncode == 64
        assert why in result.stderr
